from datetime import timedelta

from lumetry_core.alerts.decisions import Gate, Outcome, Record, Transition, Verdict
from lumetry_core.alerts.service.muting import delete_silence
from lumetry_core.alerts.service.silences import MatchersDraft, SilenceDraft, create_silence
from lumetry_core.alerts.service.transitions import open_alerts
from lumetry_core.alerts.service.windows import WindowDraft, create_window
from lumetry_core.alerts.worker import OperationsKeeper
from lumetry_core.notifications.model import Integration, IntegrationType
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.incidents.building import ORGANIZATION, an_opening, correlate_all
from tests.core.notifications.pipeline import CALLER, OK, REFUSED, Pipeline


async def test_route_and_deliver_the_life_of_an_alert(database: Database, clock: FakeClock) -> None:
    """An opening, an escalation and a close arrive once, in order, and the traces say so."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        [alert] = await pipeline.open()
        await pipeline.settle()
        await pipeline.escalate(alert)
        await pipeline.settle()
        await pipeline.close(alert)
        await pipeline.settle()

        assert pipeline.sender.arrived == [(ops, f"{alert.id}:{transition}") for transition in ("open", "escalate", "close")]
        assert [message.alert_json["severity"] for message in pipeline.sender.messages] == ["Warning", "Critical", "Critical"]
        assert [message.alert_json["status"] for message in pipeline.sender.messages] == ["Open", "Open", "Closed"]
        for transition in Transition:
            trace = await pipeline.explain(alert, transition)
            assert (trace.outcome, trace.summary) == (Outcome.PAGED, "Delivered to Ops")
            assert [gate.gate for gate in trace.gates] == list(Gate)
            assert trace.gates[-1].verdict is Verdict.PASSED


async def test_route_everything_at_once_after_a_pause(database: Database, clock: FakeClock) -> None:
    """What happened while nobody routed is told as it was, in order."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        [alert] = await pipeline.open()
        await pipeline.escalate(alert)
        await pipeline.close(alert)
        await pipeline.settle()

        told = [(message.key, message.alert_json["severity"], message.alert_json["status"]) for message in pipeline.sender.messages]
        assert told == [
            (f"{alert.id}:open", "Warning", "Open"),
            (f"{alert.id}:escalate", "Critical", "Open"),
            (f"{alert.id}:close", "Critical", "Closed"),
        ]


async def test_route_a_storm(database: Database, clock: FakeClock) -> None:
    """Of many alerts of one incident one is told at each integration; the others are repetitions."""
    async with Pipeline(database, clock) as pipeline:
        ops, dev = await pipeline.add_integration("Ops"), await pipeline.add_integration("Dev")
        await pipeline.add_profile(ops, dev)
        alerts = await pipeline.open(*(an_opening(rule_id) for rule_id in range(1, 41)))
        await pipeline.settle()
        clock.advance(seconds=1)
        await pipeline.settle()

        assert sorted(pipeline.sender.arrived) == [(ops, f"{alerts[0].id}:open"), (dev, f"{alerts[0].id}:open")]
        repetition = await pipeline.explain(alerts[5])
        assert repetition.outcome is Outcome.NOT_PAGED
        assert repetition.gates[5].verdict is Verdict.HELD
        assert repetition.summary == f"INC-000001 grows fast, and alert {alerts[0].id} of it was told already"


async def test_route_few_alerts_of_one_incident(database: Database, clock: FakeClock) -> None:
    """In calm times every alert is told, the ones that join an incident a second later."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        alerts = await pipeline.open(*(an_opening(rule_id) for rule_id in (1, 2, 3)))
        await pipeline.settle()
        assert pipeline.sender.arrived == [(ops, f"{alerts[0].id}:open")]
        clock.advance(seconds=1)
        await pipeline.settle()
        assert sorted(pipeline.sender.arrived) == [(ops, f"{alert.id}:open") for alert in alerts]


async def test_route_a_repetition_whose_page_is_gone(database: Database, clock: FakeClock) -> None:
    """When the alert that was told is over, one of those that are not is told at the next round."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        alerts = await pipeline.open(*(an_opening(rule_id) for rule_id in range(1, 21)))
        await pipeline.settle()
        clock.advance(seconds=1)
        await pipeline.settle()
        await pipeline.close(alerts[0])
        await pipeline.settle()
        assert pipeline.sender.arrived == [(ops, f"{alerts[0].id}:open"), (ops, f"{alerts[0].id}:close")]
        clock.advance(seconds=60)
        await pipeline.settle()
        assert pipeline.sender.arrived[2:] == [(ops, f"{alerts[1].id}:open")]
        trace = await pipeline.explain(alerts[1])
        assert (trace.outcome, trace.gates[5].verdict) == (Outcome.PAGED, Verdict.PASSED)
        assert trace.gates[5].details == {"releasedAt": "2026-06-01T08:01:01Z"}


async def test_route_a_repetition_that_escalates_while_a_critical_page_stands(database: Database, clock: FakeClock) -> None:
    """It stays a repetition, as bad as its alert is now, and is told as such when the page is gone."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        alerts = await pipeline.open(an_opening(1, severity=Severity.CRITICAL), *(an_opening(rule_id) for rule_id in range(2, 21)))
        await pipeline.settle()
        clock.advance(seconds=1)
        await pipeline.settle()
        await pipeline.escalate(alerts[5])
        await pipeline.settle()
        assert pipeline.sender.arrived == [(ops, f"{alerts[0].id}:open")]
        await pipeline.close(alerts[0])
        await pipeline.settle()
        clock.advance(seconds=60)
        await pipeline.settle()
        assert pipeline.sender.arrived[1:] == [(ops, f"{alerts[0].id}:close"), (ops, f"{alerts[5].id}:open")]


async def create_silence_of_everything(pipeline: Pipeline, minutes: int) -> int:
    draft = SilenceDraft(
        matchers=MatchersDraft(source_kind="MetricRule"),
        start_time=pipeline.clock.now(),
        end_time=pipeline.clock.now() + timedelta(minutes=minutes),
        reason="Deployment",
    )
    async with pipeline.database.write() as tx:
        return (await create_silence(tx, CALLER, draft, pipeline.clock.now())).id


async def create_window_over_everything(pipeline: Pipeline, minutes: int) -> None:
    draft = WindowDraft(
        scope_type="Global",
        start_time=pipeline.clock.now(),
        end_time=pipeline.clock.now() + timedelta(minutes=minutes),
        reason="Move",
    )
    async with pipeline.database.write() as tx:
        await create_window(tx, CALLER, draft, pipeline.clock.now())


async def test_hold_back_under_a_silence_until_it_ends(database: Database, clock: FakeClock) -> None:
    """What is still active when the silence ends is told then; what closed meanwhile never is."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        silence_id = await create_silence_of_everything(pipeline, 30)
        lasting, passing = await pipeline.open(an_opening(1, metric_key="a"), an_opening(2, metric_key="b"))
        await pipeline.settle()
        assert await pipeline.rows() == [
            (lasting.id, "open", ops, "Suppressed", "silence"),
            (passing.id, "open", ops, "Suppressed", "silence"),
        ]
        held = await pipeline.explain(lasting)
        assert (held.outcome, held.summary) == (Outcome.NOT_PAGED, f"Held back by silence {silence_id} until 2026-06-01T08:30:00Z")
        await pipeline.escalate(lasting)
        await pipeline.close(passing)
        await pipeline.settle()
        assert pipeline.sender.tried == []
        clock.advance(minutes=30)
        await pipeline.settle()
        assert pipeline.sender.arrived == [(ops, f"{lasting.id}:open")]
        assert pipeline.sender.messages[0].alert_json["severity"] == "Critical"
        released = await pipeline.explain(lasting)
        assert (released.outcome, released.gates[4].verdict) == (Outcome.PAGED, Verdict.PASSED)
        assert released.gates[4].details == {"until": "2026-06-01T08:30:00Z", "releasedAt": "2026-06-01T08:30:00Z"}
        escalated = await pipeline.explain(lasting, Transition.ESCALATE)
        assert (escalated.outcome, escalated.summary) == (Outcome.NOT_PAGED, "The opening said Critical already")


async def test_tell_at_once_when_a_silence_is_removed(database: Database, clock: FakeClock) -> None:
    """Nobody waits for the end that it would have had."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        silence_id = await create_silence_of_everything(pipeline, 30)
        [alert] = await pipeline.open()
        await pipeline.settle()
        async with database.write() as tx:
            await delete_silence(tx, CALLER, silence_id, clock.advance(minutes=1))
        await pipeline.settle()
        assert pipeline.sender.arrived == [(ops, f"{alert.id}:open")]


async def test_explain_two_holds_one_after_the_other(database: Database, clock: FakeClock) -> None:
    """The trace tells when maintenance let go of the opening also after the silence that held it next has ended."""
    async with Pipeline(database, clock) as pipeline:
        await pipeline.add_profile(await pipeline.add_integration())
        await create_window_over_everything(pipeline, 30)
        await create_silence_of_everything(pipeline, 40)
        [alert] = await pipeline.open()
        await pipeline.settle()
        for minutes in (30, 10):
            clock.advance(minutes=minutes)
            while await OperationsKeeper(database).tick(clock.now()):
                pass
            await correlate_all(database, clock.now())
            await pipeline.settle()
        trace = await pipeline.explain(alert)
        assert trace.outcome is Outcome.PAGED
        assert [gate.details.get("releasedAt") for gate in trace.gates[3:5]] == ["2026-06-01T08:30:00Z", "2026-06-01T08:40:00Z"]


async def test_hold_back_under_maintenance_until_it_ends(database: Database, clock: FakeClock) -> None:
    """What opened before is closed during maintenance; what opened during it is told at its end, without a storm of pages."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        [before] = await pipeline.open(an_opening(100))
        await pipeline.settle()
        await create_window_over_everything(pipeline, 30)
        during = await pipeline.open(*(an_opening(rule_id) for rule_id in range(1, 31)))
        await pipeline.escalate(during[0])
        await pipeline.close(before)
        await pipeline.settle()
        assert pipeline.sender.arrived == [(ops, f"{before.id}:open"), (ops, f"{before.id}:close")]
        clock.advance(minutes=30)
        while await OperationsKeeper(database).tick(clock.now()):
            pass
        await correlate_all(database, clock.now())
        await pipeline.settle()
        clock.advance(seconds=1)
        await pipeline.settle()
        told = [key for _, key in pipeline.sender.arrived[2:]]
        assert told == [f"{during[0].id}:open"]
        trace = await pipeline.explain(during[0])
        assert (trace.outcome, trace.gates[3].details["releasedAt"]) == (Outcome.PAGED, "2026-06-01T08:30:00Z")
        repetition = await pipeline.explain(during[7])
        assert [gate.verdict for gate in repetition.gates[3:6]] == [Verdict.PASSED, Verdict.PASSED, Verdict.HELD]


async def test_route_what_opened_and_closed_under_maintenance(database: Database, clock: FakeClock) -> None:
    """Nobody is told of an alert that is over before anything looked at it, as maintenance covered it all the time."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        await create_window_over_everything(pipeline, 30)
        async with database.write() as tx:
            [alert] = await open_alerts(tx, ORGANIZATION, [an_opening()], clock.now())
        await pipeline.close(alert)
        await pipeline.settle()
        assert await pipeline.rows() == [(alert.id, "open", ops, "Suppressed", "maintenance")]
        trace = await pipeline.explain(alert)
        assert (trace.outcome, trace.gates[3].verdict) == (Outcome.NOT_PAGED, Verdict.HELD)
        clock.advance(minutes=31)
        await OperationsKeeper(database).tick(clock.now())
        await correlate_all(database, clock.now())
        await pipeline.settle()
        assert pipeline.sender.tried == []


async def test_skip_within_the_cooldown(database: Database, clock: FakeClock) -> None:
    """The cooldown runs from the last delivered opening of the rule and member; neither the skipped one nor its close is told."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops, cooldown_minutes=10)
        told = []
        for minute, is_told in ((0, True), (6, False), (3, False), (1, True)):
            clock.advance(minutes=minute)
            [alert] = await pipeline.open()
            await pipeline.settle()
            await pipeline.close(alert)
            await pipeline.settle()
            told += [(ops, f"{alert.id}:open"), (ops, f"{alert.id}:close")] if is_told else []
        assert pipeline.sender.arrived == told


async def test_a_failed_opening_starts_no_cooldown(database: Database, clock: FakeClock) -> None:
    """Only what was delivered counts."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops, cooldown_minutes=10)
        pipeline.sender.answer = lambda _integration, _message: REFUSED
        [first] = await pipeline.open()
        await pipeline.settle()
        await pipeline.close(first)
        await pipeline.settle()
        pipeline.sender.answer = lambda _integration, _message: OK
        clock.advance(minutes=1)
        [second] = await pipeline.open()
        await pipeline.settle()
        assert pipeline.sender.arrived == [(ops, f"{second.id}:open")]


async def test_tell_an_escalation_as_an_opening_where_that_was_filtered(database: Database, clock: FakeClock) -> None:
    """With the key of an opening, and the close follows."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops, min_severity="Critical")
        [alert] = await pipeline.open()
        await pipeline.settle()
        assert await pipeline.rows() == [(alert.id, "open", ops, "Skipped", "minSeverity")]
        await pipeline.escalate(alert)
        await pipeline.settle()
        await pipeline.close(alert)
        await pipeline.settle()
        assert pipeline.sender.arrived == [(ops, f"{alert.id}:open"), (ops, f"{alert.id}:close")]
        escalated = await pipeline.explain(alert, Transition.ESCALATE)
        assert (escalated.outcome, escalated.summary) == (Outcome.PAGED, "Delivered to Ops")
        assert (await pipeline.explain(alert)).outcome is Outcome.NOT_PAGED


async def test_route_without_integrations(database: Database, clock: FakeClock) -> None:
    """Nothing is written to the outbox, and the trace says why."""
    async with Pipeline(database, clock) as pipeline:
        [alert] = await pipeline.open()
        await pipeline.settle()
        trace = await pipeline.explain(alert)
        assert (trace.outcome, trace.summary, await pipeline.rows()) == (Outcome.NOT_PAGED, "No integration is configured", [])


async def test_route_to_the_fallback(database: Database, clock: FakeClock) -> None:
    """Without a profile the deployment's target is told."""
    fallback = Integration(
        id=0,
        organization_id=0,
        name="Fallback target",
        type=IntegrationType.WEBHOOK,
        endpoint_url="http://127.0.0.1:9",
        create_time=clock.now(),
        update_time=clock.now(),
    )
    async with Pipeline(database, clock, fallback=fallback) as pipeline:
        [alert] = await pipeline.open()
        await pipeline.settle()
        assert pipeline.sender.arrived == [(0, f"{alert.id}:open")]
        assert (await pipeline.explain(alert)).gates[7].record == Record("Deployment", "fallback", "Fallback target")


async def test_close_while_an_opening_waits_to_see_a_storm(database: Database, clock: FakeClock) -> None:
    """A short alert of a calm incident is told of, opening before close."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        first, second = await pipeline.open(an_opening(1), an_opening(2))
        await pipeline.settle()
        await pipeline.close(second)
        await pipeline.settle()
        assert pipeline.sender.arrived == [(ops, f"{first.id}:open"), (ops, f"{second.id}:open"), (ops, f"{second.id}:close")]
