"""LogKeyService."""

from datetime import datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.logs.v1 import log_key_service_pb2 as pb
from lumetry.logs.v1 import log_key_service_pb2_grpc
from lumetry_core.access.keys import LogKey
from lumetry_core.access.service.log_keys import revoke_log_key
from lumetry_core.logs.model import NS_PER_MS
from lumetry_core.logs.rpc.times import read_bound, write_ns
from lumetry_core.logs.service import keys
from lumetry_core.runtime.clock import Clock, from_ms, to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller

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
        create_time=write_time(key.create_time),
        created_by=key.created_by,
        last_use_time=write_time(key.last_used_time),
        expire_time=write_time(key.expire_time),
    )


def write_time(moment: datetime | None) -> Timestamp | None:
    """A time as its message."""
    return None if moment is None else write_ns(to_ms(moment) * NS_PER_MS)
