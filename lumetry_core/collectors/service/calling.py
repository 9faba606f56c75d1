"""Finds the collector behind a machine credential."""

from lumetry_core.access.model import unauthenticated
from lumetry_core.collectors.model import Collector, Status
from lumetry_core.collectors.store import collectors as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError


async def own_collector(tx: Transaction, caller: Caller) -> Collector:
    """The collector that a machine credential belongs to, to be changed. Fails with UNAUTHENTICATED."""
    collector = await store.find_locked(tx, caller.organization_id, caller.collector_id or "")
    if collector is None:
        raise used_up()
    return collector


async def read_own(tx: Transaction, caller: Caller) -> Collector:
    """The collector that a machine credential belongs to, to look at. Fails with UNAUTHENTICATED once it is revoked."""
    collector = await store.find(tx, caller.organization_id, caller.collector_id or "")
    if collector is None or collector.status in (Status.PENDING, Status.REVOKED):
        raise used_up()
    return collector


def used_up() -> LumetryError:
    """The failure of secrets that no longer serve, which tells no more than that of unknown ones."""
    return unauthenticated()
