"""Fleets from accepted points to alerts, on real databases."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from lumetry_core.access.service.settings import update_settings
from lumetry_core.access.settings import OrganizationSettings, SettingsChange
from lumetry_core.alerts.model import CloseCause, SourceKind
from lumetry_core.alerts.service import reading
from lumetry_core.baselines.candidates import no_candidates
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.service import keeping
from lumetry_core.baselines.service.profiles import claim_profile, find_profile, settle_default
from lumetry_core.baselines.weeks import WeekClock
from lumetry_core.evaluation import fleet_worker
from lumetry_core.evaluation.fleet_worker import FleetTicker
from lumetry_core.evaluation.service import fleet_views, fleets
from lumetry_core.evaluation.service.fleet_views import FleetView, GroupView, MemberStatus, MemberView
from lumetry_core.evaluation.store import fleets as store
from lumetry_core.fleet.judging import find_patience, judge, run_tick
from lumetry_core.fleet.model import MemberState, OpenAlert
from lumetry_core.fleet.roster import Newest, enroll
from lumetry_core.fleet.ticking import Opened, Recovered
from lumetry_core.metrics.draft import DeviationDraft, FleetDraft, MetricDraft
from lumetry_core.metrics.fleet_contract import Analysis
from lumetry_core.metrics.model import MetricInfo, SeriesInfo
from lumetry_core.metrics.service import definitions, inbox
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.rules.model import Direction, Severity
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.violations.model import NewViolation
from tests.pipeline.plant import ORGANIZATION, Plant, person

TICK = 60
HOSTS = "abcde"
PEERS = ("peer_deviation",)


class Farm:
    """Hosts that send a value each at 50 seconds past the minute, and a worker that ticks 2 seconds past it."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.minute = 0
        self.tickers: dict[str, FleetTicker] = {}

    def ticker(self, name: str = "core-1") -> FleetTicker:
        if name not in self.tickers:
            self.tickers[name] = FleetTicker(self.plant.database, name, TICK, OrganizationSettings())
        return self.tickers[name]

    def restart(self) -> None:
        """The process dies, and another one takes its place."""
        self.tickers.clear()

    async def hold(self, name: str = "core-1") -> None:
        """Has a process hold all partitions, as its evaluator sees to."""
        async with self.plant.database.write() as tx:
            await inbox.acquire(tx, name, self.plant.clock.now())

    async def define(self, key: str = "cpu", **fields: Any) -> MetricInfo:
        """Writes the definition of a metric that points registered."""
        async with self.plant.database.write() as tx:
            metric = (await find_metrics(tx, ORGANIZATION, [key]))[key]
            return await definitions.update(
                tx, person(), metric.id, draft(key, **fields), find_profile, claim_profile, self.plant.clock.now()
            )

    async def send(self, *values: float | None, key: str = "cpu") -> None:
        """Moves on by a minute, in which hosts send a value; None: this one is silent."""
        seconds = self.minute * 60 + 50
        points = [(key, {"host.id": host}, seconds, value) for host, value in zip(HOSTS, values, strict=False) if value is not None]
        if points:
            await self.plant.send_mixed(points)
        self.minute += 1
        self.plant.clock.moment = self.plant.start + timedelta(minutes=self.minute, seconds=2)

    async def tick(self, name: str = "core-1") -> None:
        """Lets the worker tick."""
        await self.hold(name)
        await self.ticker(name).tick(self.plant.clock.now())

    async def pass_minute(self, *values: float | None) -> None:
        """A minute with values and its tick."""
        await self.send(*values)
        await self.tick()

    async def view(self, key: str = "cpu") -> FleetView:
        """What people see."""
        async with self.plant.database.read() as tx:
            return await fleet_views.get_fleet(tx, person(), key, TICK, OrganizationSettings(), self.plant.clock.now())

    def at(self, seconds: float) -> datetime:
        """A time so many seconds after the start."""
        return self.plant.start + timedelta(seconds=seconds)


def draft(
    key: str, *, analyses: Sequence[str] = PEERS, display_name: str = "CPU load", is_active: bool = True, **fleet: Any
) -> MetricDraft:
    return MetricDraft(
        metric_key=key,
        display_name=display_name,
        metric_mode="multidimensional",
        dimension_keys=("host.id",),
        is_active=is_active,
        fleet=FleetDraft(analyses=tuple(analyses), **fleet),
    )


@pytest.fixture
async def farm(plant: Plant) -> Farm:
    """Five hosts, of which one minute has passed, compared with their peers."""
    farm = Farm(plant)
    await farm.pass_minute(42, 42, 41, 43, 42)
    await farm.define()
    return farm


async def test_outliers_in_a_row_open_an_alert_with_its_evidence(farm: Farm) -> None:
    """The third outlier tick opens one alert, whose violations carry the times of the judged points; then it recovers."""
    for _ in range(3):
        await farm.pass_minute(42, 42, 41, 43, 89)
    [alert] = await farm.plant.alerts()
    assert replace(alert, id=0, create_time=farm.plant.start, update_time=farm.plant.start) == replace(
        alert,
        id=0,
        rule_id=None,
        rule_epoch=0,
        metric_key="cpu",
        metric_display_name="CPU load",
        dimension_key="host.id=e",
        alert_name="CPU load deviates from peers",
        source_kind=SourceKind.FLEET_DETECTOR,
        severity=Severity.WARNING,
        alert_level_id=None,
        trigger_reason="Peer deviation for 3 ticks: 89 vs median 42",
        violation_count=3,
        start_time=farm.at(3 * 60 + 50),
        end_time=None,
        first_violation_time=farm.at(60 + 50),
        create_time=farm.plant.start,
        update_time=farm.plant.start,
    )
    await farm.pass_minute(42, 42, 41, 43, 88)
    found = await farm.plant.violations()
    width = 42 * 20 / 100
    assert vars_of(replace(found[-1], detect_time=farm.plant.start)) == vars_of(
        NewViolation(
            rule_id=None,
            metric_key="cpu",
            time=farm.at(4 * 60 + 50),
            actual_value=88.0,
            direction=Direction.BOTH,
            severity=Severity.WARNING,
            metric_display_name="CPU load",
            detect_time=farm.plant.start,
            expected_value=42.0,
            lower_threshold=42 - width,
            upper_threshold=42 + width,
            deviation_percent=109.52,
            dimension_key="host.id=e",
            alert_id=alert.id,
            analysis="peer_deviation",
            tick_time=farm.at(5 * 60),
        )
    )
    assert [(farm.plant.seconds(each.time), each.alert_id) for each in found] == [(60 * n + 50, alert.id) for n in (1, 2, 3, 4)]
    for _ in range(3):
        await farm.pass_minute(42, 42, 41, 43, 42)
    [closed] = await farm.plant.alerts()
    assert (closed.end_time, closed.close_cause, closed.violation_count) == (farm.at(7 * 60 + 50), CloseCause.RECOVERY, 4)


def vars_of(violation: NewViolation) -> dict[str, Any]:
    return {name: getattr(violation, name) for name in NewViolation.__dataclass_fields__}


async def test_transitions_record_their_decisions(farm: Farm) -> None:
    """Opening, rising and closing tell their nine gates, decided by the definition, and are handed to correlation."""
    await farm.define(peer=DeviationDraft(critical_threshold=60.0, open_ticks=1, close_ticks=1))
    await farm.pass_minute(42, 42, 41, 43, 55)
    await farm.pass_minute(42, 42, 41, 43, 200)
    await farm.pass_minute(42, 42, 41, 43, 42)
    [alert] = await farm.plant.alerts()
    assert (alert.severity, alert.trigger_reason) == (Severity.CRITICAL, "Peer deviation for 2 ticks: 200 vs median 42")
    number = (await farm.define(peer=DeviationDraft(critical_threshold=60.0, open_ticks=1, close_ticks=1))).id
    told = {}
    async with farm.plant.database.read() as tx:
        for transition in ("open", "escalate", "close"):
            told[transition] = await reading.explain(tx, person(), alert.id, transition)
    assert {name: [gate.reason for gate in each.gates[:3]] for name, each in told.items()} == {
        "open": [
            "Peer deviation of metric 'CPU load' is on and judges the member",
            "1 outlier tick, 1 needed",
            "No alert was open for this metric and member",
        ],
        "escalate": [
            "Peer deviation of metric 'CPU load' is on and judges the member",
            "Beyond the critical threshold; 2 outlier ticks in a row",
            "The open alert rises from Warning to Critical",
        ],
        "close": [
            "Fleet analysis of metric 'CPU load' judges the member",
            "Closing needs no trigger",
            "Normal for 1 tick in a row, 1 needed",
        ],
    }
    records = {(gate.record.type, gate.record.id) for each in told.values() for gate in each.gates[:3] if gate.record}
    assert records == {("MetricDefinition", str(number))}
    assert [len(each.gates) for each in told.values()] == [9, 9, 9]
    kinds = [kind for kind, _ in await farm.plant.work("correlation")]
    assert kinds == ["alert_opened", "violations_added", "alert_escalated", "alert_closed"]


async def test_a_closed_alert_counts_from_zero(farm: Farm) -> None:
    """After a close by a person three new outlier ticks open the next alert, which has their violations alone."""
    for _ in range(4):
        await farm.pass_minute(42, 42, 41, 43, 89)
    [first] = await farm.plant.alerts()
    await farm.plant.close(first)
    for _ in range(2):
        await farm.pass_minute(42, 42, 41, 43, 89)
    assert len(await farm.plant.alerts()) == 1
    await farm.pass_minute(42, 42, 41, 43, 89)
    assert [(alert.close_cause, alert.violation_count) for alert in await farm.plant.alerts()] == [(CloseCause.PERSON, 4), (None, 3)]
    assert [each.alert_id for each in await farm.plant.violations()] == [first.id] * 4 + [first.id + 1] * 3


async def test_a_member_that_is_gone_closes_its_alert(farm: Farm) -> None:
    """Missing values alone close nothing until the member is gone."""
    for _ in range(3):
        await farm.pass_minute(42, 42, 41, 43, 89)
    for _ in range(58):
        await farm.pass_minute(42, 42, 41, 43, None)
    # Its last value was fresh for three minutes, in which it went on deviating.
    assert (await farm.plant.alerts())[0].is_active
    for _ in range(5):
        await farm.pass_minute(42, 42, 41, 43, None)
    [alert] = await farm.plant.alerts()
    assert (alert.close_cause, alert.end_time, alert.violation_count) == (CloseCause.MEMBER_GONE, farm.at(64 * 60), 5)


@pytest.mark.parametrize("change", ["off", "inactive", "changed"])
async def test_a_detector_that_left_closes_its_alerts(farm: Farm, change: str) -> None:
    """Alerts close at the next tick when fleet analysis is switched off or changed or the metric is deactivated."""
    for _ in range(3):
        await farm.pass_minute(42, 42, 41, 43, 89)
    fields: dict[str, Any] = {
        "off": {"analyses": ()},
        "inactive": {"is_active": False},
        "changed": {"peer": DeviationDraft(threshold=4.0)},
    }[change]
    metric = await farm.define(**fields)
    await farm.pass_minute(42, 42, 41, 43, 89)
    [alert] = await farm.plant.alerts()
    assert (alert.close_cause, alert.end_time) == (CloseCause.DETECTOR_CHANGED, farm.plant.clock.now())
    async with farm.plant.database.read() as tx:
        told = await reading.explain(tx, person(), alert.id, "close")
        state = await store.read_state(tx, ORGANIZATION, metric.id)
    what = "was changed" if change == "changed" else "is off"
    assert told.gates[0].reason == f"Fleet analysis of metric 'CPU load' {what}, which closes its alerts"
    assert (state is not None) == (change == "changed")
    for _ in range(2):
        await farm.pass_minute(42, 42, 41, 43, 89)
    assert len(await farm.plant.alerts()) == (2 if change == "changed" else 1)


async def test_missed_ticks_are_made_up_for(farm: Farm) -> None:
    """A process that was away for some minutes finds what it would have found, in order."""
    await farm.pass_minute(42, 42, 41, 43, 89)
    for _ in range(4):
        await farm.send(42, 42, 41, 43, 89)
    farm.restart()
    await farm.tick()
    assert await farm.plant.shown_alerts() == [
        ("host.id=e", 3 * 60 + 50, None, "Warning", "Peer deviation for 3 ticks: 89 vs median 42", 5)
    ]
    assert [farm.plant.seconds(each.tick_time) for each in await farm.plant.violations()] == [120, 180, 240, 300, 360]


async def test_a_long_absence_is_not_made_up_for(farm: Farm) -> None:
    """Ten minutes are made up for; what is older is left out, and is not held against silent members."""
    for _ in range(3):
        await farm.pass_minute(42, 42, 41, 43, 89)
    for _ in range(90):
        await farm.send(42, 42, 41, 43, None)
    await farm.tick()
    [alert] = await farm.plant.alerts()
    assert (alert.is_active, alert.violation_count) == (True, 3)
    async with farm.plant.database.read() as tx:
        state = await store.read_state(tx, ORGANIZATION, (await find_metrics(tx, ORGANIZATION, ["cpu"]))["cpu"].id)
    assert state is not None
    assert (state.tick_ms, state.since_ms) == (to_ms(farm.at(94 * 60)), to_ms(farm.at(85 * 60)))


def foresee(metric: MetricInfo, minutes: Sequence[Sequence[float]]) -> list[tuple[str | None, int, int | None]]:
    """Member, opening minute and closing minute of the alerts that one process with a good memory would find, by opening."""
    series = [SeriesInfo(number, metric.id, {"host.id": host}) for number, host in enumerate(HOSTS, 1)]
    roster = enroll(series, metric.dimension_keys, metric.fleet)
    patience = find_patience(metric.fleet, 60)
    states: dict[str | None, MemberState] = {}
    found: list[tuple[str | None, int, int | None]] = []
    for minute, values in enumerate(minutes, 1):
        fresh = Newest(np.arange(len(HOSTS)), np.full(len(HOSTS), minute * 60_000 - 10_000), np.array(values, np.float64))
        judgement = judge(roster, fresh, metric.fleet, None)
        ticked = run_tick(roster, judgement, states, patience, minute * 60_000, 0)
        states = dict(ticked.states)
        for change in ticked.changes:
            if isinstance(change.step, Opened):
                states[change.key] = replace(states[change.key], alert=OpenAlert(len(found), change.step.is_critical))
                found.append((change.key, minute, None))
            elif isinstance(change.step, Recovered) and change.before.alert is not None:
                at = change.before.alert.id
                found[at] = (*found[at][:2], minute)
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_restarts_and_delays_change_nothing(farm: Farm, seed: int) -> None:
    """A process that dies and comes back again and again, some ticks late, finds what one with a good memory would."""
    metric = await farm.define(peer=DeviationDraft(open_ticks=2, close_ticks=2, critical_threshold=30.0))
    random = np.random.default_rng(seed)
    minutes = [[42.0] * 5, *(random.choice([42.0, 42.0, 42.0, 43.0, 60.0, 90.0], len(HOSTS)).tolist() for _ in range(40))]
    for number, values in enumerate(minutes):
        await farm.send(*values)
        if number == 0 or random.random() < 0.5:
            farm.restart()
            await farm.tick()
    await farm.tick()
    alerts = [
        (
            alert.dimension_key,
            int(farm.plant.seconds(alert.start_time) // 60),
            None if alert.end_time is None else int(farm.plant.seconds(alert.end_time) // 60),
        )
        for alert in await farm.plant.alerts()
    ]
    assert len(alerts) > 3
    assert sorted(alerts, key=str) == sorted(foresee(metric, minutes), key=str)
    counts = Counter(violation.alert_id for violation in await farm.plant.violations() if violation.alert_id is not None)
    assert counts == {alert.id: alert.violation_count for alert in await farm.plant.alerts()}


async def test_two_processes_record_a_tick_once(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is overtaken between reading and writing writes nothing of its own."""
    await farm.pass_minute(42, 42, 41, 43, 89)
    await farm.send(42, 42, 41, 43, 89)
    others = [FleetTicker(farm.plant.database, "core-1", TICK, OrganizationSettings())]
    judge = fleets.judge_snapshot

    async def judge_slowly(*args: Any) -> Any:
        judged = await judge(*args)
        if others:
            await others.pop().tick(farm.plant.clock.now())
        return judged

    monkeypatch.setattr(fleet_worker.fleets, "judge_snapshot", judge_slowly)
    await farm.tick()
    assert [farm.plant.seconds(each.tick_time) for each in await farm.plant.violations()] == [120, 180]


async def test_a_tick_that_fails_is_repeated_with_the_next(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours in one organization neither ends the worker nor loses a tick."""
    await farm.pass_minute(42, 42, 41, 43, 89)
    with monkeypatch.context() as patched:
        patched.setattr(fleet_worker.fleets, "judge_snapshot", lambda *_args: 1 / 0)
        await farm.pass_minute(42, 42, 41, 43, 89)
    assert len(await farm.plant.violations()) == 1
    await farm.pass_minute(42, 42, 41, 43, 89)
    assert [farm.plant.seconds(each.tick_time) for each in await farm.plant.violations()] == [120, 180, 240]


async def test_a_process_without_leases_does_nothing(farm: Farm) -> None:
    """Only who holds a partition ticks for its metrics."""
    await farm.send(42, 42, 41, 43, 89)
    await farm.ticker("core-2").tick(farm.plant.clock.now())
    assert await farm.plant.violations() == []


async def test_a_change_during_a_tick_is_minded(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A definition that changes between reading and writing has the tick judged anew."""
    await farm.send(42, 42, 41, 43, 89)
    judge = fleets.judge_snapshot
    changes = [{"analyses": ()}]

    async def judge_slowly(*args: Any) -> Any:
        judged = await judge(*args)
        if changes:
            await farm.define(**changes.pop())
        return judged

    monkeypatch.setattr(fleet_worker.fleets, "judge_snapshot", judge_slowly)
    await farm.tick()
    assert await farm.plant.violations() == []


async def test_members_beyond_the_limit_are_not_judged(farm: Farm) -> None:
    """Members beyond the largest number are left out, and operators hear of it once, until there are none."""
    await farm.define(max_cardinality=4)
    for _ in range(4):
        await farm.pass_minute(42, 42, 41, 43, 89)
    assert (await farm.plant.alerts(), await farm.plant.violations()) == ([], [])
    [raised] = await farm.plant.system_alerts()
    assert (raised.code, raised.subject_type, raised.subject_id, raised.occurrence_count, raised.state.value) == (
        "CardinalityLimit",
        "Metric",
        "cpu",
        1,
        "Open",
    )
    await farm.define(max_cardinality=5)
    await farm.pass_minute(42, 42, 41, 43, 89)
    assert [each.state.value for each in await farm.plant.system_alerts()] == ["Closed"]


async def test_members_out_of_scope_are_not_judged(farm: Farm) -> None:
    """A scope narrows the fleet by any label."""
    await farm.define(scope={"host.id": "e"})
    for _ in range(4):
        await farm.pass_minute(42, 42, 41, 43, 89)
    assert await farm.plant.violations() == []
    assert [member.dimension_key for member in (await farm.view()).members] == ["host.id=e"]


async def learn(farm: Farm, metric: MetricInfo, **norms: float) -> None:
    """Gives members a past of four weeks: one point a minute, a tenth above or below the norm of the host."""
    members = [f"host.id={host}" for host in norms]
    minutes = np.arange(to_ms(farm.plant.start) // 60_000, to_ms(farm.plant.start) // 60_000 + 20)
    learned = Learned(members)
    async with farm.plant.database.write() as tx:
        await settle_default(tx, ORGANIZATION, farm.plant.start)
        profile = await find_profile(tx, ORGANIZATION, None)
        assert profile is not None
        for week in range(4, 0, -1):
            then = minutes - week * 10_080
            of_week = WeekClock("UTC").minutes_of_week(then * 60_000)
            for number, norm in enumerate(norms.values()):
                sign = 1 if week % 2 else -1
                learned.add(np.full(len(then), number), of_week, then, np.full(len(then), norm * (1 + sign / 10)))
        await keeping.create(tx, ORGANIZATION, profile.id, metric, learned, no_candidates(), 0, farm.plant.start)


async def test_members_are_compared_with_their_own_past(farm: Farm) -> None:
    """When the whole fleet drifts, those that are at twice their norm are found all the same; those of unknown past are not judged."""
    metric = await farm.define(analyses=("baseline_deviation",))
    await learn(farm, metric, a=40.0, b=80.0, c=40.0)
    for _ in range(3):
        await farm.pass_minute(80, 82, 79, 81, 80)
    assert await farm.plant.shown_alerts() == [
        ("host.id=a", 3 * 60 + 50, None, "Warning", "Baseline deviation for 3 ticks: 80 vs expected 40", 3),
        ("host.id=c", 3 * 60 + 50, None, "Warning", "Baseline deviation for 3 ticks: 79 vs expected 40", 3),
    ]
    assert [alert.alert_name for alert in await farm.plant.alerts()] == ["CPU load deviates from baseline"] * 2
    newest = (await farm.plant.violations())[-1]
    assert (newest.analysis, newest.expected_value, newest.deviation_percent, newest.baseline_confidence) == (
        "baseline_deviation",
        pytest.approx(40),
        97.5,
        "High",
    )
    # three standard deviations of a tenth of the norm are more than the 20 % that are asked for at least
    assert (newest.lower_threshold, newest.upper_threshold) == (pytest.approx(28), pytest.approx(52))
    shown = {member.dimension_key: (member.baseline_expected, member.baseline_score) for member in (await farm.view()).members}
    assert shown == {
        "host.id=a": (pytest.approx(40), pytest.approx(10)),
        "host.id=b": (pytest.approx(80), pytest.approx(0.25)),
        "host.id=c": (pytest.approx(40), pytest.approx(9.75)),
        "host.id=d": (None, None),
        "host.id=e": (None, None),
    }


async def test_an_alert_gathers_what_both_analyses_find(farm: Farm) -> None:
    """One alert for a member has the violations of both, and lasts until both find it normal."""
    metric = await farm.define(analyses=("peer_deviation", "baseline_deviation"))
    await learn(farm, metric, a=42.0, b=42.0, c=42.0, d=42.0, e=42.0)
    for _ in range(3):
        await farm.pass_minute(42, 42, 41, 43, 89)
    assert await farm.plant.shown_alerts() == [
        ("host.id=e", 3 * 60 + 50, None, "Warning", "Peer deviation for 3 ticks: 89 vs median 42", 6)
    ]
    assert {each.analysis for each in await farm.plant.violations()} == {"peer_deviation", "baseline_deviation"}
    for _ in range(3):
        await farm.pass_minute(89, 88, 88, 89, 89)
    assert len(await farm.plant.alerts()) == 5
    assert (await farm.plant.alerts())[0].violation_count == 9
    for _ in range(3):
        await farm.pass_minute(42, 42, 41, 43, 42)
    assert [alert.is_active for alert in await farm.plant.alerts()] == [False] * 5


async def test_settings_of_an_organization_count(farm: Farm) -> None:
    """Staleness and the time after which a member is gone are the organization's own."""
    async with farm.plant.database.write() as tx:
        change = SettingsChange({"fleet_staleness_seconds": 30, "fleet_member_gone_minutes": 5})
        await update_settings(tx, person(), change, OrganizationSettings(), farm.plant.clock.now())
    for _ in range(3):
        await farm.pass_minute(42, 42, 41, 43, 89)
    for _ in range(5):
        await farm.pass_minute(42, 42, 41, 43, None)
    [alert] = await farm.plant.alerts()
    assert (alert.close_cause, alert.end_time, alert.violation_count) == (CloseCause.MEMBER_GONE, farm.at(9 * 60), 3)


async def test_extreme_values_make_no_storm(farm: Farm) -> None:
    """The largest numbers, denormals and equal peers are judged without infinities; only who deviates is told of."""
    for _ in range(3):
        await farm.pass_minute(1e308, 1e308, 1.1e308, 1e308, -1.7e308)
    for _ in range(3):
        await farm.pass_minute(5e-324, 5e-324, 5e-324, 5e-324, 5e-324)
    assert [alert.dimension_key for alert in await farm.plant.alerts()] == ["host.id=e"]
    assert {each.dimension_key for each in await farm.plant.violations()} == {"host.id=e"}
    assert [each.deviation_percent for each in await farm.plant.violations()] == [-270.0] * 3


async def test_get_fleet_shows_the_newest_tick(farm: Farm) -> None:
    """Members come with what the detectors say of them; a silent one is stale, one with an alert alerting."""
    for _ in range(3):
        await farm.pass_minute(42, 42, 41, 43, 89)
    for _ in range(3):
        await farm.pass_minute(42, 42, 41, None, 89)
    width = 42 * 20 / 100
    seconds = 6 * 60 + 50
    assert await farm.view() == FleetView(
        metric_key="cpu",
        tick_time=farm.at(7 * 60),
        analyses=(Analysis.PEER,),
        split_dimension="host.id",
        groups=[GroupView(None, 4, 42.0, 0.5, 42 - width, 42 + width)],
        members=[
            MemberView("host.id=a", None, 42.0, farm.at(seconds), 0.0, 0.0, None, None, MemberStatus.NORMAL),
            MemberView("host.id=b", None, 42.0, farm.at(seconds), 0.0, 0.0, None, None, MemberStatus.NORMAL),
            MemberView("host.id=c", None, 41.0, farm.at(seconds), -2.38, pytest.approx(-1.349), None, None, MemberStatus.NORMAL),
            MemberView("host.id=d", None, 43.0, farm.at(3 * 60 + 50), None, None, None, None, MemberStatus.STALE),
            MemberView("host.id=e", None, 89.0, farm.at(seconds), 111.9, pytest.approx(63.403), None, None, MemberStatus.ALERTING),
        ],
    )


async def test_get_fleet_shows_an_outlier_before_its_alert(farm: Farm) -> None:
    """One outlier tick makes an outlier, not an alert; a metric without analyses has normal members only."""
    await farm.pass_minute(42, 42, 41, 43, 89)
    assert [member.status.value for member in (await farm.view()).members] == ["Normal"] * 4 + ["Outlier"]
    await farm.define(analyses=())
    assert [member.status.value for member in (await farm.view()).members] == ["Normal"] * 5


async def test_get_fleet_refuses_a_single_metric(farm: Farm) -> None:
    """A metric without members, and one that nobody knows, have no fleet."""
    await farm.plant.send("load", (0, 1.0))
    with pytest.raises(LumetryError) as refused:
        await farm.view("load")
    assert refused.value.reason is Reason.CONFLICT
    with pytest.raises(LumetryError) as missing:
        await farm.view("nothing")
    assert missing.value.reason is Reason.NOT_FOUND
