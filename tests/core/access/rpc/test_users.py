from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.access.v1 import access_service_pb2
from lumetry.access.v1 import user_service_pb2 as pb
from lumetry_core.access.model import User
from lumetry_core.runtime.clock import Clock
from tests.core.access.rpc.conftest import Served


async def test_users_from_creation_to_deactivation(served: Served, admin: User, clock: Clock, password: str) -> None:
    """A user is created, found, changed and deactivated, whose credentials follow each change at once."""
    boss = await served.log_in("admin", password)
    now = Timestamp(seconds=int(clock.now().timestamp()))
    created = (
        await served.users.CreateUser(
            pb.CreateUserRequest(username="ann", email="ann@example.org", password="a long password", roles=["Admin"]), metadata=boss
        )
    ).user
    expected = access_service_pb2.User(
        id=created.id,
        username="ann",
        email="ann@example.org",
        auth_provider_type="Local",
        roles=["Admin"],
        is_active=True,
        create_time=now,
    )
    assert created == expected
    assert (await served.users.GetUser(pb.GetUserRequest(id=created.id), metadata=boss)).user == expected
    ann = await served.log_in("ann", "a long password")
    listed = await served.users.ListUsers(pb.ListUsersRequest(search="ANN", is_active=True), metadata=ann)
    expected.last_login_time.CopyFrom(now)
    assert listed == pb.ListUsersResponse(users=[expected], total_count=1)

    change = pb.UpdateUserRequest(id=created.id, display_name="Ann", roles=["Viewer"], is_active=True)
    changed = (await served.users.UpdateUser(change, metadata=boss)).user
    expected.ClearField("email")
    expected.display_name = "Ann"
    expected.roles[:] = ["Viewer"]
    assert changed == expected
    assert await served.fails(served.users.ListUsers(pb.ListUsersRequest(), metadata=ann)) == ("PERMISSION_DENIED", [])

    gone = (await served.users.DeactivateUser(pb.DeactivateUserRequest(id=created.id), metadata=boss)).user
    expected.is_active = False
    assert gone == expected
    assert await served.fails(served.access.GetMe(access_service_pb2.GetMeRequest(), metadata=ann)) == ("UNAUTHENTICATED", [])


async def test_users_with_faults(served: Served, admin: User, password: str) -> None:
    """Faults are named by their paths; unknown users do not exist."""
    boss = await served.log_in("admin", password)
    users = served.users
    assert await served.fails(users.CreateUser(pb.CreateUserRequest(username="x", password=""), metadata=boss)) == (
        "VALIDATION_FAILED",
        ["username", "password", "roles"],
    )
    for call in (
        users.GetUser(pb.GetUserRequest(id=99), metadata=boss),
        users.UpdateUser(pb.UpdateUserRequest(id=99), metadata=boss),
        users.DeactivateUser(pb.DeactivateUserRequest(id=99), metadata=boss),
    ):
        assert await served.fails(call) == ("NOT_FOUND", [])
    assert await served.fails(users.DeactivateUser(pb.DeactivateUserRequest(id=admin.id), metadata=boss)) == ("CONFLICT", [])
