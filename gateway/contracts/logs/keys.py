"""Log keys (contract logs 9)."""

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.logs.search import Time
from gateway.contracts.logs.times import format_time
from gateway.transcode.request import Request
from lumetry.logs.v1 import log_key_service_pb2


class KeyParameters(msgspec.Struct):
    """Whose keys."""

    project_id: str | None = None


class KeyBody(msgspec.Struct):
    """A key to make."""

    name: str
    project_id: str
    environment: str | None = None
    access: str | None = None
    expires_at: Timestamp | None = None


class Key(msgspec.Struct):
    """A key without its secret."""

    id: str
    name: str
    prefix: str
    project_id: str
    environment: str
    access: str
    created_at: Time
    created_by: str
    last_used_at: Time | None
    expires_at: Time | None


class NewKey(Key):
    """A key with its secret, which is shown this once."""

    key: str


class Keys(msgspec.Struct):
    """Keys, newest first."""

    keys: list[Key]


def decode_list(request: Request) -> log_key_service_pb2.ListLogKeysRequest:
    """9 `GET /v1/log-keys`."""
    return log_key_service_pb2.ListLogKeysRequest(project_id=request.query(KeyParameters).project_id or "")


def encode_list(reply: log_key_service_pb2.ListLogKeysResponse, _asked: object) -> Keys:
    """9 the keys."""
    return Keys([Key(*fields_of(key)) for key in reply.keys])


def decode_create(request: Request) -> log_key_service_pb2.CreateLogKeyRequest:
    """9 `POST /v1/log-keys`."""
    body = request.body(KeyBody)
    return log_key_service_pb2.CreateLogKeyRequest(
        name=body.name,
        project_id=body.project_id,
        environment=body.environment or "",
        access=body.access or "",
        expire_time=body.expires_at,
    )


def encode_create(reply: log_key_service_pb2.CreateLogKeyResponse, _asked: object) -> NewKey:
    """9 the new key."""
    return NewKey(*fields_of(reply.key), reply.secret)


def decode_revoke(request: Request) -> log_key_service_pb2.RevokeLogKeyRequest:
    """9 `DELETE /v1/log-keys/{id}`."""
    return log_key_service_pb2.RevokeLogKeyRequest(id=request.uuid("id"))


def encode_nothing(_reply: object, _asked: object) -> None:
    """9 nothing."""


def fields_of(key: log_key_service_pb2.LogKey) -> tuple[str, str, str, str, str, str, str, str, str | None, str | None]:
    """The fields of a key in the order of `Key`."""
    return (
        key.id,
        key.name,
        key.prefix,
        key.project_id,
        key.environment,
        key.access,
        format_time(key.create_time),
        key.created_by,
        format_time(key.last_use_time) if key.HasField("last_use_time") else None,
        format_time(key.expire_time) if key.HasField("expire_time") else None,
    )
