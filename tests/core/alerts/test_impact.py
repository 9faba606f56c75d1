from datetime import UTC, datetime, timedelta

from lumetry_core.alerts.impact import ClusterHealth, ClusterState, ImpactState, Mark, find_cause, judge_cluster, judge_state
from lumetry_core.rules.model import Severity

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def mark(alert_id: int, node_id: int, severity: Severity = Severity.CRITICAL, minutes: int = 0) -> Mark:
    """An alert that began so many minutes after the others."""
    return Mark(alert_id, node_id, severity, NOW + timedelta(minutes=minutes))


def test_state_is_the_worst() -> None:
    """One critical alert outweighs any number of warnings."""
    warning = mark(1, 1, Severity.WARNING)
    assert (judge_state([]), judge_state([warning]), judge_state([warning, mark(2, 1), warning])) == (
        ImpactState.HEALTHY,
        ImpactState.WARNING,
        ImpactState.CRITICAL,
    )


def test_cluster_is_down_only_with_all_its_members() -> None:
    """A warning brings no member down, two alerts on a member count once, and alerts elsewhere not at all."""
    members = {1, 2}
    assert judge_cluster(members, [mark(1, 1, Severity.WARNING), mark(2, 9)]) == ClusterState(2, 0, ClusterHealth.HEALTHY)
    assert judge_cluster(members, [mark(1, 1), mark(2, 1)]) == ClusterState(2, 1, ClusterHealth.DEGRADED)
    assert judge_cluster(members, [mark(1, 1), mark(2, 2)]) == ClusterState(2, 2, ClusterHealth.OUTAGE)
    assert judge_cluster(set(), []) == ClusterState(0, 0, ClusterHealth.HEALTHY)


def test_cause_lies_deepest_and_began_first() -> None:
    """Depth counts before time, time before the number; what is not reached is no cause."""
    depth_of = {1: 0, 2: 1, 3: 2, 4: 2}
    assert find_cause([mark(1, 1), mark(2, 2, minutes=5)], depth_of) == 2
    assert find_cause([mark(1, 2), mark(2, 3, minutes=5), mark(3, 4, minutes=4)], depth_of) == 4
    assert find_cause([mark(2, 4), mark(1, 3)], depth_of) == 3
    assert find_cause([mark(1, 9)], depth_of) is None
