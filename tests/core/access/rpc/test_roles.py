from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.access.v1 import access_service_pb2, permission_pb2, user_service_pb2
from lumetry.access.v1 import role_service_pb2 as pb
from lumetry_core.access.model import User
from lumetry_core.runtime.clock import Clock
from tests.core.access.rpc.conftest import Served


async def test_roles_take_effect_at_once(served: Served, admin: User, clock: Clock, password: str) -> None:
    """A role is created, given and changed; whoever has it may do at once what it says."""
    boss = await served.log_in("admin", password)
    now = Timestamp(seconds=int(clock.now().timestamp()))
    request = pb.CreateRoleRequest(name="Night", description="At night", permissions=["CanViewLogs", "CanViewAlerts"])
    created = (await served.roles.CreateRole(request, metadata=boss)).role
    expected = pb.Role(
        id=created.id,
        name="Night",
        description="At night",
        permissions=["CanViewAlerts", "CanViewLogs"],
        create_time=now,
        update_time=now,
    )
    assert created == expected
    new = user_service_pb2.CreateUserRequest(username="ann", password="a long password", roles=["night"])
    await served.users.CreateUser(new, metadata=boss)
    ann = await served.log_in("ann", "a long password")
    me = await served.access.GetMe(access_service_pb2.GetMeRequest(), metadata=ann)
    assert me.permissions == [permission_pb2.PERMISSION_CAN_VIEW_ALERTS, permission_pb2.PERMISSION_CAN_VIEW_LOGS]

    change = pb.UpdateRoleRequest(id=created.id, name="Night", permissions=["CanCloseAlerts"])
    changed = (await served.roles.UpdateRole(change, metadata=boss)).role
    expected.ClearField("description")
    expected.permissions[:] = ["CanCloseAlerts"]
    expected.user_count = 1
    assert changed == expected
    assert (await served.roles.GetRole(pb.GetRoleRequest(id=created.id), metadata=boss)).role == expected
    me = await served.access.GetMe(access_service_pb2.GetMeRequest(), metadata=ann)
    assert me.permissions == [permission_pb2.PERMISSION_CAN_CLOSE_ALERTS]
    roles = (await served.roles.ListRoles(pb.ListRolesRequest(), metadata=boss)).roles
    assert [role.name for role in roles] == ["Admin", "Engineer", "Ingest", "Night", "Operator", "Viewer"]
    assert await served.fails(served.roles.UpdateRole(pb.UpdateRoleRequest(id=roles[0].id), metadata=boss)) == ("CONFLICT", [])
    assert await served.fails(served.roles.ListRoles(pb.ListRolesRequest(), metadata=ann)) == ("PERMISSION_DENIED", [])
