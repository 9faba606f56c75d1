"""Baselines for a replay: kept in memory only."""

from collections.abc import Sequence

from lumetry_core.baselines.candidates import Candidates, no_candidates
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.baselines.service.keeping import Baseline
from lumetry_core.baselines.weeks import WeekClock
from lumetry_core.evaluation.held import HeldBaseline


def hold_history(
    profile: BaselineProfile,
    metric_id: int,
    learned: Learned,
    pending: Candidates,
    exclusions: Sequence[tuple[int, int]] = (),
) -> HeldBaseline:
    """What was learned before a replay, ready to go on learning; within a replay a baseline's number is that of its metric."""
    baseline = Baseline(metric_id, profile.organization_id, profile.id, metric_id, learned, no_candidates(), 0)
    baseline.pending = Candidates(pending.baseline_ids + metric_id, pending.members, pending.times_ms, pending.values, pending.breached)
    return HeldBaseline(baseline, WeekClock(profile.time_zone), profile.minimum_points, exclusions)


def hold_nothing(profile: BaselineProfile, metric_id: int) -> HeldBaseline:
    """A baseline that has yet to learn everything."""
    return hold_history(profile, metric_id, Learned(), no_candidates())
