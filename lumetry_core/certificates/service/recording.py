"""Writes down what looks at certificates came to: checks, status, alerts and events, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.alerts.service.monitors import report_firing, report_recovery
from lumetry_core.billing.model import Meter, Usage
from lumetry_core.billing.service.metering import count
from lumetry_core.certificates.assessing import Assessment, assess
from lumetry_core.certificates.model import Monitor, Presented
from lumetry_core.certificates.store import checks as check_store
from lumetry_core.certificates.store import monitors as store
from lumetry_core.certificates.telling import build_recovery, build_report, tell_alert, tell_check, tell_recovery
from lumetry_core.feed.service import tell
from lumetry_core.runtime.database import Transaction


@dataclass(frozen=True, slots=True)
class Look:
    """What the server of a claimed monitor presented."""

    monitor: Monitor
    presented: Presented


async def record_looks(tx: Transaction, organization_id: int, looks: Sequence[Look], now: datetime) -> list[Monitor]:
    """Records looks at claimed monitors; one whose claim was lost meanwhile, or whose monitor is gone, is dropped.

    Returns:
        The monitors as they are now.
    """
    current = await store.read_monitors(tx, organization_id, [look.monitor.id for look in looks], lock=True)
    held = [
        (current[look.monitor.id], look.presented)
        for look in looks
        if look.monitor.id in current and current[look.monitor.id].epoch == look.monitor.epoch
    ]
    if held:
        await count(tx, organization_id, [Usage(Meter.CHECK_RUNS, len(held))], now)
    return await record(tx, organization_id, [assess(monitor, presented, now) for monitor, presented in held], now)


async def record(tx: Transaction, organization_id: int, assessments: Sequence[Assessment], now: datetime) -> list[Monitor]:
    """Writes checks, monitors, alerts and events, in few statements however many there are."""
    if not assessments:
        return []
    checks = [each.check for each in assessments]
    stored = await check_store.insert_checks(tx, organization_id, checks, [each.chain for each in assessments])
    after = [replace(each.after, latest_check_id=check.id) for each, check in zip(assessments, stored, strict=True)]
    await store.update_monitors(tx, after)
    await tell(tx, organization_id, [event for each in assessments for event in tell_check(each)], now)
    await move_alerts(tx, organization_id, assessments, now)
    return after


async def move_alerts(tx: Transaction, organization_id: int, assessments: Sequence[Assessment], now: datetime) -> None:
    """Opens, updates and closes the alerts of conditions, and tells which of it is news."""
    firing = [(each, one) for each in assessments if each.judgement for one in each.judgement.fires]
    over = [(each, one) for each in assessments if each.judgement for one in each.judgement.recovers]
    events = []
    if firing:
        alerts = await report_firing(tx, organization_id, [build_report(each, one) for each, one in firing], now)
        for (each, one), alert in zip(firing, alerts, strict=True):
            is_lower = one.threshold is not None and one.threshold < (each.before.last_alerted_threshold or one.threshold)
            if is_lower or now in (alert.create_time, alert.escalate_time):
                events.append(tell_alert(each, one))
    if over:
        await report_recovery(tx, organization_id, [build_recovery(each, one) for each, one in over], now)
        events += [tell_recovery(each, one) for each, one in over]
    await tell(tx, organization_id, events, now)
