"""API tokens (contract lumetry 2.4)."""

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.values import Id, Time, optional_time
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.access.v1 import api_token_service_pb2 as pb


class TokenFilters(msgspec.Struct, rename="camel"):
    """Whose tokens; without it the caller's."""

    user_id: Id | None = None


class TokenBody(msgspec.Struct, rename="camel"):
    """A token as asked for; without `permissions` it may do all that its owner may."""

    name: str = ""
    permissions: list[str] | None = None
    expires_at: Timestamp | None = None


class ApiToken(msgspec.Struct, rename="camel"):
    """A token, dead or alive, without its secret."""

    id: int
    name: str
    prefix: str
    user_id: int
    permissions: list[str] | None
    effective_permissions: list[str]
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None
    revoked_at: Time | None


class CreatedToken(ApiToken, rename="camel"):
    """A new token with its secret, which is shown only here."""

    token: str


def decode_list_tokens(request: Request) -> pb.ListApiTokensRequest:
    """2.4 `GET /api/api-tokens`."""
    return pb.ListApiTokensRequest(user_id=request.query(TokenFilters).user_id or 0)


def encode_list_tokens(reply: pb.ListApiTokensResponse, _asked: object) -> list[ApiToken]:
    """2.4 the tokens of a user."""
    return [encode_token(token) for token in reply.tokens]


def decode_create_token(request: Request) -> pb.CreateApiTokenRequest:
    """2.4 `POST /api/api-tokens`."""
    body = request.body(TokenBody)
    return pb.CreateApiTokenRequest(
        name=body.name, is_narrowed=body.permissions is not None, permissions=body.permissions or (), expire_time=body.expires_at
    )


def encode_created_token(reply: pb.CreateApiTokenResponse, _asked: object) -> CreatedToken:
    """2.4 the token with its secret."""
    return CreatedToken(**msgspec.structs.asdict(encode_token(reply.token)), token=reply.secret)


def decode_revoke_token(request: Request) -> pb.RevokeApiTokenRequest:
    """2.4 `DELETE /api/api-tokens/{id}`."""
    return pb.RevokeApiTokenRequest(id=request.number("id"))


def encode_token(token: pb.ApiToken) -> ApiToken:
    """2.4 a token."""
    return ApiToken(
        id=token.id,
        name=token.name,
        prefix=token.prefix,
        user_id=token.user_id,
        permissions=list(token.permissions) if token.is_narrowed else None,
        effective_permissions=list(token.effective_permissions),
        created_at=format_time(token.create_time),
        expires_at=optional_time(token, "expire_time"),
        last_used_at=optional_time(token, "last_used_time"),
        revoked_at=optional_time(token, "revoke_time"),
    )
