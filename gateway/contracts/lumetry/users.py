"""Users (contract lumetry 3.3). What their fields may hold is the core's business."""

import msgspec

from gateway.contracts.lumetry.values import Page, PageNumber, PageSize, Time, make_page, optional_time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.access.v1 import access_service_pb2
from lumetry.access.v1 import user_service_pb2 as pb


class UserFilters(msgspec.Struct, rename="camel"):
    """Which users."""

    search: str | None = None
    is_active: bool | None = None
    page: PageNumber = 1
    page_size: PageSize = 25


class NewUserBody(msgspec.Struct, rename="camel"):
    """A user to be created; without password the user logs in through the identity provider only."""

    username: str = ""
    email: str | None = None
    display_name: str | None = None
    password: str | None = None
    roles: list[str] = []


class UserBody(msgspec.Struct, rename="camel"):
    """What a user is to become; without password the one there is stays."""

    email: str | None = None
    display_name: str | None = None
    password: str | None = None
    roles: list[str] = []
    is_active: bool | None = None


class User(msgspec.Struct, rename="camel"):
    """A user."""

    id: int
    username: str
    email: str | None
    display_name: str | None
    auth_provider_type: str
    is_active: bool
    roles: list[str]
    created_at: Time
    last_login_at: Time | None


def decode_list_users(request: Request) -> pb.ListUsersRequest:
    """3.3 `GET /api/users`."""
    filters = request.query(UserFilters)
    return pb.ListUsersRequest(search=filters.search or "", is_active=filters.is_active, page=filters.page, page_size=filters.page_size)


def encode_list_users(reply: pb.ListUsersResponse, asked: pb.ListUsersRequest) -> Page[User]:
    """3.3 a page of users."""
    items = [encode_user(user) for user in reply.users]
    return make_page(items, page=asked.page, page_size=asked.page_size, total_count=reply.total_count)


def decode_create_user(request: Request) -> pb.CreateUserRequest:
    """3.3 `POST /api/users`."""
    body = request.body(NewUserBody)
    return pb.CreateUserRequest(
        username=body.username,
        email=body.email or "",
        display_name=body.display_name or "",
        password=body.password,
        roles=body.roles,
    )


def decode_get_user(request: Request) -> pb.GetUserRequest:
    """3.3 `GET /api/users/{id}`."""
    return pb.GetUserRequest(id=request.number("id"))


def decode_update_user(request: Request) -> pb.UpdateUserRequest:
    """3.3 `PUT /api/users/{id}`."""
    body = request.body(UserBody)
    return pb.UpdateUserRequest(
        id=request.number("id"),
        email=body.email or "",
        display_name=body.display_name or "",
        password=body.password,
        roles=body.roles,
        is_active=body.is_active,
    )


def decode_deactivate_user(request: Request) -> pb.DeactivateUserRequest:
    """3.3 `POST /api/users/{id}/deactivate`."""
    return pb.DeactivateUserRequest(id=request.number("id"))


def encode_user_reply(
    reply: pb.CreateUserResponse | pb.GetUserResponse | pb.UpdateUserResponse | pb.DeactivateUserResponse, _asked: object
) -> User:
    """3.3 the user."""
    return encode_user(reply.user)


def encode_user(user: access_service_pb2.User) -> User:
    """3.3 a user."""
    return User(
        id=user.id,
        username=user.username,
        email=optional_value(user, "email"),
        display_name=optional_value(user, "display_name"),
        auth_provider_type=user.auth_provider_type,
        is_active=user.is_active,
        roles=list(user.roles),
        created_at=format_time(user.create_time),
        last_login_at=optional_time(user, "last_login_time"),
    )
