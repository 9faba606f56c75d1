"""What a candidate would have done over a range of stored points: pure, from a scene that was read beforehand (contract lumetry 19.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.evaluation.compile import compile_rule
from lumetry_core.evaluation.compound import compile_compound
from lumetry_core.evaluation.held import HeldBaseline
from lumetry_core.evaluation.machine import MINUTE_MS
from lumetry_core.evaluation.state import StoredSeries
from lumetry_core.metrics.model import Floats, Integers, MetricInfo
from lumetry_core.replay.course import Course
from lumetry_core.replay.cycles import ConditionPoints, CycleReplay
from lumetry_core.replay.engine import Replay
from lumetry_core.replay.outcome import ReplayedAlert, ReplayedPoints, ReplayedViolation, join_points
from lumetry_core.rules.model import Rule


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What a strategy of the candidate may see.

    Args:
        series: In its scope, in the order of their registration.
        series_ids: Of points ascending by time, as are
        times: and
        values: parallel columns.
        held: What was learned before the range; None for fixed limits.
    """

    metric: MetricInfo
    series: Sequence[StoredSeries]
    series_ids: Integers
    times: Integers
    values: Floats
    held: HeldBaseline | None


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """All that a preview needs: a rule with its limits in force, one source for each of its strategies, and settings."""

    rule: Rule
    profile: BaselineProfile | None
    sources: Sequence[Source]
    start_ms: int
    end_ms: int
    grace_ms: int
    cycle_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What a candidate would have found.

    Args:
        points: Ascending by time, then member; their `slots` are places in `dimension_keys`.
        violations: In the order in which they were found.
        alerts: Ascending by start, then member.
    """

    start_ms: int
    end_ms: int
    points: ReplayedPoints
    dimension_keys: Sequence[str | None]
    violations: Sequence[ReplayedViolation]
    alerts: Sequence[ReplayedAlert]


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """What a candidate would have done: what it would have found, and what would have followed of its alerts."""

    findings: Findings
    course: Course


def replay_scene(scene: Scene) -> Findings:
    """Replays a scene."""
    if scene.rule.is_compound:
        replay: Replay | CycleReplay = replay_cycles(scene)
        members: list[str | None] = [None]
    else:
        replay = replay_points(scene)
        members = [key for _, key in replay.state.member_of_slot]
    points, dimension_keys = arrange(join_points(replay.point_parts), members)
    alerts = sorted(replay.alerts, key=lambda alert: (alert.start, alert.dimension_key or ""))
    return Findings(scene.start_ms, scene.end_ms, points, dimension_keys, replay.violations, alerts)


def replay_points(scene: Scene) -> Replay:
    """Replays a plain rule."""
    (source,) = scene.sources
    watch = compile_rule(scene.rule, scene.profile, scene.grace_ms)
    number = source.metric.id
    baselines: Mapping[int, Sequence[HeldBaseline]] = {number: [source.held]} if source.held else {}
    replay = Replay({number: [watch]}, baselines, scene.grace_ms, shown=watch, max_members={number: len(source.series)})
    replay.add_series(source.series)
    replay.take(source.series_ids, source.times, source.values)
    return replay


def replay_cycles(scene: Scene) -> CycleReplay:
    """Replays a compound rule."""
    replay = CycleReplay(compile_compound(scene.rule, scene.profile), {source.metric.metric_key: source.metric for source in scene.sources})
    sources = [ConditionPoints(source.series, source.series_ids, source.times, source.values, source.held) for source in scene.sources]
    replay.run(sources, cycle_times(scene), scene.grace_ms)
    return replay


def cycle_times(scene: Scene) -> Integers:
    """The cycles in the range, both ends included."""
    first = -(-scene.start_ms // scene.cycle_ms)
    return np.arange(first, scene.end_ms // scene.cycle_ms + 1) * scene.cycle_ms


def sight_start(rule: Rule, start_ms: int) -> int:
    """The oldest time of points that a rule sees in a range: cycles look back."""
    return start_ms - rule.window_minutes * MINUTE_MS + 1 if rule.is_compound else start_ms


def arrange(points: ReplayedPoints, members: Sequence[str | None]) -> tuple[ReplayedPoints, list[str | None]]:
    """Points ascending by time, then member, and the dimension keys, ascending, that their `slots` then point to."""
    keys = sorted(members, key=lambda key: key or "")
    rank = {key: place for place, key in enumerate(keys)}
    place_of_slot = np.array([rank[key] for key in members], np.int64)
    places = place_of_slot[points.slots] if len(members) else points.slots
    order = np.lexsort((places, points.times))
    return points[order].with_slots(places[order]), keys
