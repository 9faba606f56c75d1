from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from lumetry_core.rules.model import Direction, Severity
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.violations import service
from lumetry_core.violations.model import Attachment, EvidenceProbe, NewViolation, RunAttachment, Violation, ViolationFilter

Build = Callable[..., NewViolation]
NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
CALLER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE)


async def record(database: Database, *new: NewViolation, organization_id: int = 7) -> None:
    async with database.write() as tx:
        await service.record(tx, organization_id, new)


async def minutes(database: Database, **wanted: object) -> list[float]:
    """The times of matching violations, in minutes."""
    async with database.read() as tx:
        found = await service.list_violations(tx, 7, ViolationFilter(**wanted))  # type: ignore[arg-type]
    return [(violation.time - NOW) / timedelta(minutes=1) for violation in found]


async def test_record_keeps_every_field(database: Database, breach: Build) -> None:
    """What was recorded comes back whole, with its number."""
    full = breach(
        expected_value=1.0,
        lower_threshold=2.0,
        deviation_percent=-3.25,
        baseline_confidence="High",
        alert_id=9,
        is_late=True,
        direction=Direction.BOTH,
        severity=Severity.CRITICAL,
    )
    bare = breach(1, rule_id=None, rule_name=None, alert_level_id=None, dimension_key=None, job_id=None, upper_threshold=None)
    await record(database, full, bare)
    async with database.read() as tx:
        found = await service.list_violations(tx, 7, ViolationFilter())
    assert found == [
        Violation(**asdict(bare), id=found[0].id, organization_id=7),
        Violation(**asdict(full), id=found[1].id, organization_id=7),
    ]


async def test_record_ignores_repetition(database: Database, breach: Build) -> None:
    """Rule, dimension key and time identify a violation within its organization; the first one stays."""
    await record(database, breach(), breach(dimension_key=None))
    await record(database, breach(actual_value=99.0), breach(dimension_key=None), breach(1), breach(rule_id=2))
    await record(database, breach(), organization_id=8)
    async with database.read() as tx:
        found = await service.list_violations(tx, 7, ViolationFilter(limit=5000))
        assert await service.find_recorded(tx, 7, 1, [NOW, NOW + timedelta(minutes=2)]) == {("host.id=a", NOW), (None, NOW)}
        assert await service.find_recorded(tx, 8, 2, [NOW]) == set()
    assert {(item.rule_id, item.dimension_key, item.time, item.actual_value) for item in found} == {
        (1, "host.id=a", NOW, 95.5),
        (1, None, NOW, 95.5),
        (1, "host.id=a", NOW + timedelta(minutes=1), 95.5),
        (2, "host.id=a", NOW, 95.5),
    }
    assert len(found) == 4


async def test_record_takes_many_at_once(database: Database, breach: Build) -> None:
    """A storm is one call."""
    await record(database, *(breach(position / 1000, dimension_key=f"host.id={position % 50}") for position in range(5000)))
    assert len(await minutes(database, limit=5000)) == 5000


async def test_attach_joins_recorded_violations_to_an_alert(database: Database, breach: Build) -> None:
    """Only the named times of the series join, and what belongs to an alert stays with it."""
    await record(database, breach(0, alert_id=8), breach(1), breach(2), breach(3), breach(2, dimension_key=None), breach(2, rule_id=2))
    async with database.write() as tx:
        await service.attach(tx, 7, 1, "host.id=a", [NOW + timedelta(minutes=minute) for minute in (0, 1, 2)], 9)
        await service.attach_all(tx, 7, [Attachment(1, None, (NOW + timedelta(minutes=2),), 10)])
        await service.attach_all(tx, 8, [Attachment(1, "host.id=a", (NOW + timedelta(minutes=3),), 11)])
        await service.attach_all(tx, 7, [])
    assert await minutes(database, alert_ids=(9,)) == [2, 1]
    assert await minutes(database, alert_ids=(8, 10)) == [2, 0]
    assert await minutes(database, alert_ids=(11,)) == []


async def test_recent_unattached_answers_what_still_counts(database: Database, breach: Build) -> None:
    """Late violations and those of alerts carry no trigger weight any more; the rest comes in order of time."""
    await record(database, breach(5), breach(3), breach(1), breach(4, is_late=True), breach(4.5, alert_id=9))
    await record(database, breach(6), organization_id=8)
    async with database.read() as tx:
        found = await service.recent_unattached(tx, 7, NOW + timedelta(minutes=3))
    assert [(violation.time - NOW) / timedelta(minutes=1) for violation in found] == [3, 5]


async def test_list_violations_filters(database: Database, breach: Build) -> None:
    """Each filter keeps what matches; ranges include their ends; the newest come first."""
    await record(
        database,
        breach(1),
        breach(2, metric_key="disk"),
        breach(3, rule_id=2),
        breach(4, severity=Severity.CRITICAL),
        breach(5, dimension_key=None),
    )
    assert await minutes(database) == [5, 4, 3, 2, 1]
    assert await minutes(database, metric_key="disk") == [2]
    assert await minutes(database, rule_id=2) == [3]
    assert await minutes(database, severity=Severity.CRITICAL) == [4]
    assert await minutes(database, dimension_key="host.id=a", limit=2) == [4, 3]
    assert await minutes(database, start_time=NOW + timedelta(minutes=2), end_time=NOW + timedelta(minutes=3)) == [3, 2]
    async with database.read() as tx:
        query = service.ViolationQuery(severity="critical", rule_id=1, metric_key="cpu", start_time=NOW, end_time=NOW + timedelta(days=1))
        found = await service.search_violations(tx, CALLER, query)
    assert [violation.severity for violation in found] == [Severity.CRITICAL]


async def test_search_violations_names_faults(database: Database) -> None:
    """All faults of a query are named by its parameters."""
    query = service.ViolationQuery(severity="bad", limit=5001, start_time=NOW, end_time=NOW - timedelta(1), dimension_key="\0")
    async with database.read() as tx:
        with pytest.raises(LumetryError) as failure:
            await service.search_violations(tx, CALLER, query)
    assert [fault.path for fault in failure.value.faults] == ["severity", "limit", "dimensionKey", "from"]


async def test_lists_use_indexes(database: Database) -> None:
    """No list of violations scans or sorts the whole table on SQLite."""
    if database.is_postgresql:
        pytest.skip("plans of PostgreSQL depend on statistics")
    async with database.read() as tx:
        for column in ("metric_key = 'cpu'", "rule_id = 1", "alert_id = 1", "time >= 1"):
            query = f"SELECT * FROM violations WHERE organization_id = 7 AND {column} ORDER BY time DESC, id DESC LIMIT 500"
            plan = [row.detail for row in await tx.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
            assert "USING INDEX" in plan[0]
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan


async def test_record_keeps_one_violation_per_analysis_and_tick(database: Database, breach: Callable[..., NewViolation]) -> None:
    """One point may be judged at several ticks and by several analyses; the same tick of an analysis is recorded once."""
    detected = [
        breach(rule_id=None, rule_name=None, analysis=analysis, tick_time=breach(minute).time, alert_id=None)
        for analysis in ("peer_deviation", "baseline_deviation")
        for minute in (1, 2)
    ]
    async with database.write() as tx:
        await service.record(tx, 7, detected)
        await service.record(tx, 7, [*detected, breach()])
        await service.attach_runs(tx, 7, [RunAttachment("cpu", "peer_deviation", "host.id=a", breach(2).time, 5)])
        await service.attach_runs(tx, 7, [RunAttachment("cpu", "peer_deviation", "host.id=a", breach(1).time, 6)])
        found = await service.list_violations(tx, 7, ViolationFilter())
        loose = await service.recent_unattached(tx, 7, breach().time)
    assert sorted((each.analysis or "", each.tick_time, each.alert_id) for each in found if each.analysis) == [
        ("baseline_deviation", breach(1).time, None),
        ("baseline_deviation", breach(2).time, None),
        ("peer_deviation", breach(1).time, 6),
        ("peer_deviation", breach(2).time, 5),
    ]
    assert [each.rule_id for each in loose] == [1]


async def test_find_first_evidence_asks_for_each_alert_by_itself(database: Database, breach: Build) -> None:
    """The first violation since a time that was recorded after another, of many alerts at once; earlier records do not count."""
    late = NOW + timedelta(hours=2)
    await record(
        database,
        breach(1, alert_id=1, detect_time=late),
        breach(2, alert_id=1, detect_time=late),
        breach(3, alert_id=1, detect_time=late),
        breach(4, alert_id=2, rule_id=2),
        breach(5, alert_id=3, rule_id=3, detect_time=late),
    )
    await record(database, breach(2, alert_id=4, detect_time=late), organization_id=8)
    recorded = NOW + timedelta(hours=1)
    probes = [EvidenceProbe(alert_id, NOW + timedelta(minutes=2), recorded) for alert_id in range(1, 450)]
    async with database.read() as tx:
        found = await service.find_first_evidence(tx, 7, probes)
        assert await service.find_first_evidence(tx, 7, []) == {}
    assert found == {1: NOW + timedelta(minutes=2), 3: NOW + timedelta(minutes=5)}


async def test_drop_old_takes_the_oldest_first(database: Database, breach: Build) -> None:
    """Those of a time before, at most so many at once; others stay, and those of other organizations."""
    await record(database, *(breach(minute) for minute in range(4)))
    await record(database, breach(0), organization_id=8)
    more = []
    for _ in range(2):
        async with database.write() as tx:
            more.append(await service.drop_old(tx, 7, NOW + timedelta(minutes=3), 2))
    assert (more, await minutes(database)) == ([True, False], [3])
    async with database.read() as tx:
        assert len(await service.list_violations(tx, 8, ViolationFilter())) == 1
