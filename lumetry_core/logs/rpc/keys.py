"""LogKeyService."""

from typing import Any

import grpc

from lumetry.logs.v1 import log_key_service_pb2 as pb
from lumetry.logs.v1 import log_key_service_pb2_grpc
from lumetry_core.access.keys import LogKey
from lumetry_core.access.service.log_keys import revoke_log_key
from lumetry_core.logs.model import NS_PER_MS
from lumetry_core.logs.rpc.times import read_bound
from lumetry_core.logs.service import keys
from lumetry_core.runtime.clock import Clock, from_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class LogKeyServicer(log_key_service_pb2_grpc.LogKeyServiceServicer):
    """See `lumetry.logs.v1.LogKeyService`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListLogKeys(self, request: pb.ListLogKeysRequest, context: Context) -> pb.ListLogKeysResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await keys.list_keys(tx, current_caller(), request.project_id)
        return pb.ListLogKeysResponse(keys=[write_key(key) for key in found])

    async def CreateLogKey(self, request: pb.CreateLogKeyRequest, context: Context) -> pb.CreateLogKeyResponse:
        """See the proto."""
        async with self._database.write() as tx:
            key, secret = await keys.create_key(
                tx,
                current_caller(),
                name=request.name,
                project=request.project_id,
                environment=request.environment,
                access=request.access,
                expire_time=from_ms(read_bound(request.expire_time) // NS_PER_MS) if request.HasField("expire_time") else None,
                now=self._clock.now(),
            )
        return pb.CreateLogKeyResponse(key=write_key(key), secret=secret)

    async def RevokeLogKey(self, request: pb.RevokeLogKeyRequest, context: Context) -> pb.RevokeLogKeyResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await revoke_log_key(tx, current_caller(), request.id, self._clock.now())
        return pb.RevokeLogKeyResponse()


def write_key(key: LogKey) -> pb.LogKey:
    """A key without its secret."""
    return pb.LogKey(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        project_id=key.project_id,
        environment=key.environment,
        access=key.access.value,
        create_time=encode_time(key.create_time),
        created_by=key.created_by,
        last_use_time=encode_time(key.last_used_time),
        expire_time=encode_time(key.expire_time),
    )
