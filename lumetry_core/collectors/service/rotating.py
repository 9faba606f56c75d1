"""Exchanges credentials for fresh ones."""

from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.credentials import rotate_collector_credential
from lumetry_core.collectors.model import Status
from lumetry_core.collectors.service.calling import own_collector, used_up
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction


async def rotate(tx: Transaction, caller: Caller, now: datetime) -> str:
    """Gives the calling collector a fresh credential; the one that it called with ends when that is first used.

    Fails with UNAUTHENTICATED.
    """
    collector = await own_collector(tx, caller)
    if collector.status in (Status.PENDING, Status.REVOKED) or caller.credential_id is None:
        raise used_up()
    credential = await rotate_collector_credential(tx, collector.organization_id, collector.id, caller.credential_id, now)
    if credential is None:
        raise used_up()
    await record_audit(tx, caller, "Collector.CredentialRotated", "Collector", collector.id, now)
    return credential
