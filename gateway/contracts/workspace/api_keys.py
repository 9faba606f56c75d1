"""API keys, which the core knows as workspace keys (contract workspace 2)."""

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.workspace.values import Items, Success, Time
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.access.v1 import workspace_key_service_pb2 as pb

BROWSER_MESSAGE = "API key management requires a browser session"


class ApiKeyBody(msgspec.Struct, rename="camel"):
    """A key to make."""

    name: str = ""
    scopes: list[str] | None = None
    expires_at: Timestamp | None = None


class ApiKey(msgspec.Struct, rename="camel"):
    """A key, without its secret."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    last_used_at: Time | None
    created_at: Time
    expires_at: Time | None


class NewApiKey(msgspec.Struct, rename="camel"):
    """A key with its secret, shown only here."""

    id: str
    name: str
    prefix: str
    key: str
    scopes: list[str]
    created_at: Time
    expires_at: Time | None


class RevokedApiKey(msgspec.Struct, rename="camel"):
    """The end of a key."""

    id: str
    revoked_at: Time


def decode_list_api_keys(_request: Request) -> pb.ListWorkspaceKeysRequest:
    """2 `GET /api-keys`."""
    return pb.ListWorkspaceKeysRequest()


def encode_list_api_keys(reply: pb.ListWorkspaceKeysResponse, _asked: object) -> Success[Items[ApiKey]]:
    """2 the caller's keys."""
    return Success(Items([encode_api_key(key) for key in reply.keys]))


def encode_api_key(key: pb.WorkspaceKey) -> ApiKey:
    """2 one key."""
    return ApiKey(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        scopes=list(key.scopes),
        last_used_at=format_time(key.last_used_time) if key.HasField("last_used_time") else None,
        created_at=format_time(key.create_time),
        expires_at=format_time(key.expire_time) if key.HasField("expire_time") else None,
    )


def decode_create_api_key(request: Request) -> pb.CreateWorkspaceKeyRequest:
    """2 `POST /api-keys`."""
    body = request.body(ApiKeyBody)
    return pb.CreateWorkspaceKeyRequest(name=body.name, scopes=body.scopes, expire_time=body.expires_at)


def encode_create_api_key(reply: pb.CreateWorkspaceKeyResponse, _asked: object) -> Success[NewApiKey]:
    """2 the new key."""
    key = encode_api_key(reply.key)
    return Success(
        NewApiKey(
            id=key.id,
            name=key.name,
            prefix=key.prefix,
            key=reply.secret,
            scopes=key.scopes,
            created_at=key.created_at,
            expires_at=key.expires_at,
        )
    )


def decode_revoke_api_key(request: Request) -> pb.RevokeWorkspaceKeyRequest:
    """2 `DELETE /api-keys/{id}`."""
    return pb.RevokeWorkspaceKeyRequest(id=request.uuid("id"))


def encode_revoke_api_key(reply: pb.RevokeWorkspaceKeyResponse, _asked: object) -> Success[RevokedApiKey]:
    """2 the revocation."""
    return Success(RevokedApiKey(id=reply.key.id, revoked_at=format_time(reply.key.revoke_time)))
