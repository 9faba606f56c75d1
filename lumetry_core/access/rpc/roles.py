"""`lumetry.access.v1.RoleService`."""

from typing import Any

import grpc

from lumetry.access.v1 import role_service_pb2 as pb
from lumetry.access.v1.role_service_pb2_grpc import RoleServiceServicer
from lumetry_core.access.rpc.encoding import encode_role
from lumetry_core.access.service import roles
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class RoleServicer(RoleServiceServicer):
    """Serves the managing of roles."""

    def __init__(self, database: Database, clock: Clock, authenticator: Authenticator) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator

    async def ListRoles(self, request: pb.ListRolesRequest, context: Context) -> pb.ListRolesResponse:
        """See the service's proto."""
        async with self._database.read() as tx:
            found = await roles.list_roles(tx, current_caller())
        return pb.ListRolesResponse(roles=[encode_role(role) for role in found])

    async def GetRole(self, request: pb.GetRoleRequest, context: Context) -> pb.GetRoleResponse:
        """See the service's proto."""
        async with self._database.read() as tx:
            role = await roles.read_role(tx, current_caller().organization_id, request.id)
        return pb.GetRoleResponse(role=encode_role(role))

    async def CreateRole(self, request: pb.CreateRoleRequest, context: Context) -> pb.CreateRoleResponse:
        """See the service's proto."""
        async with self._database.write() as tx:
            role = await roles.create_role(
                tx,
                current_caller(),
                name=request.name,
                description=request.description,
                permissions=request.permissions,
                now=self._clock.now(),
            )
        return pb.CreateRoleResponse(role=encode_role(role))

    async def UpdateRole(self, request: pb.UpdateRoleRequest, context: Context) -> pb.UpdateRoleResponse:
        """See the service's proto."""
        async with self._database.write() as tx:
            role = await roles.update_role(
                tx,
                current_caller(),
                request.id,
                name=request.name,
                description=request.description,
                permissions=request.permissions,
                now=self._clock.now(),
            )
        self._authenticator.forget()
        return pb.UpdateRoleResponse(role=encode_role(role))
