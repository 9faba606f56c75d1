"""Users by their login names."""

from collections.abc import Collection

from lumetry_core.access.service.holders import find_holders
from lumetry_core.access.store import users as store
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.database import Transaction


async def find_named_holders(tx: Transaction, organization_id: int, permission: Permission, usernames: Collection[str]) -> dict[str, int]:
    """The active users who hold a permission and whom login names in lower case name, by name."""
    named = await store.find_active_by_name(tx, organization_id, usernames)
    holders = set(await find_holders(tx, organization_id, permission)) if named else set()
    return {name: user_id for name, user_id in named.items() if user_id in holders}
