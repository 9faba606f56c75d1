import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.alerts.model import Closing
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.alerts.service.transitions import close_by_recovery
from lumetry_core.incidents.candidates import CandidateStatus, CandidateType, ProblemCandidate, reopened_incident
from lumetry_core.incidents.model import Incident, IncidentState
from lumetry_core.incidents.service import candidates, handling
from lumetry_core.incidents.store.candidates import upsert_occurrences
from lumetry_core.incidents.store.incidents import update_incidents
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.core.incidents.building import NOW, ORGANIZATION, an_incident, an_opening, correlate_all, open_some


def on(day: float) -> datetime:
    return NOW + timedelta(days=day)


async def an_ended_incident(database: Database, day: float, host: str = "srv-1") -> int:
    """A new incident of a host, whose only alert closed."""
    (alert,) = await open_some(database, an_opening(1, host, start_time=on(day)), now=on(day))
    async with database.write() as tx:
        await close_by_recovery(tx, ORGANIZATION, [Closing(alert.id, 1, "Rule 1", on(day), NOW, 5)], on(day))
    await correlate_all(database, on(day))
    async with database.read() as tx:
        (closed,) = await find_alerts(tx, ORGANIZATION, [alert.id])
    assert closed.incident_id is not None
    return closed.incident_id


async def resolve(database: Database, caller: Caller, incident_id: int, classification: str, day: float) -> Incident:
    async with database.write() as tx:
        return await handling.resolve(tx, caller, incident_id, "nothing", classification, on(day))


async def read_candidates(database: Database, caller: Caller, status: str = "", kind: str = "", limit: int = 0) -> list[ProblemCandidate]:
    async with database.read() as tx:
        return await candidates.list_candidates(tx, caller, status, kind, limit)


async def resolve_often(database: Database, caller: Caller, *resolutions: tuple[float, str]) -> list[int]:
    """For each resolution whether an open hint exists afterwards, as its count."""
    counts = []
    for day, classification in resolutions:
        await resolve(database, caller, await an_ended_incident(database, day), classification, day)
        counts.append(sum(one.occurrence_count for one in await read_candidates(database, caller, "Open")))
    return counts


async def test_resolve_without_impact_notes_the_third_time(database: Database, caller: Caller) -> None:
    """The third of the three classifications within 30 days makes a hint, the fourth a stronger one; others do not count."""
    steps = ((0, "NoImpact"), (1, "FalsePositive"), (2, "Resolved"), (3, "Transferred"), (4, "Duplicate"), (5, "NoImpact"))
    assert await resolve_often(database, caller, *steps) == [0, 0, 0, 0, 1, 2]
    assert await read_candidates(database, caller) == [
        ProblemCandidate(
            id=1,
            organization_id=ORGANIZATION,
            type=CandidateType.REPEATED_NON_IMPACT,
            status=CandidateStatus.OPEN,
            correlation_key="ci:1",
            incident_id=6,
            alert_id=None,
            service_node_id=None,
            ci_node_id=1,
            metric_key=None,
            summary="4 resolutions without impact within 30 days, the last of INC-000006",
            occurrence_count=2,
            first_seen_time=on(4),
            last_seen_time=on(5),
        )
    ]


async def test_resolve_without_impact_counts_thirty_days(database: Database, caller: Caller) -> None:
    """A resolution of 30 days ago still counts, one of longer ago does not."""
    assert await resolve_often(database, caller, (0, "NoImpact"), (1, "NoImpact"), (30, "NoImpact")) == [0, 0, 1]
    assert await resolve_often(database, caller, (61, "NoImpact"), (90, "NoImpact"), (91.01, "NoImpact")) == [1, 1, 1]


async def test_resolve_without_impact_counts_one_key(database: Database, caller: Caller) -> None:
    """Resolutions of other hosts are other problems."""
    for day, host in enumerate(("srv-1", "srv-2", "srv-3")):
        await resolve(database, caller, await an_ended_incident(database, day, host), "NoImpact", day)
    assert await read_candidates(database, caller) == []


async def test_resolve_without_impact_counts_reopened_incidents_again(database: Database, caller: Caller) -> None:
    """What a reopening takes from an incident still counts as a resolution."""
    incident_id = await an_ended_incident(database, 0)
    for day in (0, 1, 2):
        resolved = await resolve(database, caller, incident_id, "NoImpact", day)
        async with database.write() as tx:
            open_again = replace(resolved, state=IncidentState.OPEN, resolve_time=None, resolution_classification=None)
            await update_incidents(tx, ORGANIZATION, [open_again])
    assert [one.occurrence_count for one in await read_candidates(database, caller)] == [1]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_resolve_without_impact_at_once(database: Database, caller: Caller) -> None:
    """Three people who resolve at the same time make one hint: each counts those before."""
    numbers = [await an_ended_incident(database, day) for day in (0, 1, 2)]
    await asyncio.gather(*(resolve(database, caller, number, "NoImpact", 3) for number in numbers))
    assert [one.occurrence_count for one in await read_candidates(database, caller)] == [1]


async def test_list_candidates_takes_filters(database: Database, caller: Caller) -> None:
    """Last seen first; status, type and limit choose, ignoring case; other organizations have their own."""
    async with database.write() as tx:
        for organization_id, day, key in ((ORGANIZATION, 0, "ci:1"), (ORGANIZATION, 1, "ci:2"), (8, 2, "ci:1")):
            occurrence = reopened_incident(an_incident(correlation_key=key), 5)
            await upsert_occurrences(tx, organization_id, [occurrence], on(day))
        await candidates.dismiss(tx, caller, 1, None, on(2))
    for (status, kind, limit), keys in {
        ("", "", 0): ["ci:2", "ci:1"],
        ("", "", 1): ["ci:2"],
        ("dismissed", "reopenedincident", 0): ["ci:1"],
        ("Open", "", 0): ["ci:2"],
        ("", "PersistentWatch", 0): [],
    }.items():
        assert [one.correlation_key for one in await read_candidates(database, caller, status, kind, limit)] == keys
    with pytest.raises(LumetryError) as caught:
        await read_candidates(database, caller, "New", "Other", -1)
    assert (caught.value.reason, caught.value.faults) == (
        Reason.VALIDATION_FAILED,
        (
            Fault("status", "must be one of Open, Dismissed"),
            Fault("type", "must be one of PersistentWatch, ReopenedIncident, RepeatedNonImpact"),
            Fault("limit", "must be between 1 and 5000"),
        ),
    )


async def test_dismiss_puts_a_candidate_aside(database: Database, caller: Caller) -> None:
    """Who, when and why are kept and audited; again it stays as it is; the next occurrence opens a new one."""
    occurrence = reopened_incident(an_incident(), 5)
    async with database.write() as tx:
        await upsert_occurrences(tx, ORGANIZATION, [occurrence, occurrence], NOW)
        dismissed = await candidates.dismiss(tx, caller, 1, "known", on(1))
        again = await candidates.dismiss(tx, replace(caller, user_name="bert"), 1, "other", on(2))
        await upsert_occurrences(tx, ORGANIZATION, [occurrence], on(3))
        rows = (await tx.execute(select(audit_logs))).all()
    assert again == dismissed
    assert (dismissed.status, dismissed.dismiss_time, dismissed.dismissed_by_user_name, dismissed.dismiss_note) == (
        CandidateStatus.DISMISSED,
        on(1),
        "anna",
        "known",
    )
    assert [(one.status, one.occurrence_count) for one in await read_candidates(database, caller)] == [
        (CandidateStatus.OPEN, 1),
        (CandidateStatus.DISMISSED, 2),
    ]
    assert [(row.action, row.entity_type, row.entity_id, json.loads(row.new_values_json)) for row in rows] == [
        ("ProblemCandidate.Dismissed", "ProblemCandidate", "1", {"status": "Dismissed", "dismissNote": "known"})
    ]


async def test_dismiss_refuses_what_it_cannot_keep(database: Database, caller: Caller) -> None:
    """Unknown candidates, those of others, and notes that are too long or hold NUL."""
    async with database.write() as tx:
        await upsert_occurrences(tx, 8, [reopened_incident(an_incident(), 5)], NOW)
        await upsert_occurrences(tx, ORGANIZATION, [reopened_incident(an_incident(), 5)], NOW)

    async def failure(candidate_id: int, note: str | None) -> LumetryError:
        with pytest.raises(LumetryError) as caught:
            async with database.write() as tx:
                await candidates.dismiss(tx, caller, candidate_id, note, NOW)
        return caught.value

    assert [(await failure(number, None)).reason for number in (1, 9)] == [Reason.NOT_FOUND] * 2
    assert (await failure(2, "x" * 4000 + "\0")).faults == (
        Fault("note", "must have at most 4000 characters"),
        Fault("note", "must not contain the character NUL"),
    )
    assert [one.status for one in await read_candidates(database, caller)] == [CandidateStatus.OPEN]
