from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import select

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.access.store.audit import audit_logs, revisions
from lumetry_core.baselines.drafts import ExclusionDraft
from lumetry_core.baselines.model import Exclusion, ExclusionKind, Rebuild
from lumetry_core.baselines.service import exclusions
from lumetry_core.baselines.service.rebuilds import list_rebuilds
from lumetry_core.metrics.store.catalog import metrics as metrics_table
from lumetry_core.runtime.caller import Caller, system_caller
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.core.baselines.building import CALLER, OTHER, add_metrics

WINDOW, HOLIDAY = ExclusionKind.INCIDENT_WINDOW, ExclusionKind.PUBLIC_HOLIDAY
PAST = datetime(2026, 5, 1, 22, tzinfo=UTC)
FUTURE = datetime(2026, 6, 1, 8, tzinfo=UTC)
"""The first moment that has not passed: the clock's."""
HOUR = timedelta(hours=1)


async def add(
    database: Database, clock: Clock, kind: ExclusionKind = WINDOW, start: datetime = PAST, caller: Caller = CALLER, **fields: object
) -> Exclusion:
    draft = ExclusionDraft(**{"start_time": start, "end_time": start + HOUR, "reason": "Move"} | fields)
    async with database.write() as tx:
        return await exclusions.create_exclusion(tx, caller, kind, draft, clock.now())


async def remove(database: Database, clock: Clock, kind: ExclusionKind, exclusion_id: int) -> None:
    async with database.write() as tx:
        await exclusions.delete_exclusion(tx, CALLER, kind, exclusion_id, clock.now())


async def list_of(database: Database, kind: ExclusionKind, limit: int = 0, caller: Caller = CALLER) -> list[Exclusion]:
    async with database.read() as tx:
        return await exclusions.list_exclusions(tx, caller, kind, limit)


async def requests_of(database: Database, organization_id: int = 7) -> list[Rebuild]:
    async with database.read() as tx:
        return [replace(request, id=0) for request in await list_rebuilds(tx, organization_id)]


@pytest.mark.parametrize("kind", ExclusionKind)
async def test_create_exclusion_stores_and_audits(database: Database, clock: Clock, kind: ExclusionKind) -> None:
    """The period is read back whole under its kind alone, its author is the caller, and it has a history."""
    await add_metrics(database, clock.now(), "cpu")
    created = await add(database, clock, kind, metric_key="cpu", reason=" Move ")
    assert created == Exclusion(created.id, 7, kind, "cpu", PAST, PAST + HOUR, "Move", 42, clock.now())
    assert await list_of(database, kind) == [created]
    [other] = set(ExclusionKind) - {kind}
    assert await list_of(database, other) == []
    async with database.read() as tx:
        [row] = (await tx.execute(select(audit_logs))).all()
        [revision] = (await tx.execute(select(revisions))).all()
    assert (row.action, row.entity_type, row.entity_id, row.old_values_json) == (f"{kind}.Created", kind, str(created.id), None)
    assert msgspec.json.decode(row.new_values_json) == {
        "metricId": "cpu",
        "startTime": "2026-05-01T22:00:00Z",
        "endTime": "2026-05-01T23:00:00Z",
        "reason": "Move",
        "createdBy": 42,
    }
    assert (revision.entity_type, revision.operation) == (kind, "Created")


async def test_create_exclusion_of_the_system_has_no_author(database: Database, clock: Clock) -> None:
    """What no user adds has nobody as its author."""
    assert (await add(database, clock, caller=system_caller(7))).created_by is None


async def test_create_exclusion_names_every_fault(database: Database, clock: Clock) -> None:
    """Unknown metrics, those of other organizations included, and bad periods come together; nothing is written."""
    await add_metrics(database, clock.now(), "theirs", organization_id=8)
    with pytest.raises(LumetryError) as failure:
        await add(database, clock, metric_key="theirs", end_time=PAST, reason="")
    assert (failure.value.reason, failure.value.faults) == (
        Reason.VALIDATION_FAILED,
        (
            Fault("metricId", "metric theirs does not exist"),
            Fault("endTime", "must be after startTime"),
            Fault("reason", "must have 1 to 500 characters"),
        ),
    )
    assert (await list_of(database, WINDOW), await requests_of(database)) == ([], [])
    async with database.read() as tx:
        assert await read_evaluation_version(tx, 7) == 0


async def test_create_exclusion_over_learned_time_has_it_learned_again(database: Database, clock: Clock) -> None:
    """A period that has begun is a request for its metric, or all, under all profiles; one that has not is none."""
    metrics = await add_metrics(database, clock.now(), "cpu")
    await add(database, clock, metric_key="cpu")
    await add(database, clock, HOLIDAY, FUTURE - timedelta(milliseconds=1))
    await add(database, clock, start=FUTURE)
    last = to_ms(FUTURE) - 1
    assert await requests_of(database) == [
        Rebuild(0, 7, None, metrics["cpu"], to_ms(PAST), to_ms(PAST + HOUR), include_violations=False, create_time=clock.now()),
        Rebuild(0, 7, None, None, last, last + 3_600_000, include_violations=False, create_time=clock.now()),
    ]
    assert await requests_of(database, 8) == []


async def test_delete_exclusion_has_it_learned_again(database: Database, clock: Clock) -> None:
    """Removing undoes what adding did, with the same request; the audit log tells what was removed."""
    await add_metrics(database, clock.now(), "cpu")
    created = await add(database, clock, metric_key="cpu")
    everywhere = await add(database, clock, HOLIDAY)
    coming = await add(database, clock, start=FUTURE)
    asked = await requests_of(database)
    await remove(database, clock, WINDOW, created.id)
    await remove(database, clock, HOLIDAY, everywhere.id)
    await remove(database, clock, WINDOW, coming.id)
    assert await requests_of(database) == asked * 2
    assert (await list_of(database, WINDOW), await list_of(database, HOLIDAY)) == ([], [])
    async with database.read() as tx:
        rows = (await tx.execute(select(audit_logs).where(audit_logs.c.action.endswith(".Deleted")).order_by(audit_logs.c.id))).all()
        operations = (await tx.execute(select(revisions.c.operation).order_by(revisions.c.id))).scalars().all()
    assert [(row.action, row.entity_id, row.new_values_json) for row in rows] == [
        ("IncidentWindow.Deleted", str(created.id), None),
        ("PublicHoliday.Deleted", str(everywhere.id), None),
        ("IncidentWindow.Deleted", str(coming.id), None),
    ]
    assert msgspec.json.decode(rows[0].old_values_json)["metricId"] == "cpu"
    assert operations == ["Created"] * 3 + ["Removed"] * 3


async def test_delete_exclusion_of_a_metric_that_is_gone(database: Database, clock: Clock) -> None:
    """There is nothing to learn for it, least of all for all other metrics."""
    await add_metrics(database, clock.now(), "cpu")
    created = await add(database, clock, metric_key="cpu")
    asked = await requests_of(database)
    async with database.write() as tx:
        await tx.execute(metrics_table.delete())
    await remove(database, clock, WINDOW, created.id)
    assert await requests_of(database) == asked


async def test_delete_exclusion_knows_kind_and_organization(database: Database, clock: Clock) -> None:
    """A window is no holiday, and what others have does not exist."""
    window = await add(database, clock)
    theirs = await add(database, clock, caller=OTHER)
    for kind, number, message in (
        (HOLIDAY, window.id, f"Public holiday {window.id} does not exist."),
        (WINDOW, theirs.id, f"Incident window {theirs.id} does not exist."),
    ):
        with pytest.raises(LumetryError) as failure:
            await remove(database, clock, kind, number)
        assert (failure.value.reason, failure.value.message) == (Reason.NOT_FOUND, message)
    assert (await list_of(database, WINDOW), await list_of(database, WINDOW, caller=OTHER)) == ([window], [theirs])


async def test_every_change_moves_the_evaluation_version(database: Database, clock: Clock) -> None:
    """Learners keep periods in memory, so coming ones must be noticed as well."""
    coming = await add(database, clock, start=FUTURE)
    async with database.read() as tx:
        first = await read_evaluation_version(tx, 7)
    await remove(database, clock, WINDOW, coming.id)
    async with database.read() as tx:
        assert (first, await read_evaluation_version(tx, 7), await read_evaluation_version(tx, 8)) == (1, 2, 0)


async def test_list_exclusions_is_newest_first(database: Database, clock: Clock) -> None:
    """By start, then number; the limit cuts off the oldest and has its range."""
    old, new, twin = [await add(database, clock, start=start) for start in (PAST, PAST + 2 * HOUR, PAST + 2 * HOUR)]
    assert await list_of(database, WINDOW) == [twin, new, old]
    assert await list_of(database, WINDOW, 2) == [twin, new]
    for limit in (-1, 5001):
        with pytest.raises(LumetryError) as failure:
            await list_of(database, WINDOW, limit)
        assert failure.value.faults == (Fault("limit", "must be between 1 and 5000"),)


async def test_learners_get_all_periods(database: Database, clock: Clock) -> None:
    """Both kinds ascend by start; those of a span are the ones that share a moment with it."""
    await add_metrics(database, clock.now(), "cpu", "disk")
    holiday = await add(database, clock, HOLIDAY, PAST + HOUR)
    window = await add(database, clock, metric_key="cpu")
    await add(database, clock, caller=OTHER)
    first, second, end = to_ms(PAST), to_ms(PAST + HOUR), to_ms(PAST + 2 * HOUR)
    of_cpu, of_all = ("cpu", first, second), (None, second, end)
    async with database.read() as tx:
        assert await exclusions.exclusions_of(tx, 7) == [window, holiday]
        asked = {
            (None, first, end): [of_cpu, of_all],
            ("cpu", first, end): [of_cpu, of_all],
            ("disk", first, end): [of_all],
            (None, first, second): [of_cpu],
            (None, second, end): [of_all],
            (None, end, end + 1): [],
            (None, first - 1, first): [],
        }
        assert {span: await exclusions.list_exclusions_between(tx, 7, *span) for span in asked} == asked
