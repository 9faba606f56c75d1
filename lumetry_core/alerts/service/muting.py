"""Ends silences: of people who remove them, and of their own accord."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.alerts.service.admission import find_silence
from lumetry_core.alerts.service.silences import KIND, active_silences, audited
from lumetry_core.alerts.service.telling import tell_alerts
from lumetry_core.alerts.silences import SilenceFamily
from lumetry_core.alerts.store import alerts as alert_store
from lumetry_core.alerts.store import selection
from lumetry_core.alerts.store import silences as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import not_found
from lumetry_core.runtime.queue import enqueue

ROUTING = "routing"
"""The queue of what may lead to notifications."""


async def delete_silence(tx: Transaction, caller: Caller, silence_id: int, now: datetime) -> None:
    """Removes a silence; what it held back is routed again. Fails with NOT_FOUND."""
    found = await store.delete_silence(tx, caller.organization_id, SilenceFamily.LUMETRY, silence_id, now)
    if found is None:
        raise not_found(KIND, silence_id)
    silence, is_announced_now = found
    await record_audit(tx, caller, f"{KIND}.Deleted", KIND, silence_id, now, before=audited(silence))
    if is_announced_now:
        await end_silences(tx, caller.organization_id, [silence_id], now)


async def end_silences(tx: Transaction, organization_id: int, silence_ids: Sequence[int], now: datetime) -> None:
    """Lets go of what silences muted that are over, unless another mutes it too, and has routing look again at what they held back."""
    muted = await selection.select_silenced(tx, organization_id, silence_ids)
    remaining = await active_silences(tx, organization_id, now) if muted else []
    after = [replace(alert, silence_id=find_silence(alert, remaining), update_time=now) for alert in muted]
    changes = {alert.id: {"silence_id": alert.silence_id, "update_time": now} for alert in after}
    await alert_store.update_alerts(tx, organization_id, changes)
    await tell_alerts(tx, organization_id, [alert for alert in after if not alert.is_silenced], now)
    await enqueue(tx, organization_id, ROUTING, [("silence_ended", {"silence_id": silence_id}) for silence_id in silence_ids], now)
