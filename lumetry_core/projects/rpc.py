"""ProjectService on the wire."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import grpc
import msgspec

from lumetry.projects.v1 import project_pb2
from lumetry.projects.v1 import project_service_pb2 as pb
from lumetry.projects.v1.project_service_pb2_grpc import ProjectServiceServicer
from lumetry_core.projects import service
from lumetry_core.projects.draft import Draft
from lumetry_core.projects.model import Project, ProjectFigures, ProjectStats, Status, Visibility, document_of
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]

VISIBILITIES = {Visibility.TEAM: project_pb2.VISIBILITY_TEAM, Visibility.PRIVATE: project_pb2.VISIBILITY_PRIVATE}
STATUSES = {Status.ACTIVE: project_pb2.PROJECT_STATUS_ACTIVE, Status.ARCHIVED: project_pb2.PROJECT_STATUS_ARCHIVED}
JSON_FIELDS = {"metadata": "metadata_json", "settings": "settings_json"}
"""Fields of a draft that have another name on the wire."""


ReadFigures = Callable[[Transaction, Caller, Project, datetime], Awaitable[ProjectFigures]]
"""Counts what goes on in a project, as far as the caller may know. The areas that know stand above this one."""


async def read_no_figures(_tx: Transaction, _caller: Caller, _project: Project, _now: datetime) -> ProjectFigures:
    """Knows of nothing that goes on."""
    return ProjectFigures()


class ProjectServicer(ProjectServiceServicer):
    """Manages projects."""

    def __init__(self, database: Database, clock: Clock, read_figures: ReadFigures = read_no_figures) -> None:
        self._database = database
        self._clock = clock
        self._read_figures = read_figures

    async def ListProjects(self, request: pb.ListProjectsRequest, context: Context) -> pb.ListProjectsResponse:
        """See the proto."""
        caller = current_caller()
        await self._settle(caller)
        async with self._database.read() as tx:
            projects, next_cursor = await service.list_projects(
                tx,
                caller,
                status=request.status,
                search=request.search,
                tag=request.tag,
                limit=request.limit if request.HasField("limit") else None,
                cursor=request.cursor,
            )
        return pb.ListProjectsResponse(projects=[encode_project(project) for project in projects], next_cursor=next_cursor)

    async def GetProject(self, request: pb.GetProjectRequest, context: Context) -> pb.GetProjectResponse:
        """See the proto."""
        caller = current_caller()
        await self._settle(caller)
        async with self._database.read() as tx:
            project = await service.get_project(tx, caller, request.id)
            figures = await self._read_figures(tx, caller, project, self._clock.now())
        spend = project_pb2.ProjectSpend(microunits=figures.spend)
        return pb.GetProjectResponse(project=encode_project(project), stats=encode_stats(figures.stats), spend=spend)

    async def CreateProject(self, request: pb.CreateProjectRequest, context: Context) -> pb.CreateProjectResponse:
        """See the proto."""
        draft, caller = decode_draft(request.fields), current_caller()
        if request.validate_only:
            service.check_new(caller, draft)
            return pb.CreateProjectResponse()
        async with self._database.write() as tx:
            project = await service.create(tx, caller, draft, self._clock.now())
        return pb.CreateProjectResponse(project=encode_project(project))

    async def UpdateProject(self, request: pb.UpdateProjectRequest, context: Context) -> pb.UpdateProjectResponse:
        """See the proto."""
        draft, caller = decode_draft(request.fields), current_caller()
        names = frozenset(path.removesuffix("_json") for path in request.update_mask.paths)
        if request.validate_only:
            async with self._database.read() as tx:
                service.check_change(caller, await service.find_visible(tx, caller, request.id), draft, names)
            return pb.UpdateProjectResponse()
        async with self._database.write() as tx:
            project = await service.update(tx, caller, request.id, draft, names, self._clock.now())
        return pb.UpdateProjectResponse(project=encode_project(project))

    async def DeleteProject(self, request: pb.DeleteProjectRequest, context: Context) -> pb.DeleteProjectResponse:
        """See the proto."""
        async with self._database.write() as tx:
            project = await service.delete(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteProjectResponse(id=project.id)

    async def _settle(self, caller: Caller) -> None:
        async with self._database.read() as tx:
            settled = await service.is_settled(tx, caller)
        if not settled:
            async with self._database.write() as tx:
                await service.settle(tx, caller, self._clock.now())


def decode_draft(fields: project_pb2.ProjectFields) -> Draft:
    """The fields as they were sent."""
    sent = {name: JSON_FIELDS.get(name, name) for name in Draft.__dataclass_fields__}
    values: dict[str, Any] = {name: getattr(fields, wire) for name, wire in sent.items() if fields.HasField(wire)}  # type: ignore[arg-type]
    if "tags" in values:
        values["tags"] = tuple(fields.tags.values)
    return Draft(**values)


def encode_project(project: Project) -> project_pb2.Project:
    """A project."""
    return project_pb2.Project(
        id=project.id,
        organization_id=project.organization_id,
        owner_id=project.owner_id,
        slug=project.slug,
        name=project.name,
        description=project.description,
        prompt=project.prompt,
        emoji=project.emoji,
        visibility=VISIBILITIES[project.visibility],
        status=STATUSES[project.status],
        tags=project.tags,
        metadata_json=msgspec.json.encode(project.metadata).decode(),
        settings_json=msgspec.json.encode(document_of(project.settings)).decode(),
        is_default=project.is_default,
        create_time=encode_time(project.create_time),
        update_time=encode_time(project.update_time),
    )


def encode_stats(stats: ProjectStats) -> project_pb2.ProjectStats:
    """The figures of a project."""
    return project_pb2.ProjectStats(
        open_incidents=stats.open_incidents,
        active_alerts=stats.active_alerts,
        monitors_down=stats.monitors_down,
        log_entries_24h=stats.log_entries_24h,
        open_error_groups=stats.open_error_groups,
        active_sessions=stats.active_sessions,
    )
