"""What the area's services answer, as messages."""

from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.access.v1 import access_service_pb2, api_token_service_pb2, role_service_pb2, workspace_key_service_pb2
from lumetry_core.access.keys import WorkspaceKey
from lumetry_core.access.model import Organization, Role, User, in_order
from lumetry_core.access.service.tokens import ListedToken
from lumetry_core.runtime.clock import EPOCH, truncate
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.timestamps import encode_time


def decode_time(moment: Timestamp, path: str) -> datetime:
    """A given time, cut to milliseconds. Fails with OUT_OF_RANGE for one outside the calendar."""
    try:
        return truncate(EPOCH + timedelta(seconds=moment.seconds, microseconds=moment.nanos // 1000))
    except OverflowError as error:
        fault = Fault(path, "must be a time between the years 1 and 9999")
        raise LumetryError(Reason.OUT_OF_RANGE, "The request is not valid.", faults=(fault,)) from error


def encode_user(user: User) -> access_service_pb2.User:
    """A user."""
    return access_service_pb2.User(
        id=user.id,
        username=user.username,
        email=user.email,
        display_name=user.display_name,
        auth_provider_type=user.auth_provider_type,
        roles=user.roles,
        is_active=user.is_active,
        create_time=encode_time(user.create_time),
        last_login_time=encode_time(user.last_login_time),
    )


def encode_organization(organization: Organization, member_count: int) -> access_service_pb2.Organization:
    """An organization and the number of its active users."""
    return access_service_pb2.Organization(
        id=organization.id,
        slug=organization.slug,
        name=organization.name,
        member_count=member_count,
        create_time=encode_time(organization.create_time),
    )


def encode_role(role: Role) -> role_service_pb2.Role:
    """A role."""
    return role_service_pb2.Role(
        id=role.id,
        name=role.name,
        description=role.description,
        is_built_in=role.is_built_in,
        permissions=in_order(role.permissions),
        user_count=role.user_count,
        create_time=encode_time(role.create_time),
        update_time=encode_time(role.update_time),
    )


def encode_token(listed: ListedToken) -> api_token_service_pb2.ApiToken:
    """An API token with what it may do now."""
    token = listed.token
    return api_token_service_pb2.ApiToken(
        id=token.id,
        name=token.name,
        prefix=token.prefix,
        user_id=token.user_id,
        is_narrowed=token.permissions is not None,
        permissions=in_order(token.permissions or ()),
        effective_permissions=in_order(listed.effective_permissions),
        create_time=encode_time(token.create_time),
        expire_time=encode_time(token.expire_time),
        last_used_time=encode_time(token.last_used_time),
        revoke_time=encode_time(token.revoke_time),
    )


def encode_key(key: WorkspaceKey) -> workspace_key_service_pb2.WorkspaceKey:
    """A workspace key."""
    return workspace_key_service_pb2.WorkspaceKey(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        scopes=key.scopes,
        create_time=encode_time(key.create_time),
        expire_time=encode_time(key.expire_time),
        last_used_time=encode_time(key.last_used_time),
        revoke_time=encode_time(key.revoke_time),
    )
