"""A database in a list: feeds chunks to the evaluator and keeps what must be durable, as the recording service does."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lumetry_core.baselines.candidates import Candidates, no_candidates
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.baselines.service.keeping import Baseline
from lumetry_core.baselines.weeks import WeekClock
from lumetry_core.evaluation.bands import draw
from lumetry_core.evaluation.compile import compile_rule
from lumetry_core.evaluation.effects import Effects
from lumetry_core.evaluation.evaluate import evaluate
from lumetry_core.evaluation.held import HeldBaseline
from lumetry_core.evaluation.lessons import learned_positions
from lumetry_core.evaluation.limits import Limits
from lumetry_core.evaluation.machine import Counted, OpenAlert, State, Watch
from lumetry_core.evaluation.state import NEVER, EvaluationState, StoredSeries
from lumetry_core.evaluation.survey import Chunk, doubtful_points, sight, survey, walk_more
from lumetry_core.rules.model import Rule

GRACE_MS = 120_000


@dataclass
class KeptViolation:
    """A recorded violation."""

    rule_id: int
    dimension_key: str | None
    time: int
    rank: int
    is_late: bool
    alert: int | None
    limits: Limits | None = None


@dataclass
class KeptAlert:
    """A recorded alert; its number is its place."""

    rule_id: int
    dimension_key: str | None
    start: int
    rank: int
    reasons: list[tuple[int, int]]
    first_violation: int
    last_not_clear: int
    violation_count: int
    end: int | None = None


@dataclass
class World:
    """Rules by metric, stored series, and all that was recorded."""

    rules: dict[int, list[Rule]]
    series: list[StoredSeries]
    points: list[tuple[int, int]] = field(default_factory=list)
    violations: list[KeptViolation] = field(default_factory=list)
    alerts: list[KeptAlert] = field(default_factory=list)
    dispositions: list[int] = field(default_factory=list)
    ambiguous: set[int] = field(default_factory=set)
    overflowing: set[int] = field(default_factory=set)
    profile: BaselineProfile | None = None
    exclusions: Sequence[tuple[int, int]] = ()
    journal: list[Candidates] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watches = {metric: [compile_rule(rule, self.profile, GRACE_MS) for rule in rules] for metric, rules in self.rules.items()}
        self.members: dict[int, list[str | None]] = {metric: [] for metric in self.rules}
        self.reload()

    def hold(self) -> dict[int, list[HeldBaseline]]:
        """Baselines made anew from the journal, as after a restart."""
        held: dict[int, list[HeldBaseline]] = {}
        for metric, watches in self.watches.items():
            if self.profile is not None and any(watch.learning for watch in watches):
                baseline = Baseline(metric, 1, self.profile.id, metric, Learned(self.members[metric]), no_candidates(), 0)
                for part in self.journal:
                    for number, own in part.split():
                        if number == metric:
                            baseline.take(own)
                held[metric] = [HeldBaseline(baseline, WeekClock(self.profile.time_zone), self.profile.minimum_points, self.exclusions)]
        return held

    @property
    def watch_of(self) -> dict[int, Watch]:
        return {watch.rule.id: watch for watches in self.watches.values() for watch in watches}

    def reload(self) -> None:
        """Makes the state anew from what was recorded."""
        old = getattr(self, "state", None)
        self.remembered = {(rule, old.member_of_slot[slot][1]): state for (rule, slot), state in old.pairs.items()} if old else {}
        newest: dict[int, int] = {}
        for series_id, time in self.points:
            newest[series_id] = max(newest.get(series_id, NEVER), time)
        self.state = EvaluationState()
        self.held = self.hold()
        self.state.set_rules(self.watches, self.restore_alerts(), self.held)
        self.state.add_series(
            StoredSeries(one.id, one.metric_id, one.labels, one.dimension_key, newest.get(one.id, NEVER)) for one in self.series
        )

    def replace_rules(self) -> None:
        """Sets the same rules anew, as after a change of another rule."""
        self.remembered = {(rule, self.key(slot)): state for (rule, slot), state in self.state.pairs.items()}
        self.state.set_rules(self.watches, self.restore_alerts(), self.held)

    def restore_alerts(self) -> dict[tuple[int, str | None], State]:
        return {
            (alert.rule_id, alert.dimension_key): State((), OpenAlert(number, alert.rank, alert.first_violation, ()), alert.last_not_clear)
            for number, alert in enumerate(self.alerts)
            if alert.end is None
        }

    def warm(self, slots: list[int]) -> None:
        past = self.restore_alerts()
        for slot in slots:
            _, key = self.state.member_of_slot[slot]
            horizon = self.state.horizon(slot)
            for watch in self.watches[self.state.member_of_slot[slot][0]]:
                before = past.get((watch.rule.id, key), State())
                mine = [
                    kept
                    for kept in self.violations
                    if (kept.rule_id, kept.dimension_key) == (watch.rule.id, key) and not kept.is_late and kept.time >= horizon
                ]
                loose = tuple(sorted(Counted(kept.time, kept.rank) for kept in mine if kept.alert is None))
                alert = before.alert
                if alert:
                    own = tuple(sorted(Counted(kept.time, kept.rank) for kept in mine if kept.alert == alert.handle))
                    alert = OpenAlert(alert.handle, alert.rank, alert.first_violation, tuple(one for one in own if one.rank > alert.rank))
                remembered = self.remembered.get((watch.rule.id, key), State())
                past[watch.rule.id, key] = State(loose, alert, before.last_not_clear if alert else remembered.last_not_clear)
        self.state.warm(slots, past)

    def feed(self, points: Sequence[tuple[int, int, float]], job_sizes: Sequence[int] | None = None) -> Effects:
        """Evaluates a chunk of (series, time, value)."""
        sizes = list(job_sizes or [1] * len(points))
        ids = np.array([point[0] for point in points], np.int64)
        chunk = Chunk(
            rows=self.state.find_rows(ids),
            times=np.array([point[1] for point in points], np.int64),
            values=np.array([point[2] for point in points], np.float64),
            job_starts=np.cumsum([0, *sizes[:-1]]),
        )
        surveyed = survey(self.state, chunk)
        stored = doubtful_points(self.state, chunk, surveyed) & set(self.points)
        sights = sight(self.state, chunk, surveyed.members(), stored, GRACE_MS)
        drawn = None
        if len(learned_positions(self.state, chunk)):
            for held in itertools.chain(*self.held.values()):
                if held.is_due(self.state.newest, GRACE_MS):
                    held.advance(self.state.newest, GRACE_MS)
            drawn = draw(self.state, chunk, sights, GRACE_MS)
            surveyed = walk_more(self.state, surveyed, drawn.loud)
            more = [(slot, positions) for slot, positions in surveyed.members() if slot not in sights.of_slot]
            sights.of_slot.update(sight(self.state, chunk, more, (), GRACE_MS).of_slot)
        self.warm(self.state.cold_slots(surveyed.walked_slots()))
        effects = evaluate(self.state, chunk, surveyed, sights, drawn)
        self.learn(effects)
        self.points += [(series, time) for series, time, _ in points]
        self.dispositions += effects.outcomes.tolist()
        self.ambiguous |= effects.ambiguous
        self.overflowing |= effects.overflowing
        self.state.apply(effects, self.record(effects))
        return effects

    def learn(self, effects: Effects) -> None:
        for part in effects.learnable:
            if len(part):
                self.journal.append(part)
                (held,) = self.held[int(part.baseline_ids[0])]
                held.take(part)
        for metric, (held,) in self.held.items():
            self.members[metric] = list(held.baseline.learned.members)

    def record(self, effects: Effects) -> dict[int, int]:
        covering = {id(found): self.cover(found) for found in effects.violations if found.is_late and found.handle is None}
        numbers: dict[int, int] = {}
        for change in effects.alerts:
            if change.opened:
                assert self.active(change.watch.rule.id, self.key(change.slot)) is None
                numbers[change.handle] = len(self.alerts)
                rank, count = change.opened.level.rank, len(change.opened.carried)
                self.alerts.append(
                    KeptAlert(change.watch.rule.id, self.key(change.slot), change.start_time, rank, [(rank, count)], 0, 0, count)
                )
            alert = self.alerts[numbers.get(change.handle, change.handle)]
            alert.first_violation, alert.last_not_clear = change.first_violation, change.last_not_clear
            alert.violation_count += change.joined
            for escalated in change.escalated:
                alert.rank = escalated.level.rank
                alert.reasons.append((escalated.level.rank, escalated.violations))
            for time in change.attached:
                (kept,) = [
                    kept
                    for kept in self.violations
                    if (kept.rule_id, kept.dimension_key, kept.time) == (change.watch.rule.id, self.key(change.slot), time)
                ]
                assert kept.alert is None
                kept.alert = numbers.get(change.handle, change.handle)
            if change.closed:
                alert.end = change.end_time
        for found in effects.violations:
            number = covering.get(id(found), found.handle)
            if id(found) in covering and number is not None:
                self.alerts[number].violation_count += 1
            number = None if number is None else numbers.get(number, number)
            self.violations.append(
                KeptViolation(found.watch.rule.id, self.key(found.slot), found.time, found.level.rank, found.is_late, number, found.limits)
            )
        return numbers

    def key(self, slot: int) -> str | None:
        return self.state.member_of_slot[slot][1]

    def active(self, rule_id: int, key: str | None) -> KeptAlert | None:
        return next((alert for alert in self.alerts if (alert.rule_id, alert.dimension_key) == (rule_id, key) and alert.end is None), None)

    def cover(self, found: object) -> int | None:
        numbers = [
            number
            for number, alert in enumerate(self.alerts)
            if (alert.rule_id, alert.dimension_key) == (found.watch.rule.id, self.key(found.slot))  # type: ignore[attr-defined]
            and alert.end is not None
            and alert.first_violation <= found.time <= alert.end  # type: ignore[attr-defined]
        ]
        return max(numbers, default=None)
