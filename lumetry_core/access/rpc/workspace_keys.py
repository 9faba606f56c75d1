"""`lumetry.access.v1.WorkspaceKeyService`."""

from typing import Any

import grpc

from lumetry.access.v1 import workspace_key_service_pb2 as pb
from lumetry.access.v1.workspace_key_service_pb2_grpc import WorkspaceKeyServiceServicer
from lumetry_core.access.rpc.encoding import decode_time, encode_key
from lumetry_core.access.service import workspace_keys
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class WorkspaceKeyServicer(WorkspaceKeyServiceServicer):
    """Serves the managing of workspace keys."""

    def __init__(self, database: Database, clock: Clock, authenticator: Authenticator, *, production: bool = True) -> None:
        """Builds the servicer.

        Args:
            production: Makes live keys; else test keys. The same as the authenticator takes.
        """
        self._database = database
        self._clock = clock
        self._authenticator = authenticator
        self._production = production

    async def ListWorkspaceKeys(self, request: pb.ListWorkspaceKeysRequest, context: Context) -> pb.ListWorkspaceKeysResponse:
        """See the service's proto."""
        async with self._database.read() as tx:
            keys = await workspace_keys.list_workspace_keys(tx, current_caller())
        return pb.ListWorkspaceKeysResponse(keys=[encode_key(key) for key in keys])

    async def CreateWorkspaceKey(self, request: pb.CreateWorkspaceKeyRequest, context: Context) -> pb.CreateWorkspaceKeyResponse:
        """See the service's proto."""
        caller = current_caller()
        async with self._database.write() as tx:
            key, secret = await workspace_keys.create_workspace_key(
                tx,
                caller,
                caller.user_id or 0,
                name=request.name,
                scopes=request.scopes,
                expire_time=decode_time(request.expire_time, "expiresAt") if request.HasField("expire_time") else None,
                production=self._production,
                now=self._clock.now(),
            )
        return pb.CreateWorkspaceKeyResponse(key=encode_key(key), secret=secret)

    async def RevokeWorkspaceKey(self, request: pb.RevokeWorkspaceKeyRequest, context: Context) -> pb.RevokeWorkspaceKeyResponse:
        """See the service's proto."""
        async with self._database.write() as tx:
            key = await workspace_keys.revoke_workspace_key(tx, current_caller(), request.id, self._clock.now())
        self._authenticator.forget()
        return pb.RevokeWorkspaceKeyResponse(key=encode_key(key))
