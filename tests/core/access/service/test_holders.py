from lumetry_core.access.model import NewUser, User
from lumetry_core.access.service.holders import find_holders, find_members
from lumetry_core.access.service.users import create_user, deactivate_user
from lumetry_core.runtime.caller import Permission, system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database


async def test_find_holders_and_members_who_are_active(database: Database, clock: Clock, admin: User) -> None:
    """Those whose roles carry a permission, and all; who was deactivated is neither, and other organizations have their own."""
    caller = system_caller(admin.organization_id)
    async with database.write() as tx:
        viewer = await create_user(tx, caller, NewUser(username="viewer", roles=("Viewer",)), clock.now())
        gone = await create_user(tx, caller, NewUser(username="gone", roles=("Admin",)), clock.now())
        await deactivate_user(tx, caller, gone.id, clock.now())
    async with database.read() as tx:
        assert await find_holders(tx, admin.organization_id, Permission.VIEW_ALERTS) == [admin.id, viewer.id]
        assert await find_holders(tx, admin.organization_id, Permission.MANAGE_USERS) == [admin.id]
        assert await find_members(tx, admin.organization_id) == [admin.id, viewer.id]
        assert await find_holders(tx, admin.organization_id + 1, Permission.VIEW_ALERTS) == []
