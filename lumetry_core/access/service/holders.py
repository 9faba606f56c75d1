"""Who holds a permission now: the users whom something concerns."""

from lumetry_core.access.store import users as store
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.database import Transaction


async def find_holders(tx: Transaction, organization_id: int, permission: Permission) -> list[int]:
    """Active users of the organization whose roles carry a permission, ascending. Asked once in a transaction, however much it tells."""
    key = find_holders, organization_id, permission
    if key not in tx.remembered:
        tx.remembered[key] = await store.find_holders(tx, organization_id, permission)
    return list(tx.remembered[key])


async def find_members(tx: Transaction, organization_id: int) -> list[int]:
    """All active users of the organization, ascending. Asked once in a transaction."""
    key = find_members, organization_id
    if key not in tx.remembered:
        tx.remembered[key] = await store.list_active_ids(tx, organization_id)
    return list(tx.remembered[key])
