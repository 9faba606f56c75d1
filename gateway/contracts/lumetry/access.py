"""Login and identity (contract lumetry 2.2, 2.3)."""

import msgspec

from gateway.contracts.lumetry.values import Time, optional_value
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.access.v1 import access_service_pb2, permission_pb2

NAME_OF_PERMISSION = {
    number: "".join(word.capitalize() for word in name.removeprefix("PERMISSION_").split("_"))
    for name, number in permission_pb2.Permission.items()
}


class LoginBody(msgspec.Struct, rename="camel"):
    """Who logs in."""

    username: str
    password: str


class RefreshBody(msgspec.Struct, rename="camel"):
    """Which session goes on."""

    refresh_token: str


class LogoutBody(msgspec.Struct, rename="camel"):
    """Which session ends; without it the caller's own."""

    refresh_token: str | None = None


class PasswordBody(msgspec.Struct, rename="camel"):
    """The password there is, and the next one."""

    current_password: str = ""
    new_password: str = ""


class Tokens(msgspec.Struct, rename="camel"):
    """The tokens of a login session."""

    access_token: str
    expires_at: Time
    refresh_token: str


class Me(msgspec.Struct, rename="camel"):
    """The user behind a credential, and what the credential may do."""

    id: int
    username: str
    email: str | None
    display_name: str | None
    auth_provider_type: str
    roles: list[str]
    permissions: list[str]


def decode_login(request: Request) -> access_service_pb2.LoginRequest:
    """2.2 `POST /api/auth/login`."""
    body = request.body(LoginBody)
    return access_service_pb2.LoginRequest(username=body.username, password=body.password)


def encode_login(
    reply: access_service_pb2.LoginResponse | access_service_pb2.RefreshLoginResponse,
    _asked: object,
) -> Tokens:
    """2.2 the token triple."""
    tokens = reply.tokens
    return Tokens(access_token=tokens.access_token, expires_at=format_time(tokens.expire_time), refresh_token=tokens.refresh_token)


def decode_refresh(request: Request) -> access_service_pb2.RefreshLoginRequest:
    """2.2 `POST /api/auth/refresh`."""
    return access_service_pb2.RefreshLoginRequest(refresh_token=request.body(RefreshBody).refresh_token)


def decode_logout(request: Request) -> access_service_pb2.LogoutRequest:
    """2.2 `POST /api/auth/logout`."""
    return access_service_pb2.LogoutRequest(refresh_token=request.body(LogoutBody, optional=True).refresh_token or "")


def decode_change_password(request: Request) -> access_service_pb2.ChangePasswordRequest:
    """2.2 `POST /api/auth/password`."""
    body = request.body(PasswordBody)
    return access_service_pb2.ChangePasswordRequest(current_password=body.current_password, new_password=body.new_password)


def encode_nothing(_reply: object, _asked: object) -> None:
    """The answer of routes that return nothing."""


def decode_me(_request: Request) -> access_service_pb2.GetMeRequest:
    """2.3 `GET /api/auth/me`."""
    return access_service_pb2.GetMeRequest()


def encode_me(reply: access_service_pb2.GetMeResponse, _asked: object) -> Me:
    """2.3 the caller. Workspace keys belong to other families (contract workspace 1.3)."""
    if reply.credential.kind == permission_pb2.CREDENTIAL_KIND_WORKSPACE_KEY:
        raise Failure(Reason.PERMISSION_DENIED, "This kind of credential may not do this.", from_core=True)
    user = reply.user
    return Me(
        id=user.id,
        username=user.username,
        email=optional_value(user, "email"),
        display_name=optional_value(user, "display_name"),
        auth_provider_type=user.auth_provider_type,
        roles=list(user.roles),
        permissions=[NAME_OF_PERMISSION[number] for number in reply.permissions],
    )
