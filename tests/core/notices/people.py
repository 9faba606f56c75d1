"""People who can be told something, and what they were told."""

from datetime import datetime

from sqlalchemy import select

from lumetry_core.access.store import roles as role_store
from lumetry_core.access.store.roles import roles
from lumetry_core.access.store.users import insert_user
from lumetry_core.notices.model import Inbox, Notice
from lumetry_core.notices.service import list_notices
from lumetry_core.runtime.database import Database


async def add_person(database: Database, organization_id: int, name: str, role: str, now: datetime) -> int:
    """Makes a user with a built-in role, which the organization gets with its first user."""
    async with database.write() as tx:
        known = select(roles.c.id).where(roles.c.organization_id == organization_id, roles.c.name == role)
        role_id = (await tx.execute(known)).scalar_one_or_none()
        if role_id is None:
            await role_store.insert_built_in_roles(tx, organization_id, (role,), now)
            role_id = (await tx.execute(known)).scalar_one()
        user_id = await insert_user(
            tx,
            organization_id,
            username=name,
            email=None,
            display_name=None,
            auth_provider_type="local",
            password_hash=None,
            role_ids=[role_id],
            now=now,
        )
    assert user_id is not None
    return user_id


async def read_inbox(database: Database, organization_id: int, user_id: int) -> list[Notice]:
    """What a user was told, oldest first."""
    async with database.read() as tx:
        inbox = Inbox(organization_id, user_id)
        page = await list_notices(tx, inbox, only_unread=False, kinds=(), severity="", limit=200, cursor="")
    return list(reversed(page.notices))


async def read_told(database: Database, organization_id: int, user_id: int) -> list[tuple[str, str, str]]:
    """Kind, severity and title of what a user was told, oldest first."""
    found = await read_inbox(database, organization_id, user_id)
    return [(notice.draft.kind.value, notice.draft.severity.value, notice.draft.title) for notice in found]
