"""The routes of passwords, API tokens, users and roles (contract lumetry 2.2, 2.4, 3.3)."""

from gateway.contracts.lumetry import access, api_tokens, roles, users
from gateway.contracts.lumetry.values import Page
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.access.v1 import access_service_pb2, api_token_service_pb2, role_service_pb2, user_service_pb2


def user_rpc(method: str) -> Rpc:
    """An RPC of the user service."""
    return find_rpc(user_service_pb2.DESCRIPTOR, "UserService", method)


def role_rpc(method: str) -> Rpc:
    """An RPC of the role service."""
    return find_rpc(role_service_pb2.DESCRIPTOR, "RoleService", method)


def token_rpc(method: str) -> Rpc:
    """An RPC of the API token service."""
    return find_rpc(api_token_service_pb2.DESCRIPTOR, "ApiTokenService", method)


USER = (user_rpc("GetUser"), users.decode_get_user)
ROLE = (role_rpc("GetRole"), roles.decode_get_role)

ACCESS_ROUTES = (
    Route(
        method="POST",
        path="/api/auth/password",
        heading="Change the password",
        rpc=find_rpc(access_service_pb2.DESCRIPTOR, "AccessService", "ChangePassword"),
        body=access.PasswordBody,
        decode=access.decode_change_password,
        encode=access.encode_nothing,
        status=204,
    ),
    Route(
        method="GET",
        path="/api/api-tokens",
        heading="List API tokens",
        rpc=token_rpc("ListApiTokens"),
        query=api_tokens.TokenFilters,
        decode=api_tokens.decode_list_tokens,
        encode=api_tokens.encode_list_tokens,
        answer=list[api_tokens.ApiToken],
    ),
    Route(
        method="POST",
        path="/api/api-tokens",
        heading="Create an API token",
        rpc=token_rpc("CreateApiToken"),
        body=api_tokens.TokenBody,
        decode=api_tokens.decode_create_token,
        encode=api_tokens.encode_created_token,
        status=201,
        answer=api_tokens.CreatedToken,
    ),
    Route(
        method="DELETE",
        path="/api/api-tokens/{id:int}",
        heading="Revoke an API token",
        rpc=token_rpc("RevokeApiToken"),
        decode=api_tokens.decode_revoke_token,
        encode=access.encode_nothing,
        status=204,
    ),
    Route(
        method="GET",
        path="/api/users",
        heading="List users",
        rpc=user_rpc("ListUsers"),
        query=users.UserFilters,
        decode=users.decode_list_users,
        encode=users.encode_list_users,
        answer=Page[users.User],
    ),
    Route(
        method="POST",
        path="/api/users",
        heading="Create a user",
        rpc=user_rpc("CreateUser"),
        body=users.NewUserBody,
        decode=users.decode_create_user,
        encode=users.encode_user_reply,
        status=201,
        answer=users.User,
    ),
    Route(
        method="GET",
        path="/api/users/{id:int}",
        heading="Read a user",
        rpc=user_rpc("GetUser"),
        decode=users.decode_get_user,
        encode=users.encode_user_reply,
        answer=users.User,
    ),
    Route(
        method="PUT",
        path="/api/users/{id:int}",
        heading="Change a user",
        rpc=user_rpc("UpdateUser"),
        body=users.UserBody,
        decode=users.decode_update_user,
        encode=users.encode_user_reply,
        answer=users.User,
        existence=USER,
    ),
    Route(
        method="POST",
        path="/api/users/{id:int}/deactivate",
        heading="Deactivate a user",
        rpc=user_rpc("DeactivateUser"),
        decode=users.decode_deactivate_user,
        encode=users.encode_user_reply,
        answer=users.User,
    ),
    Route(
        method="GET",
        path="/api/roles",
        heading="List roles",
        rpc=role_rpc("ListRoles"),
        decode=roles.decode_list_roles,
        encode=roles.encode_list_roles,
        answer=list[roles.Role],
    ),
    Route(
        method="POST",
        path="/api/roles",
        heading="Create a role",
        rpc=role_rpc("CreateRole"),
        body=roles.RoleBody,
        decode=roles.decode_create_role,
        encode=roles.encode_role_reply,
        status=201,
        answer=roles.Role,
    ),
    Route(
        method="PUT",
        path="/api/roles/{id:int}",
        heading="Change a role",
        rpc=role_rpc("UpdateRole"),
        body=roles.RoleBody,
        decode=roles.decode_update_role,
        encode=roles.encode_role_reply,
        answer=roles.Role,
        existence=ROLE,
    ),
)
