"""Raises and ends the alerts of updates. They are for information; how urgent one is, its risk score tells (contract monitoring 9.4)."""

from collections.abc import Collection
from datetime import datetime

from lumetry_core.alerts.monitors import Entity, EntityType, MonitorRecovery, MonitorReport, MonitorSource
from lumetry_core.alerts.service.monitors import find_active_monitored, report_firing, report_recovery
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction
from lumetry_core.updates.model import ALERT_TYPE, Target, Update


async def raise_alert(tx: Transaction, target: Target, found: Update, now: datetime) -> bool:
    """Opens the alert of an update or brings an open one up to date; whether it counts as raised.

    An alert that a person closed stays closed until something newer is found.
    """
    organization_id = found.organization_id
    if found.update_type not in target.options.alert_on:
        await end_alerts(tx, organization_id, [target.container_id], "Alerts of this kind of update are switched off", now)
        return False
    active = await find_active_monitored(tx, organization_id, EntityType.CONTAINER, [target.container_id])
    is_open = any(alert.monitor_source == MonitorSource.UPDATE for alert in active)
    if found.is_alerted and not is_open:
        return True
    await report_firing(tx, organization_id, [make_report(target, found)], now)
    return True


async def end_alerts(tx: Transaction, organization_id: int, container_ids: Collection[int], reason: str, now: datetime) -> None:
    """Ends the alerts of containers, where there are any."""
    recoveries = [
        MonitorRecovery(
            source=MonitorSource.UPDATE,
            alert_type=ALERT_TYPE,
            entity_type=EntityType.CONTAINER,
            entity_id=container_id,
            end_time=now,
            message=reason,
        )
        for container_id in sorted(container_ids)
    ]
    if recoveries:
        await report_recovery(tx, organization_id, recoveries, now)


def make_report(target: Target, found: Update) -> MonitorReport:
    """What an update reports. Its words hold for every newer tag too, because only the details of an open alert change."""
    return MonitorReport(
        source=MonitorSource.UPDATE,
        alert_type=ALERT_TYPE,
        entity=Entity(EntityType.CONTAINER, target.container_id, target.name),
        severity=Severity.INFO,
        alert_name=f"Update available: {target.name}",
        message=f"The registry has a newer image than {found.image}:{found.current_tag} of {target.name}",
        details={
            "container_id": target.external_id,
            "image": found.image,
            "current_tag": found.current_tag,
            "latest_tag": found.latest_tag,
            "update_type": found.update_type.value,
            "risk_score": found.risk_score,
        },
        start_time=found.detect_time,
        topology_node_id=target.topology_node_id,
        channels=target.channels,
    )
