"""Roles (contract lumetry 3.3). What they may grant is the core's business."""

import msgspec

from gateway.contracts.lumetry.values import Time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.access.v1 import role_service_pb2 as pb


class RoleBody(msgspec.Struct, rename="camel"):
    """A role as written."""

    name: str = ""
    description: str | None = None
    permissions: list[str] = []


class Role(msgspec.Struct, rename="camel"):
    """A named set of permissions."""

    id: int
    name: str
    description: str | None
    is_built_in: bool
    permissions: list[str]
    user_count: int
    created_at: Time
    updated_at: Time


def decode_list_roles(_request: Request) -> pb.ListRolesRequest:
    """3.3 `GET /api/roles`."""
    return pb.ListRolesRequest()


def encode_list_roles(reply: pb.ListRolesResponse, _asked: object) -> list[Role]:
    """3.3 all roles."""
    return [encode_role(role) for role in reply.roles]


def decode_create_role(request: Request) -> pb.CreateRoleRequest:
    """3.3 `POST /api/roles`."""
    body = request.body(RoleBody)
    return pb.CreateRoleRequest(name=body.name, description=body.description or "", permissions=body.permissions)


def decode_get_role(request: Request) -> pb.GetRoleRequest:
    """3.3 the role of a path."""
    return pb.GetRoleRequest(id=request.number("id"))


def decode_update_role(request: Request) -> pb.UpdateRoleRequest:
    """3.3 `PUT /api/roles/{id}`."""
    body = request.body(RoleBody)
    return pb.UpdateRoleRequest(id=request.number("id"), name=body.name, description=body.description or "", permissions=body.permissions)


def encode_role_reply(reply: pb.CreateRoleResponse | pb.UpdateRoleResponse, _asked: object) -> Role:
    """3.3 the role."""
    return encode_role(reply.role)


def encode_role(role: pb.Role) -> Role:
    """3.3 a role."""
    return Role(
        id=role.id,
        name=role.name,
        description=optional_value(role, "description"),
        is_built_in=role.is_built_in,
        permissions=list(role.permissions),
        user_count=role.user_count,
        created_at=format_time(role.create_time),
        updated_at=format_time(role.update_time),
    )
