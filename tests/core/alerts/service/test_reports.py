from dataclasses import replace
from datetime import timedelta

from lumetry_core.alerts.decisions import Outcome, Transition, Verdict
from lumetry_core.alerts.model import AlertFilter, AlertState, CloseCause, SourceKind
from lumetry_core.alerts.reports import Report, ReportedEnd, Reporter, Retelling
from lumetry_core.alerts.service.reading import explain, list_alerts
from lumetry_core.alerts.service.reports import end_reported, find_active_reported, open_reported, update_reported
from lumetry_core.alerts.service.transitions import CORRELATION
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.queue import claim
from tests.conftest import FakeClock

REPORTER = Reporter(4, "Prometheus", 7, "HostDown", "Host down")


def report(clock: FakeClock, occurrence: str = "o-1") -> Report:
    """A Firing as it comes."""
    return Report(
        reporter=REPORTER,
        instance_key="web-1",
        occurrence_key=occurrence,
        node_id=51,
        severity=Severity.WARNING,
        title="web-1 is down",
        description=None,
        labels={"instance": "web-1"},
        start_time=clock.now() - timedelta(minutes=5),
    )


async def test_reports_open_alerts_and_are_handed_to_correlation(database: Database, clock: FakeClock) -> None:
    """In their order, each with the trace of its first three gates."""
    async with database.write() as tx:
        opened = await open_reported(tx, 7, [report(clock), report(clock, "o-2")], clock.now())
    assert [(alert.external_occurrence_key, alert.alert_name, alert.source_kind, alert.labels) for alert in opened] == [
        ("o-1", "web-1 is down", SourceKind.EXTERNAL, {"instance": "web-1"}),
        ("o-2", "web-1 is down", SourceKind.EXTERNAL, {"instance": "web-1"}),
    ]
    async with database.read() as tx:
        assert sorted(await list_alerts(tx, 7, AlertFilter()), key=lambda alert: alert.id) == opened
        told = await explain(tx, system_caller(7), opened[0].id, "open")
    assert (told.outcome, [gate.verdict for gate in told.gates[:4]]) == (Outcome.PENDING, [Verdict.PASSED] * 3 + [Verdict.PENDING])
    assert {gate.record for gate in told.gates[:3]} == {REPORTER.record}
    async with database.write() as tx:
        waiting = await claim(tx, CORRELATION)
    assert [(item.kind, item.payload) for item in waiting] == [("alert_opened", {"alert_id": alert.id}) for alert in opened]


async def test_retelling_that_changes_nothing_does_nothing(database: Database, clock: FakeClock) -> None:
    """Nothing is published, and nothing handed on, unless the severity rises."""
    async with database.write() as tx:
        [alert] = await open_reported(tx, 7, [report(clock)], clock.now())
        await claim(tx, CORRELATION)
        same = Retelling(alert.id, REPORTER, Severity.WARNING, alert.title, None)
        assert await update_reported(tx, 7, [same], clock.advance(minutes=1)) == []
        other = replace(same, title="web-1 is still down")
        [told] = await update_reported(tx, 7, [other], clock.now())
        assert (told.title, told.alert_name, told.update_time) == ("web-1 is still down", "web-1 is still down", clock.now())
        assert [item.kind for item in await claim(tx, CORRELATION)] == ["alert_opened"]
        [risen] = await update_reported(tx, 7, [replace(other, severity=Severity.CRITICAL)], clock.now())
        assert risen == replace(told, severity=Severity.CRITICAL, escalate_time=clock.now())
        assert [item.kind for item in await claim(tx, CORRELATION)] == ["alert_opened", "alert_escalated"]


async def test_ends_close_what_is_active(database: Database, clock: FakeClock) -> None:
    """Each for its own cause; a second end is left out."""
    async with database.write() as tx:
        first, second = await open_reported(tx, 7, [report(clock), report(clock, "o-2")], clock.now())
        assert await find_active_reported(tx, 7, [first.id, second.id, 99]) == [first, second]
        assert await find_active_reported(tx, 8, [first.id]) == []
        ends = [
            ReportedEnd(first.id, REPORTER, CloseCause.SOURCE_REMOVED, "Source 'Prometheus' was removed", clock.now()),
            ReportedEnd(second.id, REPORTER, CloseCause.SOURCE_RESOLVED, "Source 'Prometheus' reported Resolved", clock.now()),
        ]
        closed = await end_reported(tx, 7, ends, clock.now())
        assert [(alert.state, alert.close_cause) for alert in closed] == [
            (AlertState.CLOSED, CloseCause.SOURCE_REMOVED),
            (AlertState.CLOSED, CloseCause.SOURCE_RESOLVED),
        ]
        assert await end_reported(tx, 7, ends, clock.now()) == []
        assert await update_reported(tx, 7, [Retelling(first.id, REPORTER, Severity.CRITICAL, "x", "y")], clock.now()) == []
        told = await explain(tx, system_caller(7), first.id, Transition.CLOSE)
    assert told.gates[0].reason == "Source 'Prometheus' was removed"
