"""Of several cores one watches the runtime; it keeps the watch as long as it renews it."""

from datetime import datetime, timedelta

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.containers.store import watches as store
from lumetry_core.runtime.database import Transaction

HELD = timedelta(seconds=30)


async def find_organization(tx: Transaction) -> int:
    """The organization whose containers the runtime's are: the first."""
    return min(await list_organization_ids(tx))


async def take_watch(tx: Transaction, organization_id: int, owner: str, now: datetime) -> bool:
    """Takes or renews the watch; False when another core holds it."""
    return await store.take(tx, organization_id, owner, now, now + HELD)


async def release_watch(tx: Transaction, organization_id: int, owner: str, now: datetime) -> None:
    """Lets another core take the watch at once."""
    await store.release(tx, organization_id, owner, now)
