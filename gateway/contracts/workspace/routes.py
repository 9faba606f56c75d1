"""Every route of the family that exists, in the order of its document (contract workspace 16)."""

from collections.abc import Sequence

from gateway.contracts.workspace import api_keys, projects, users
from gateway.contracts.workspace.agents_routes import ROUTES as AGENTS
from gateway.contracts.workspace.billing_routes import ROUTES as BILLING
from gateway.contracts.workspace.connections_routes import ROUTES as CONNECTIONS
from gateway.contracts.workspace.docs_ask_routes import ROUTES as DOCS
from gateway.contracts.workspace.files_routes import ROUTES as FILES
from gateway.contracts.workspace.inquiries_routes import ROUTES as INQUIRIES
from gateway.contracts.workspace.notifications_routes import ROUTES as NOTIFICATIONS
from gateway.contracts.workspace.overview_routes import RESOURCES, SNAPSHOTS
from gateway.contracts.workspace.sensitive import guard
from gateway.contracts.workspace.sessions_routes import ROUTES as SESSIONS
from gateway.contracts.workspace.values import MAX_BODY_BYTES, Deleted, Items, Listing, Success
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.access.v1 import access_service_pb2, workspace_key_service_pb2
from lumetry.projects.v1 import project_service_pb2


def key_rpc(method: str) -> Rpc:
    """An RPC of the workspace key service."""
    return find_rpc(workspace_key_service_pb2.DESCRIPTOR, "WorkspaceKeyService", method)


def access_rpc(method: str) -> Rpc:
    """An RPC of the access service."""
    return find_rpc(access_service_pb2.DESCRIPTOR, "AccessService", method)


def project_rpc(method: str) -> Rpc:
    """An RPC of the project service."""
    return find_rpc(project_service_pb2.DESCRIPTOR, "ProjectService", method)


API_KEYS = (
    Route(
        method="GET",
        path="/api/v1/api-keys",
        heading="List API keys",
        rpc=key_rpc("ListWorkspaceKeys"),
        decode=api_keys.decode_list_api_keys,
        encode=api_keys.encode_list_api_keys,
        answer=Success[Items[api_keys.ApiKey]],
    ),
    Route(
        method="POST",
        path="/api/v1/api-keys",
        heading="Create an API key",
        rpc=key_rpc("CreateWorkspaceKey"),
        body=api_keys.ApiKeyBody,
        body_limit=MAX_BODY_BYTES,
        handle=guard(
            key_rpc("CreateWorkspaceKey"),
            api_keys.decode_create_api_key,
            api_keys.encode_create_api_key,
            message=api_keys.BROWSER_MESSAGE,
            status=201,
        ),
        status=201,
        answer=Success[api_keys.NewApiKey],
    ),
    Route(
        method="DELETE",
        path="/api/v1/api-keys/{id:key}",
        heading="Revoke an API key",
        rpc=key_rpc("RevokeWorkspaceKey"),
        handle=guard(
            key_rpc("RevokeWorkspaceKey"),
            api_keys.decode_revoke_api_key,
            api_keys.encode_revoke_api_key,
            message=api_keys.BROWSER_MESSAGE,
        ),
        answer=Success[api_keys.RevokedApiKey],
    ),
)

PROJECTS = (
    Route(
        method="GET",
        path="/api/v1/projects",
        heading="List projects",
        rpc=project_rpc("ListProjects"),
        query=projects.ProjectQuery,
        decode=projects.decode_list_projects,
        encode=projects.encode_list_projects,
        answer=Success[Listing[projects.Project]],
    ),
    Route(
        method="POST",
        path="/api/v1/projects",
        heading="Create a project",
        rpc=projects.CREATE,
        body=projects.ProjectBody,
        body_limit=MAX_BODY_BYTES,
        handle=projects.answer_create_project,
        status=201,
        answer=Success[projects.Project],
    ),
    Route(
        method="GET",
        path="/api/v1/projects/{id:key}",
        heading="Read a project",
        rpc=project_rpc("GetProject"),
        decode=projects.decode_get_project,
        encode=projects.encode_get_project,
        answer=Success[projects.ProjectDetail],
    ),
    Route(
        method="PATCH",
        path="/api/v1/projects/{id:key}",
        heading="Change a project",
        rpc=projects.UPDATE,
        body=projects.ProjectBody,
        body_limit=MAX_BODY_BYTES,
        handle=projects.answer_update_project,
        answer=Success[projects.Project],
    ),
    Route(
        method="DELETE",
        path="/api/v1/projects/{id:key}",
        heading="Delete a project",
        rpc=project_rpc("DeleteProject"),
        decode=projects.decode_delete_project,
        encode=projects.encode_delete_project,
        answer=Success[Deleted],
    ),
)

USERS = (
    Route(
        method="GET",
        path="/api/v1/user",
        heading="Who the caller is",
        rpc=access_rpc("GetMe"),
        decode=users.decode_user,
        encode=users.encode_user,
        answer=Success[users.User],
    ),
    Route(
        method="GET",
        path="/api/v1/auth/me",
        heading="Who the caller is",
        rpc=access_rpc("GetMe"),
        decode=users.decode_user,
        encode=users.encode_user,
        answer=Success[users.User],
    ),
    Route(
        method="GET",
        path="/api/v1/orgs/my",
        heading="List the caller's organizations",
        rpc=access_rpc("GetMe"),
        decode=users.decode_user,
        encode=users.encode_own_organizations,
        answer=Success[Items[users.OwnOrg]],
    ),
    Route(
        method="GET",
        path="/api/v1/orgs/{slug:key}",
        heading="Read an organization",
        rpc=access_rpc("GetOrganization"),
        decode=users.decode_organization,
        encode=users.encode_organization,
        answer=Success[users.Org],
    ),
)

ROUTES: Sequence[Route] = (
    *API_KEYS,
    *AGENTS,
    *PROJECTS,
    *RESOURCES,
    *SESSIONS,
    *FILES,
    *CONNECTIONS,
    *BILLING,
    *NOTIFICATIONS,
    *USERS,
    *SNAPSHOTS,
    *DOCS,
    *INQUIRIES,
)
