"""`lumetry.access.v1.UserService`."""

from typing import Any

import grpc

from lumetry.access.v1 import user_service_pb2 as pb
from lumetry.access.v1.user_service_pb2_grpc import UserServiceServicer
from lumetry_core.access.model import NewUser, UserChange
from lumetry_core.access.rpc.encoding import encode_user
from lumetry_core.access.service import users
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class UserServicer(UserServiceServicer):
    """Serves the managing of users."""

    def __init__(self, database: Database, clock: Clock, authenticator: Authenticator) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator

    async def ListUsers(self, request: pb.ListUsersRequest, context: Context) -> pb.ListUsersResponse:
        """See the service's proto."""
        is_active = request.is_active if request.HasField("is_active") else None
        async with self._database.read() as tx:
            found, total_count = await users.list_users(
                tx, current_caller(), request.search, request.page, request.page_size, is_active=is_active
            )
        return pb.ListUsersResponse(users=[encode_user(user) for user in found], total_count=total_count)

    async def CreateUser(self, request: pb.CreateUserRequest, context: Context) -> pb.CreateUserResponse:
        """See the service's proto."""
        new = NewUser(
            username=request.username,
            roles=tuple(request.roles),
            password=request.password if request.HasField("password") else None,
            email=request.email,
            display_name=request.display_name,
        )
        async with self._database.write() as tx:
            user = await users.create_user(tx, current_caller(), new, self._clock.now())
        return pb.CreateUserResponse(user=encode_user(user))

    async def GetUser(self, request: pb.GetUserRequest, context: Context) -> pb.GetUserResponse:
        """See the service's proto."""
        async with self._database.read() as tx:
            user = await users.read_user(tx, current_caller().organization_id, request.id)
        return pb.GetUserResponse(user=encode_user(user))

    async def UpdateUser(self, request: pb.UpdateUserRequest, context: Context) -> pb.UpdateUserResponse:
        """See the service's proto."""
        change = UserChange(
            roles=tuple(request.roles),
            is_active=request.is_active if request.HasField("is_active") else None,
            password=request.password if request.HasField("password") else None,
            email=request.email,
            display_name=request.display_name,
        )
        async with self._database.write() as tx:
            user = await users.update_user(tx, current_caller(), request.id, change, self._clock.now())
        self._authenticator.forget()
        return pb.UpdateUserResponse(user=encode_user(user))

    async def DeactivateUser(self, request: pb.DeactivateUserRequest, context: Context) -> pb.DeactivateUserResponse:
        """See the service's proto."""
        async with self._database.write() as tx:
            user = await users.deactivate_user(tx, current_caller(), request.id, self._clock.now())
        self._authenticator.forget()
        return pb.DeactivateUserResponse(user=encode_user(user))
