"""System alerts of collectors: one that went silent, and instances that share an identity."""

from datetime import datetime

from lumetry_core.alerts.service.system_alerts import close_system_alert, raise_system_alert
from lumetry_core.collectors.model import Collector
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Transaction

OFFLINE = "CollectorOffline"
DUPLICATE_SUSPECTED = "CollectorDuplicateSuspected"
SUBJECT = "Collector"


async def raise_offline(tx: Transaction, collector: Collector, now: datetime) -> None:
    """Opens the alert of a collector that went silent."""
    seen = "" if collector.last_seen_time is None else f" Its last heartbeat came at {spell_time(collector.last_seen_time)}."
    await raise_trouble(tx, collector, OFFLINE, f"Collector {collector.name} is offline.{seen}", now)


async def raise_duplicate(tx: Transaction, collector: Collector, now: datetime) -> None:
    """Opens the alert of a collector whose credential several instances use."""
    message = (
        f"Several instances report as collector {collector.name}, which hints at a copied state directory."
        " It is given no work until one instance has been alone for ten minutes."
    )
    await raise_trouble(tx, collector, DUPLICATE_SUSPECTED, message, now)


async def raise_trouble(tx: Transaction, collector: Collector, code: str, message: str, now: datetime) -> None:
    """Opens an alert about a collector."""
    await raise_system_alert(tx, collector.organization_id, code, Severity.WARNING, message, SUBJECT, collector.id, now)


async def close_trouble(tx: Transaction, collector: Collector, code: str, now: datetime) -> None:
    """Closes an alert about a collector, if it is open."""
    await close_system_alert(tx, collector.organization_id, code, SUBJECT, collector.id, now)


async def close_troubles(tx: Transaction, collector: Collector, now: datetime) -> None:
    """Closes all alerts about a collector."""
    for code in (OFFLINE, DUPLICATE_SUSPECTED):
        await close_trouble(tx, collector, code, now)
