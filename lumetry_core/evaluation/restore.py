"""What recorded alerts and violations mean for points to come: the state of the machine, made anew.

It differs from the state that recorded them in one respect: the newest point that was not clear is remembered with active alerts only.
Without one it matters only for an alert that opens at a point behind the newest, which may then close up to the grace period earlier.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lumetry_core.alerts.model import Alert
from lumetry_core.evaluation.compile import RANK_OF
from lumetry_core.evaluation.machine import Counted, OpenAlert, State, Watch
from lumetry_core.evaluation.state import Past
from lumetry_core.runtime.clock import to_ms
from lumetry_core.violations.model import Violation


def restore_alerts(alerts: Iterable[Alert], watches: Mapping[int, Watch]) -> dict[Past, State]:
    """The states that hold nothing but an active alert, of the rules in `watches` by number."""
    return {
        (alert.rule_id, alert.dimension_key): restore_alert(alert)
        for alert in alerts
        if alert.rule_id is not None and alert.rule_id in watches
    }


def restore_alert(alert: Alert) -> State:
    """The state of an active alert."""
    first_violation = to_ms(alert.first_violation_time or alert.start_time)
    last_not_clear = to_ms(alert.last_not_clear_time or alert.start_time)
    return State((), OpenAlert(alert.id, RANK_OF[alert.severity], first_violation, ()), last_not_clear)


@dataclass(slots=True)
class Recorded:
    """What was recorded of a rule on a member."""

    loose: list[Counted] = field(default_factory=list)
    own: list[Counted] = field(default_factory=list)
    newest: int | None = None


def restore_past(
    alerting: Mapping[Past, State],
    violations: Iterable[Violation],
    watches: Mapping[int, Watch],
    closings: Mapping[Past, datetime],
) -> dict[Past, State]:
    """Adds to active alerts the violations that may still count.

    Args:
        alerting: From `restore_alerts`.
        violations: Those with trigger weight that belong to no alert, and those of active alerts; any order.
        watches: Rules by number; a violation of an earlier counting epoch counts no more.
        closings: When people last closed an alert; violations recorded until then count no more.
    """
    recorded: dict[Past, Recorded] = {}
    for violation in violations:
        watch = watches.get(violation.rule_id) if violation.rule_id is not None else None
        if watch is None or violation.is_late:
            continue
        key = (watch.rule.id, violation.dimension_key)
        of_pair = recorded.setdefault(key, Recorded())
        counted = Counted(to_ms(violation.time), RANK_OF[violation.severity])
        of_pair.newest = counted.time if of_pair.newest is None else max(of_pair.newest, counted.time)
        closed = closings.get(key)
        if violation.rule_epoch != watch.rule.counting_epoch or (closed is not None and violation.detect_time <= closed):
            continue
        (of_pair.loose if violation.alert_id is None else of_pair.own).append(counted)
    past = dict(alerting)
    for key, of_pair in recorded.items():
        loose, own = tuple(sorted(of_pair.loose)), tuple(sorted(of_pair.own))
        state = alerting.get(key)
        if state is None or state.alert is None:
            past[key] = State(loose, None, of_pair.newest)
        else:
            alert = state.alert
            own = tuple(counted for counted in own if counted.rank > alert.rank)
            past[key] = State(loose, OpenAlert(alert.handle, alert.rank, alert.first_violation, own), state.last_not_clear)
    return past
