"""Projects (contract workspace 4)."""

import json
from typing import Any

import msgspec
from aiohttp import web
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.contracts.workspace.checking import call_checked
from gateway.contracts.workspace.values import (
    Deleted,
    Listing,
    Success,
    Time,
    identity_of,
    make_listing,
    read_identity,
    read_limit,
    read_object,
)
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Fault
from gateway.transcode.handling import json_response
from gateway.transcode.reading import read_body
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.projects.v1 import project_pb2
from lumetry.projects.v1 import project_service_pb2 as pb

CREATE = find_rpc(pb.DESCRIPTOR, "ProjectService", "CreateProject")
UPDATE = find_rpc(pb.DESCRIPTOR, "ProjectService", "UpdateProject")
DOCUMENTS = ("metadata", "settings")
"""The fields that hold JSON objects of the caller's."""
VISIBILITY = {project_pb2.VISIBILITY_TEAM: "team", project_pb2.VISIBILITY_PRIVATE: "private"}
STATUS = {project_pb2.PROJECT_STATUS_ACTIVE: "active", project_pb2.PROJECT_STATUS_ARCHIVED: "archived"}


class ProjectQuery(msgspec.Struct):
    """Which projects are listed."""

    status: str = ""
    search: str = ""
    tag: str = ""
    limit: int | None = None
    cursor: str = ""


class ProjectBody(msgspec.Struct):
    """What may be written of a project."""

    name: str | None = None
    slug: str | None = None
    description: str | None = None
    prompt: str | None = None
    emoji: str | None = None
    visibility: str | None = None
    status: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None


class Project(msgspec.Struct, rename="camel"):
    """A project."""

    id: str
    org_id: str
    workspace_id: None
    user_id: str | None
    name: str
    slug: str
    description: str | None
    prompt: str | None
    emoji: str | None
    visibility: str
    status: str
    tags: list[str]
    metadata: dict[str, Any]
    settings: dict[str, Any]
    is_default: bool
    created_at: Time
    updated_at: Time


class Spend(msgspec.Struct, rename="camel"):
    """What the running month has used up."""

    credits: float
    credit_microunits: int


class Stats(msgspec.Struct, rename="camel"):
    """What goes on in a project now."""

    open_incidents: int
    active_alerts: int
    monitors_down: int
    log_entries_24h: int | None = msgspec.field(name="logEntries24h")
    open_error_groups: int | None
    active_sessions: int


class ProjectDetail(Project, rename="camel"):
    """A project with its figures."""

    spend: Spend
    shared_workspaces: list[str]
    stats: Stats


def decode_list_projects(request: Request) -> pb.ListProjectsRequest:
    """4 `GET /projects`."""
    query = request.query(ProjectQuery)
    return pb.ListProjectsRequest(
        status=query.status, search=query.search, tag=query.tag, limit=read_limit(query.limit), cursor=query.cursor
    )


def encode_list_projects(reply: pb.ListProjectsResponse, _asked: object) -> Success[Listing[Project]]:
    """4 a page of projects."""
    return make_listing([encode_project(project) for project in reply.projects], reply.next_cursor)


def decode_get_project(request: Request) -> pb.GetProjectRequest:
    """4 `GET /projects/{id}`."""
    return pb.GetProjectRequest(id=read_identity(request))


def decode_delete_project(request: Request) -> pb.DeleteProjectRequest:
    """4 `DELETE /projects/{id}`."""
    return pb.DeleteProjectRequest(id=read_identity(request))


def encode_delete_project(reply: pb.DeleteProjectResponse, _asked: object) -> Success[Deleted]:
    """4 the deletion."""
    return Success(Deleted(id=reply.id))


async def answer_create_project(request: Request) -> web.StreamResponse:
    """4 `POST /projects`; `null` stands for what is not given."""
    data, faults = await read_object(request), list[Fault]()
    asked = pb.CreateProjectRequest(fields=read_fields(data, faults))
    return json_response(Success(encode_project((await call_checked(request, CREATE, asked, faults)).project)), web.HTTPCreated.status_code)


async def answer_update_project(request: Request) -> web.StreamResponse:
    """4 `PATCH /projects/{id}`: what appears is changed, what is `null` is cleared."""
    data, faults = await read_object(request), list[Fault]()
    paths = [f"{name}_json" if name in DOCUMENTS else name for name in ProjectBody.__struct_fields__ if name in data]
    asked = pb.UpdateProjectRequest(id=read_identity(request), fields=read_fields(data, faults), update_mask=FieldMask(paths=paths))
    return json_response(Success(encode_project((await call_checked(request, UPDATE, asked, faults)).project)))


def read_fields(data: dict[str, Any], faults: list[Fault]) -> project_pb2.ProjectFields:
    """The writable fields of a body; those of a wrong type are noted and left out."""
    body = read_body(ProjectBody, {name: value for name, value in data.items() if name not in DOCUMENTS}, faults)
    documents = {f"{name}_json": read_document(data[name], name, faults) for name in DOCUMENTS if data.get(name) is not None}
    return project_pb2.ProjectFields(
        name=body.name,
        slug=body.slug,
        description=body.description,
        prompt=body.prompt,
        emoji=body.emoji,
        visibility=body.visibility,
        status=body.status,
        tags=None if body.tags is None else project_pb2.Tags(values=body.tags),
        **documents,
    )


def read_document(value: object, path: str, faults: list[Fault]) -> str | None:
    """An object of the caller's as compact JSON; None when it is noted as faulty."""
    if not isinstance(value, dict):
        faults.append(Fault(path, "must be an object"))
        return None
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        faults.append(Fault(path, "must hold finite numbers only"))
        return None


def encode_project(project: project_pb2.Project) -> Project:
    """4 one project."""
    return Project(**fields_of(project))


def encode_get_project(reply: pb.GetProjectResponse, _asked: object) -> Success[ProjectDetail]:
    """4 one project with its figures."""
    stats = reply.stats
    return Success(
        ProjectDetail(
            **fields_of(reply.project),
            spend=Spend(credits=reply.spend.microunits / 1_000_000, credit_microunits=reply.spend.microunits),
            shared_workspaces=[],
            stats=Stats(
                open_incidents=stats.open_incidents,
                active_alerts=stats.active_alerts,
                monitors_down=stats.monitors_down,
                log_entries_24h=stats.log_entries_24h if stats.HasField("log_entries_24h") else None,
                open_error_groups=stats.open_error_groups if stats.HasField("open_error_groups") else None,
                active_sessions=stats.active_sessions,
            ),
        )
    )


def fields_of(project: project_pb2.Project) -> dict[str, Any]:
    """The fields that every answer about a project has."""
    return {
        "id": project.id,
        "org_id": identity_of("organization", project.organization_id),
        "workspace_id": None,
        "user_id": identity_of("user", project.owner_id) if project.HasField("owner_id") else None,
        "name": project.name,
        "slug": project.slug,
        "description": project.description if project.HasField("description") else None,
        "prompt": project.prompt if project.HasField("prompt") else None,
        "emoji": project.emoji if project.HasField("emoji") else None,
        "visibility": VISIBILITY[project.visibility],
        "status": STATUS[project.status],
        "tags": list(project.tags),
        "metadata": msgspec.json.decode(project.metadata_json),
        "settings": msgspec.json.decode(project.settings_json),
        "is_default": project.is_default,
        "created_at": format_time(project.create_time),
        "updated_at": format_time(project.update_time),
    }
