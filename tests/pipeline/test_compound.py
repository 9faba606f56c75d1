"""Compound rules on their cycle, from accepted points to violations and alerts, on real databases. Cycles are every minute."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.baselines.candidates import make_candidates
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.service import keeping, profiles
from lumetry_core.baselines.weeks import WeekClock
from lumetry_core.evaluation.compound_worker import CompoundJudge
from lumetry_core.evaluation.model import Settings
from lumetry_core.evaluation.service import cycle_sights, cycles
from lumetry_core.metrics.draft import FleetDraft, MetricDraft
from lumetry_core.metrics.service import definitions, inbox
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metrics.settings import Settings as MetricSettings
from lumetry_core.metrics.worker import Sealer
from lumetry_core.rules.draft import StrategyDraft
from lumetry_core.rules.model import Rule
from lumetry_core.runtime.clock import to_ms
from tests.core.evaluation import building
from tests.core.evaluation.oracle import Oracle
from tests.pipeline.plant import ORGANIZATION, Plant, level, person, sender

MINUTE = 60


def above(key: str, limit: float = 10.0, **fields: Any) -> StrategyDraft:
    return StrategyDraft(metric_key=key, type="Static", direction="Above", static_upper=limit, **fields)


def below(key: str, limit: float, **fields: Any) -> StrategyDraft:
    return StrategyDraft(metric_key=key, type="Static", direction="Below", static_lower=limit, **fields)


BOTH = (above("logins", 500.0), below("transfers", 100.0))


class Judges:
    """A plant's workers for compound rules, each a process of its own, and the time they live in."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.judge = self.start()

    def start(self, owner: str = "core-1", **fields: int) -> CompoundJudge:
        return CompoundJudge(self.plant.database, owner, Settings(**fields))

    async def hold(self, owner: str = "core-1") -> None:
        """A process takes the partitions."""
        async with self.plant.database.write() as tx:
            await inbox.acquire(tx, owner, self.plant.clock.now())

    def now(self) -> datetime:
        return self.plant.clock.now()

    def move_to(self, seconds: float) -> None:
        self.plant.clock.moment = self.plant.start + timedelta(seconds=seconds)  # type: ignore[attr-defined]

    async def run_at(self, seconds: float) -> None:
        """Lets the clock be at a time and the worker look at it."""
        self.move_to(seconds)
        await self.judge.tick(self.now())

    async def add_rule(self, *conditions: StrategyDraft, **fields: Any) -> Rule:
        """Writes a rule over conditions, whose metrics get a first point long ago if they have none."""
        for key in {condition.metric_key for condition in conditions}:
            await self.plant.send(key, (-7200, 1))
        return await self.plant.add_rule("", *fields.pop("levels", ()), name=fields.pop("name", "both"), conditions=conditions, **fields)


@pytest.fixture
async def judges(plant: Plant) -> Judges:
    """Workers of a plant whose first process holds all partitions."""
    judges = Judges(plant)
    await judges.hold()
    return judges


async def test_judge_opens_joins_and_closes(plant: Plant, judges: Judges) -> None:
    """The life of an alert over two metrics: evidence of the first breached condition, one alert of the rule's first metric."""
    rule = await judges.add_rule(*BOTH, levels=(level("Critical", trigger_count=2, trigger_window_minutes=5, recovery_minutes=1),))
    values = {0: (501, 100), 60: (501, 99), 120: (502, 98), 180: (503, 98), 240: (500, 98), 300: (500, 100)}
    for at, (logins, transfers) in values.items():
        await plant.send("logins", (at - 10, logins))
        await plant.send("transfers", (at - 5, transfers))
        await judges.run_at(at)
    assert await plant.shown_alerts() == [(None, 120, 240, "Critical", "2 violations within 5 minutes", 3)]
    (alert,) = await plant.alerts()
    assert (alert.metric_key, alert.rule_id, alert.alert_level_id, alert.alert_name) == ("logins", rule.id, rule.levels[0].id, "both")
    assert await plant.shown_violations() == [
        (60, 501, "Critical", alert.id, False),
        (120, 502, "Critical", alert.id, False),
        (180, 503, "Critical", alert.id, False),
    ]
    first = (await plant.violations())[0]
    assert (first.metric_key, first.dimension_key, first.lower_threshold, first.upper_threshold) == ("logins", None, None, 500)
    assert (first.expected_value, first.deviation_percent, first.baseline_confidence, first.job_id) == (None, None, None, None)
    assert await plant.work("correlation") == [
        ("alert_opened", {"alert_id": alert.id}),
        ("violations_added", {"alert_id": alert.id, "count": 1}),
        ("alert_closed", {"alert_id": alert.id}),
    ]


async def test_judge_any_reports_the_breached_condition(plant: Plant, judges: Judges) -> None:
    """One breached condition is enough, and the violation is about its metric while the alert is about the rule's first."""
    await judges.add_rule(*BOTH, condition_operator="Any")
    await plant.send("transfers", (-1, 99), host="b")
    await plant.send("transfers", (-2, 98), host="a")
    await judges.run_at(0)
    (violation,) = await plant.violations()
    assert (violation.metric_key, violation.actual_value, violation.direction.value) == ("transfers", 99, "Below")
    assert (violation.lower_threshold, violation.upper_threshold) == (100, None)
    assert [(alert.metric_key, alert.dimension_key) for alert in await plant.alerts()] == [("logins", None)]


async def test_judge_reports_the_member_with_the_lowest_dimension_key(plant: Plant, judges: Judges) -> None:
    """Of several breaching members one is shown, always the same."""
    for host in ("c", "a", "b"):
        await plant.send("logins", (-7200, 1), host=host)
    await judges.add_rule(above("logins", 10.0, scope={"zone": "x"}), above("transfers"), condition_operator="Any")
    for host, zone, value in [("c", "x", 13), ("b", "x", 12), ("a", "y", 11)]:
        await plant.send("logins", (-1, value), host=host, zone=zone)
    await judges.run_at(0)
    assert [violation.actual_value for violation in await plant.violations()] == [12]


@pytest.mark.parametrize("restarts", [False, True])
async def test_judge_with_restarts_between_cycles(plant: Plant, judges: Judges, restarts: bool) -> None:
    """A process that always dies between two cycles gives the same as one that lives."""
    await judges.add_rule(*BOTH, levels=(level(trigger_count=2, trigger_window_minutes=2, recovery_minutes=2),), window_minutes=1)
    for minute, bad in enumerate([1, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1]):
        await plant.send("logins", (minute * 60 - 10, 501 if bad else 5))
        await plant.send("transfers", (minute * 60 - 10, 99))
        await plant.run()
        await judges.run_at(minute * 60)
        if restarts:
            judges.judge = judges.start()
            plant.restart()
    assert await plant.shown_alerts() == [
        (None, 120, 420, "Warning", "2 violations within 2 minutes", 4),
        (None, 600, None, "Warning", "2 violations within 2 minutes", 2),
    ]
    first, second = [alert.id for alert in await plant.alerts()]
    assert [(at, alert) for at, _, _, alert, _ in await plant.shown_violations()] == [
        (0, first),
        (120, first),
        (180, first),
        (300, first),
        (540, second),
        (600, second),
    ]


@pytest.mark.parametrize("seed", [1, 2])
async def test_judge_as_a_plain_rule_judges_points(plant: Plant, judges: Judges, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Whatever comes, alerts are those of a plain rule whose points come at the cycles; large cycles, which go to a thread, too."""
    monkeypatch.setattr(cycles, "INLINE_RULES", 0)
    monkeypatch.setattr(cycle_sights, "INLINE_BYTES", 0)
    fields = {"trigger_count": 2, "trigger_window_minutes": 3, "recovery_minutes": 2}
    await judges.add_rule(*BOTH, condition_operator="Any", levels=(level(**fields),), window_minutes=1)
    oracle = Oracle(building.rule(building.level(**fields)), grace_ms=0)
    for minute, choice in enumerate(np.random.default_rng(seed).choice(3, 30, p=[0.25, 0.45, 0.3]).tolist()):
        judges.move_to(minute * 60)
        if choice:
            await plant.send("logins", (minute * 60, 501 if choice == 2 else 5))
            oracle.take(minute * 60_000, 11.0 if choice == 2 else 5.0, minute * 60_000)
        await judges.run_at(minute * 60)
    shown = [(start * 1000, end and end * 1000, count) for _, start, end, _, _, count in await plant.shown_alerts()]
    counts = [sum(violation.alert is alert for violation in oracle.violations) for alert in oracle.alerts]
    assert shown == [(alert.start, alert.end, count) for alert, count in zip(oracle.alerts, counts, strict=True)]
    assert len(shown) > 1


async def test_judge_by_two_workers_at_once(plant: Plant, judges: Judges) -> None:
    """Two workers that both think an organization theirs do each cycle once, missed ones too."""
    await judges.add_rule(*BOTH, condition_operator="Any", levels=(level(recovery_minutes=0),), window_minutes=1)
    await judges.run_at(0)
    for minute in range(1, 6):
        await plant.send("logins", (minute * 60, 501 if minute % 2 else 5))
    judges.move_to(300)
    workers = [judges.start() for _ in range(3)]
    await asyncio.gather(*(worker.tick(judges.now()) for worker in workers))
    assert [(start, end, count) for _, start, end, _, _, count in await plant.shown_alerts()] == [
        (60, 120, 1),
        (180, 240, 1),
        (300, None, 1),
    ]
    assert [at for at, *_ in await plant.shown_violations()] == [60, 180, 300]


async def test_judge_catches_up_on_missed_cycles(plant: Plant, judges: Judges) -> None:
    """Missed cycles of the last ten minutes are made up for in order, each with the points of its own window; older ones never."""
    await judges.add_rule(*BOTH, condition_operator="Any", levels=(level(recovery_minutes=0),), window_minutes=1)
    await judges.run_at(0)
    await plant.send("logins", (60, 501), (240, 501), (300, 5), (330, 501))
    judges.move_to(720)
    await plant.send("logins", (720, 5))
    await judges.run_at(725)
    assert [at for at, *_ in await plant.shown_violations()] == [240, 360]
    assert [(start, end) for _, start, end, _, _, _ in await plant.shown_alerts()] == [(240, 300), (360, 720)]


async def test_judge_once_per_cycle(plant: Plant, judges: Judges) -> None:
    """Between two cycles nothing happens, whatever arrives; a rule takes part from the first cycle after its change."""
    await judges.run_at(0)
    judges.move_to(30)
    await judges.add_rule(*BOTH, condition_operator="Any")
    await plant.send("logins", (29, 501))
    await judges.run_at(59)
    judges.judge = judges.start()
    await judges.run_at(59)
    assert await plant.shown_violations() == []
    await judges.run_at(61)
    await judges.run_at(119)
    assert [at for at, *_ in await plant.shown_violations()] == [60]


async def test_judge_on_cycles_of_another_length(plant: Plant, judges: Judges) -> None:
    """Cycles are multiples of the setting of the UTC clock."""
    await judges.add_rule(*BOTH, condition_operator="Any")
    judges.judge = judges.start(compound_cycle_seconds=25)
    await plant.send("logins", (0, 501))
    await judges.run_at(51)
    midnight = to_ms(plant.start) // 1000
    newest = (midnight + 51) // 25 * 25 - midnight
    assert [at for at, *_ in await plant.shown_violations()] == [newest]


async def test_judge_pauses_while_a_metric_is_switched_off(plant: Plant, judges: Judges) -> None:
    """A rule any of whose metrics is switched off neither opens nor closes anything, and goes on afterwards."""
    await judges.add_rule(*BOTH, condition_operator="Any", levels=(level(recovery_minutes=0),))
    await plant.send("logins", (0, 501))
    await judges.run_at(0)
    await switch(plant, "transfers", is_active=False)
    await plant.send("logins", (60, 5))
    await judges.run_at(60)
    assert [end for _, _, end, _, _, _ in await plant.shown_alerts()] == [None]
    await switch(plant, "transfers", is_active=True)
    await judges.run_at(120)
    assert [end for _, _, end, _, _, _ in await plant.shown_alerts()] == [120]


async def switch(plant: Plant, key: str, **fields: Any) -> None:
    """Changes a metric's definition."""
    async with plant.database.write() as tx:
        metric = (await find_metrics(tx, ORGANIZATION, [key]))[key]
        mode = "multidimensional" if metric.multidimensional else "single"
        draft = MetricDraft(metric_mode=mode, dimension_keys=metric.dimension_keys, **fields)
        now = plant.clock.now()
        await definitions.update(tx, person(), metric.id, draft, profiles.find_profile, profiles.claim_profile, now)


async def test_missing_data_closes_nothing(plant: Plant, judges: Judges) -> None:
    """Cycles on which no condition sees a point are nothing at all; the first one that sees any may close."""
    await judges.add_rule(*BOTH, condition_operator="Any", levels=(level(recovery_minutes=1),), window_minutes=2)
    await plant.send("logins", (0, 501))
    for minute in range(12):
        await judges.run_at(minute * 60)
    assert [(start, end) for _, start, end, _, _, _ in await plant.shown_alerts()] == [(0, None)]
    await plant.send("transfers", (715, 100))
    await judges.run_at(720)
    assert [(start, end) for _, start, end, _, _, _ in await plant.shown_alerts()] == [(0, 720)]


async def test_judge_after_a_manual_close_counts_from_zero(plant: Plant, judges: Judges) -> None:
    """Violations recorded before the close never open another alert; later ones do."""
    await judges.add_rule(*BOTH, condition_operator="Any", levels=(level(trigger_count=2, trigger_window_minutes=10),), window_minutes=20)
    await plant.send("logins", (0, 501))
    await judges.run_at(0)
    await judges.run_at(60)
    (alert,) = await plant.alerts()
    await plant.close(alert)
    await judges.run_at(120)
    assert len(await plant.alerts()) == 1
    await judges.run_at(180)
    assert [(start, count) for _, start, _, _, _, count in await plant.shown_alerts()] == [(60, 2), (180, 2)]


async def test_judge_without_recovery_waits_for_people(plant: Plant, judges: Judges) -> None:
    """A rule that does not recover keeps its alert through clear cycles."""
    await judges.add_rule(*BOTH, condition_operator="Any", auto_recover=False, levels=(level(recovery_minutes=0),))
    await plant.send("logins", (0, 501), (60, 5))
    await judges.run_at(0)
    await judges.run_at(60)
    assert [end for _, _, end, _, _, _ in await plant.shown_alerts()] == [None]


async def test_judge_made_more_severe_escalates(plant: Plant, judges: Judges) -> None:
    """An alert rises with its rule's level, by violations of the new counting alone."""
    fields = {"condition_operator": "Any", "window_minutes": 20}
    rule = await judges.add_rule(*BOTH, **fields)
    await plant.send("logins", (0, 501))
    await judges.run_at(0)
    critical = level("Critical", trigger_count=2, trigger_window_minutes=10)
    judges.move_to(30)
    await plant.change_rule(rule, critical, name="both", conditions=BOTH, **fields)
    await judges.run_at(60)
    assert [severity for _, _, _, severity, _, _ in await plant.shown_alerts()] == ["Warning"]
    await judges.run_at(120)
    assert await plant.shown_alerts() == [(None, 0, None, "Critical", "2 violations within 10 minutes", 3)]


async def test_rule_that_leaves_active_closes_its_alert(plant: Plant, judges: Judges) -> None:
    """As for plain rules; active again, it starts over."""
    rule = await judges.add_rule(*BOTH, condition_operator="Any", window_minutes=20)
    await plant.send("logins", (0, 501))
    await judges.run_at(0)
    judges.move_to(30)
    await plant.change_rule(rule, name="both", conditions=BOTH, condition_operator="Any", window_minutes=20, status="Disabled")
    await plant.run()
    await judges.run_at(60)
    judges.move_to(90)
    await plant.change_rule(rule, name="both", conditions=BOTH, condition_operator="Any", window_minutes=20)
    await judges.run_at(120)
    assert [(start, end) for _, start, end, _, _, _ in await plant.shown_alerts()] == [(0, 30), (120, None)]


async def test_judge_sees_sealed_points_and_those_not_evaluated(plant: Plant, judges: Judges) -> None:
    """What is stored counts, wherever it is; of one series the newest point, though it arrived first."""
    await judges.add_rule(*BOTH, window_minutes=60)
    await plant.send("logins", (-5, 501), (-60, 1))
    await plant.run()
    assert await Sealer(plant.database, "core-1", MetricSettings(seal_points=1)).tick(judges.now())
    await plant.send("transfers", (-50, 99))
    await judges.run_at(0)
    assert [value for _, value, *_ in await plant.shown_violations()] == [501]


async def test_judge_disregards_members_beyond_the_limit(plant: Plant, judges: Judges) -> None:
    """Members that came after the metric's limit was reached are stored and not judged."""
    for host in ("z", "y", "x"):
        await plant.send("logins", (-7200, 1), host=host)
    await judges.add_rule(*BOTH, condition_operator="Any")
    await switch(plant, "logins", fleet=FleetDraft(max_cardinality=2))
    await plant.send("logins", (0, 501), host="x")
    await judges.run_at(0)
    assert await plant.shown_violations() == []
    await plant.send("logins", (0, 502), host="y")
    await judges.run_at(60)
    assert [value for _, value, *_ in await plant.shown_violations()] == [502]


async def test_judge_keeps_organizations_apart(plant: Plant, judges: Judges) -> None:
    """Each organization's rules see its own points; what one of them breaks stops no other."""
    for organization_id in (7, 8):
        for key in ("logins", "transfers"):
            await plant.send(key, (-7200, 1), caller=sender(organization_id))
        await plant.add_rule("", name="both", conditions=BOTH, condition_operator="Any", organization_id=organization_id)
    await plant.send("logins", (0, 501), caller=sender(8))
    await judges.run_at(0)
    assert (len(await plant.alerts(7)), len(await plant.alerts(8))) == (0, 1)


async def test_judge_leaves_what_others_hold(plant: Plant, judges: Judges) -> None:
    """A process judges the organizations whose partition it holds; it makes up for what the one before it left."""
    await judges.add_rule(*BOTH, condition_operator="Any")
    await plant.send("logins", (0, 501))
    judges.judge = judges.start("core-2")
    await judges.run_at(0)
    assert await plant.shown_violations() == []
    async with plant.database.write() as tx:
        await inbox.release(tx, "core-1")
    await judges.hold("core-2")
    await judges.run_at(1)
    assert [at for at, *_ in await plant.shown_violations()] == [0]


async def add_for(plant: Plant, *organization_ids: int) -> None:
    """Gives organizations the rule over both metrics, and a point that breaches."""
    for organization_id in organization_ids:
        for key in ("logins", "transfers"):
            await plant.send(key, (-7200, 1), caller=sender(organization_id))
        await plant.send("logins", (0, 501), caller=sender(organization_id))
        await plant.add_rule("", name="both", conditions=BOTH, condition_operator="Any", organization_id=organization_id)


async def test_judge_goes_on_when_an_organization_fails(plant: Plant, judges: Judges, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in one organization's cycle stops no other, and its missed cycle is made up for."""
    await add_for(plant, 7, 8)
    judge = cycles.judge

    async def fail(tx: Any, compiled: Any, time: datetime) -> Any:
        if compiled.organization_id == ORGANIZATION:
            raise ValueError("a bad rule")
        return await judge(tx, compiled, time)

    monkeypatch.setattr(cycles, "judge", fail)
    await judges.run_at(0)
    monkeypatch.undo()
    assert (len(await plant.alerts(7)), len(await plant.alerts(8))) == (0, 1)
    await judges.run_at(60)
    assert (len(await plant.alerts(7)), len(await plant.alerts(8))) == (1, 1)


async def test_judge_dies_while_writing(plant: Plant, judges: Judges, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a cycle that was written but not committed nothing stays; the next process does it once."""
    await judges.add_rule(*BOTH, condition_operator="Any")
    await judges.run_at(0)
    await plant.send("logins", (60, 501))
    write = cycles.write

    async def die(*arguments: Any) -> None:
        await write(*arguments)
        raise ValueError("killed")

    monkeypatch.setattr(cycles, "write", die)
    await judges.run_at(60)
    monkeypatch.undo()
    assert (await plant.shown_violations(), await plant.shown_alerts()) == ([], [])
    judges.judge = judges.start()
    await judges.run_at(61)
    assert [(at, value) for at, value, *_ in await plant.shown_violations()] == [(60, 501)]
    assert [(start, count) for _, start, _, _, _, count in await plant.shown_alerts()] == [(60, 1)]


async def test_write_a_cycle_judged_by_old_rules(plant: Plant, judges: Judges) -> None:
    """Nothing is written when the rules changed since the cycle was judged; the worker judges it again."""
    rule = await judges.add_rule(*BOTH, condition_operator="Any")
    await plant.send("logins", (0, 501))
    async with plant.database.read() as tx:
        compiled = await cycles.load_compound_rules(tx, ORGANIZATION, Settings(), judges.now())
        outcomes = await cycles.judge(tx, compiled, plant.start)
    await plant.change_rule(rule, name="both", conditions=(above("logins", 600.0), BOTH[1]), condition_operator="Any")
    async with plant.database.write() as tx:
        assert await cycles.write(tx, compiled, None, plant.start, outcomes, judges.now()) is cycles.Commit.RULES_MOVED
    await judges.run_at(0)
    assert await plant.shown_violations() == []


async def learn(plant: Plant, key: str, learned: Mapping[int, float], pending: Mapping[int, float] | None = None) -> None:
    """Teaches a metric's only member values by time in seconds; those pending were evaluated and are not learned yet."""
    start, waiting = to_ms(plant.start), pending or {}
    async with plant.database.write() as tx:
        await profiles.settle_default(tx, ORGANIZATION, plant.start)
        profile = await profiles.default_profile(tx, ORGANIZATION)
        metric = (await find_metrics(tx, ORGANIZATION, [key]))[key]
        past = Learned([None])
        at = np.array([start + second * 1000 for second in learned], np.int64)
        minutes = WeekClock("UTC").minutes_of_week(at)
        past.add(np.zeros(len(at), np.int64), minutes, at // 60_000, np.array(list(learned.values())))
        times = [start + second * 1000 for second in waiting]
        nothing = [0] * len(times)
        candidates = make_candidates(nothing, nothing, times, list(waiting.values()), nothing)
        await keeping.create(tx, ORGANIZATION, profile.id, metric, past, candidates, 0, plant.start)
        await raise_evaluation_version(tx, ORGANIZATION)


async def test_judge_mixes_static_and_dynamic(plant: Plant, judges: Judges) -> None:
    """A learned condition is judged by its metric's past, and reports it; too little of it is neither breached nor clear."""
    unusual = StrategyDraft(metric_key="transfers", type="Dynamic", threshold_mode="Percentage", direction="Below", tolerance_percent=50.0)
    await judges.add_rule(unusual, BOTH[0], condition_operator="Any", levels=(level(recovery_minutes=0),), window_minutes=3)
    week = 7 * 86_400
    await plant.send("transfers", (0, 40))
    await judges.run_at(0)
    assert await plant.shown_violations() == []
    await learn(plant, "transfers", dict.fromkeys(range(-week - 300, -week + 300, 15), 100.0))
    await plant.send("transfers", (60, 40))
    await judges.run_at(60)
    (violation,) = await plant.violations()
    assert (violation.metric_key, violation.actual_value, violation.expected_value) == ("transfers", 40, 100)
    assert (violation.lower_threshold, violation.upper_threshold) == (50, 150)
    assert (violation.deviation_percent, violation.baseline_confidence) == (-60.0, "Medium")
    judges.move_to(1200)
    await plant.send("transfers", (1200, 100))
    await judges.run_at(1200)
    assert [end for _, _, end, _, _, _ in await plant.shown_alerts()] == [None]
    judges.move_to(1260)
    await plant.send("logins", (1260, 500))
    await judges.run_at(1260)
    assert [end for _, _, end, _, _, _ in await plant.shown_alerts()] == [1260]


async def test_judge_by_what_a_plain_rule_would_know(plant: Plant, judges: Judges) -> None:
    """What was evaluated up to the grace period before a point's minute counts, however far the evaluator has stored it."""
    unusual = StrategyDraft(metric_key="transfers", type="Dynamic", threshold_mode="Percentage", direction="Below", tolerance_percent=0.0)
    await judges.add_rule(unusual, BOTH[0], condition_operator="Any", window_minutes=60)
    await learn(plant, "transfers", {-600: 100.0, -540: 100.0}, {-480: 100.0, -121: 130.0, -120: 1000.0, -60: 1000.0})
    await plant.send("transfers", (1, 40))
    await judges.run_at(60)
    (violation,) = await plant.violations()
    assert (violation.expected_value, violation.baseline_confidence) == (107.5, "Low")
