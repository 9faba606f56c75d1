"""Monitors that go."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.alerts.monitors import EntityType
from lumetry_core.alerts.service.monitors import end_for_entities
from lumetry_core.certificates.model import Monitor, Source
from lumetry_core.certificates.store import checks as check_store
from lumetry_core.certificates.store import monitors as store
from lumetry_core.certificates.store import observers as observer_store
from lumetry_core.certificates.telling import tell_monitor
from lumetry_core.feed.service import tell
from lumetry_core.runtime.database import Transaction

DELETED = "The certificate monitor was deleted"
UNLABELED = "The container's label no longer names this certificate"
UNOBSERVED = "No endpoint check sees this certificate any more"


async def remove(tx: Transaction, organization_id: int, monitors: Sequence[Monitor], reason: str, now: datetime) -> None:
    """Removes monitors with all that is known of them; their alerts end for a reason."""
    if not monitors:
        return
    ids = [monitor.id for monitor in monitors]
    await end_for_entities(tx, organization_id, EntityType.CERTIFICATE, ids, reason, now)
    await check_store.delete_of_monitors(tx, organization_id, ids)
    await observer_store.delete_of_monitors(tx, organization_id, ids)
    await store.delete_monitors(tx, organization_id, ids)
    await tell(tx, organization_id, [tell_monitor("certificate.deleted", monitor) for monitor in monitors], now)


async def let_go(tx: Transaction, organization_id: int, monitors: Sequence[Monitor], reason: str, now: datetime) -> None:
    """Monitors that nobody asked for any longer go, except those that HTTPS checks of endpoints see: these are theirs from now on."""
    seen = await observer_store.find_observers(tx, organization_id, [monitor.id for monitor in monitors]) if monitors else {}
    kept = [
        replace(
            monitor,
            source=Source.AUTO,
            endpoint_id=seen[monitor.id],
            external_id=None,
            container=None,
            inherited_node_id=None,
            alert_channels=(),
            next_check_time=None,
        )
        for monitor in monitors
        if monitor.id in seen
    ]
    await store.update_monitors(tx, kept)
    await tell(tx, organization_id, [tell_monitor("certificate.updated", monitor) for monitor in kept], now)
    await remove(tx, organization_id, [monitor for monitor in monitors if monitor.id not in seen], reason, now)
