from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.alerts.model import SourceKind
from lumetry_core.alerts.service import muting, silences
from lumetry_core.alerts.service.silences import MatchersDraft, SilenceDraft
from lumetry_core.alerts.silences import Matchers, Silence
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.alerts.planning import CALLER, NOW, OTHER

HOUR = timedelta(hours=1)
EVERYTHING = MatchersDraft(
    metric_key="db.latency",
    rule_id=17,
    severity="Critical",
    source_kind="External",
    service_node_id=3,
    ci_node_id=30,
    labels={"host.id": "a|b", "zone": ""},
)


async def create(database: Database, clock: FakeClock, caller: Caller = CALLER, **changes: Any) -> Silence:
    fields = {"matchers": MatchersDraft(rule_id=17), "start_time": NOW, "end_time": NOW + 2 * HOUR, "reason": " Known "}
    async with database.write() as tx:
        return await silences.create_silence(tx, caller, SilenceDraft(**fields | changes), clock.now())


async def listed(database: Database, clock: FakeClock, active: bool | None = None, limit: int = 0, caller: Caller = CALLER) -> list[int]:
    async with database.read() as tx:
        return [silence.id for silence in await silences.list_silences(tx, caller, active, limit, clock.now())]


async def test_create_silence_is_listed(database: Database, clock: FakeClock) -> None:
    """All matchers come back; other organizations see nothing."""
    created = await create(database, clock, matchers=EVERYTHING)
    matchers = Matchers(
        metric_key="db.latency",
        rule_id=17,
        severity=Severity.CRITICAL,
        source_kind=SourceKind.EXTERNAL,
        service_node_id=3,
        ci_node_id=30,
        labels={"host.id": "a|b", "zone": ""},
    )
    assert created == Silence(created.id, 7, matchers, NOW, NOW + 2 * HOUR, "Known", NOW, 42)
    async with database.read() as tx:
        assert await silences.list_silences(tx, CALLER, None, 0, clock.now()) == [created]
        assert await silences.find_silences(tx, 7, [created.id, 99]) == {created.id: created}
        assert await silences.active_silences(tx, 7, NOW + HOUR) == [created]
        assert await silences.active_silences(tx, 8, NOW + HOUR) == []
    assert await listed(database, clock, caller=OTHER) == []


async def test_list_silences_by_activity(database: Database, clock: FakeClock) -> None:
    """Newest start first; active ones, others, and at most so many."""
    old, present, coming = [
        (await create(database, clock, start_time=NOW + start * HOUR, end_time=NOW + (start + 1) * HOUR)).id for start in (-3, 0, 3)
    ]
    assert await listed(database, clock) == [coming, present, old]
    assert await listed(database, clock, active=True) == [present]
    assert await listed(database, clock, active=False) == [coming, old]
    assert await listed(database, clock, limit=1) == [coming]
    async with database.read() as tx:
        found = [[silence.id for silence in await silences.active_silences(tx, 7, NOW + hours * HOUR)] for hours in (-1, 0, 1, 3)]
    assert found == [[], [present], [], [coming]]
    with pytest.raises(LumetryError) as failure:
        await listed(database, clock, limit=-1)
    assert [fault.path for fault in failure.value.faults] == ["limit"]


async def test_create_silence_refuses(database: Database, clock: FakeClock) -> None:
    """At least one matcher is needed, enum words are exact, and a silence ends within 30 days."""
    for changes, paths in (
        ({"matchers": MatchersDraft()}, ["matchers"]),
        ({"matchers": MatchersDraft(severity="critical", source_kind="Alien")}, ["matchers.severity", "matchers.sourceKind"]),
        ({"matchers": MatchersDraft(metric_key="")}, ["matchers.metricId"]),
        ({"matchers": MatchersDraft(metric_key="a\0")}, ["matchers.metricId"]),
        ({"matchers": MatchersDraft(labels={"": "x"})}, ["matchers.labels."]),
        ({"matchers": MatchersDraft(labels={"a": "x" * 513})}, ["matchers.labels.a"]),
        ({"matchers": MatchersDraft(labels={str(number): "" for number in range(33)})}, ["matchers.labels"]),
        ({"start_time": None, "end_time": None, "reason": ""}, ["reason", "startTime", "endTime"]),
        ({"end_time": NOW}, ["endTime"]),
        ({"end_time": NOW + timedelta(days=30, seconds=1)}, ["endTime"]),
        ({"reason": "x" * 501}, ["reason"]),
    ):
        with pytest.raises(LumetryError) as failure:
            await create(database, clock, **changes)
        assert (failure.value.reason, [fault.path for fault in failure.value.faults]) == (Reason.VALIDATION_FAILED, paths)
    assert await listed(database, clock) == []
    await create(database, clock, end_time=NOW + timedelta(days=30))


async def test_delete_silence(database: Database, clock: FakeClock) -> None:
    """A removed silence mutes no more and is still known; others' and unknown ones cannot be removed; both writes are audited."""
    created = await create(database, clock)
    async with database.write() as tx:
        for caller, number in ((OTHER, created.id), (CALLER, created.id + 1)):
            with pytest.raises(LumetryError) as failure:
                await muting.delete_silence(tx, caller, number, clock.now())
            assert failure.value.reason is Reason.NOT_FOUND
        await muting.delete_silence(tx, CALLER, created.id, clock.now())
        with pytest.raises(LumetryError) as failure:
            await muting.delete_silence(tx, CALLER, created.id, clock.now())
        assert failure.value.reason is Reason.NOT_FOUND
    assert await listed(database, clock) == []
    async with database.read() as tx:
        assert await silences.active_silences(tx, 7, clock.now()) == []
        assert (await silences.find_silences(tx, 7, [created.id]))[created.id].delete_time == NOW
        rows = (await tx.execute(audit_logs.select().order_by(audit_logs.c.id))).all()
    assert [(row.action, row.entity_id) for row in rows] == [("Silence.Created", str(created.id)), ("Silence.Deleted", str(created.id))]
    assert rows[0].new_values_json == rows[1].old_values_json
    assert '"ruleId":17' in rows[0].new_values_json
