import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from lumetry.projects.v1 import project_pb2
from lumetry.projects.v1 import project_service_pb2 as pb
from lumetry.projects.v1.project_service_pb2_grpc import ProjectServiceStub, add_ProjectServiceServicer_to_server
from lumetry_core.projects.model import Project, ProjectFigures, ProjectStats
from lumetry_core.projects.rpc import ProjectServicer
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time

SERVICE = "lumetry.projects.v1.ProjectService"
PEOPLE = frozenset({Permission.VIEW_ALERTS, Permission.MANAGE_WORKSPACE})
ADMIN = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=3, permissions=PEOPLE, stepped_up=True)
CALLERS = {
    "admin": ADMIN,
    "viewer": replace(ADMIN, permissions=frozenset({Permission.VIEW_ALERTS})),
    "reader-key": replace(ADMIN, kind=CredentialKind.WORKSPACE_KEY, scopes=frozenset({"projects:read"})),
    "writer-key": replace(ADMIN, kind=CredentialKind.WORKSPACE_KEY, scopes=frozenset({"projects:read", "projects:write"})),
    "other-key": replace(ADMIN, kind=CredentialKind.WORKSPACE_KEY, scopes=frozenset({"logs:write"})),
    "log-key": Caller(organization_id=7, kind=CredentialKind.LOG_KEY, permissions=frozenset({Permission.VIEW_LOGS})),
}
USUAL = {"logs": {"allowPrivacyMode": False, "scrubEmails": False, "scrubNationalIds": False}}


async def authenticate(origin: Origin) -> Caller:
    """Knows callers by their names."""
    if origin.secret not in CALLERS:
        raise LumetryError(Reason.UNAUTHENTICATED, "No.")
    return CALLERS[origin.secret]


async def count(_tx: Transaction, caller: Caller, project: Project, _now: datetime) -> ProjectFigures:
    """Figures by which a test recognises who asked for what."""
    return ProjectFigures(
        ProjectStats(open_incidents=2, active_alerts=len(project.name), log_entries_24h=0 if caller.user_id == 3 else None), 2_500_000
    )


@pytest.fixture
async def stub(database: Database, clock: Clock) -> AsyncIterator[ProjectServiceStub]:
    """A client of a running server."""
    servicer = ProjectServicer(database, clock, count)
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_ProjectServiceServicer_to_server, servicer)},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield ProjectServiceStub(channel)
    await built.server.stop(None)


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {name}"),)


async def test_project_lives_from_creation_to_deletion(stub: ProjectServiceStub, clock: Clock) -> None:
    """Create, read with figures, change what the mask names, list beside the default project, delete."""
    fields = project_pb2.ProjectFields(
        name="Web", description="d", emoji="🐿", tags=project_pb2.Tags(values=["a"]), metadata_json='{"k": 1}', settings_json='{"theme": 1}'
    )
    created = (await stub.CreateProject(pb.CreateProjectRequest(fields=fields), metadata=bearer("admin"))).project
    expected = project_pb2.Project(
        id=created.id,
        organization_id=7,
        owner_id=3,
        slug="web",
        name="Web",
        description="d",
        emoji="🐿",
        visibility=project_pb2.VISIBILITY_TEAM,
        status=project_pb2.PROJECT_STATUS_ACTIVE,
        tags=["a"],
        metadata_json='{"k":1}',
        settings_json=created.settings_json,
        create_time=encode_time(clock.now()),
        update_time=encode_time(clock.now()),
    )
    assert created == expected
    assert json.loads(created.settings_json) == {"theme": 1, **USUAL}

    read = await stub.GetProject(pb.GetProjectRequest(id="web"), metadata=bearer("reader-key"))
    stats = project_pb2.ProjectStats(open_incidents=2, active_alerts=3, log_entries_24h=0)
    spend = project_pb2.ProjectSpend(microunits=2_500_000)
    assert read == pb.GetProjectResponse(project=expected, stats=stats, spend=spend)

    clock.advance(seconds=1)
    change = pb.UpdateProjectRequest(
        id=created.id,
        fields=project_pb2.ProjectFields(name="ignored", metadata_json='{"k":2}', tags=project_pb2.Tags()),
        update_mask=FieldMask(paths=["description", "metadata_json", "tags"]),
    )
    changed = (await stub.UpdateProject(change, metadata=bearer("writer-key"))).project
    expected.ClearField("description")
    expected.ClearField("tags")
    expected.metadata_json = '{"k":2}'
    expected.update_time.CopyFrom(encode_time(clock.now()))
    assert changed == expected

    listed = await stub.ListProjects(pb.ListProjectsRequest(), metadata=bearer("viewer"))
    assert [project.slug for project in listed.projects] == ["web", "default"]
    assert listed.projects[0] == expected
    page = await stub.ListProjects(pb.ListProjectsRequest(limit=1), metadata=bearer("viewer"))
    rest = await stub.ListProjects(pb.ListProjectsRequest(limit=1, cursor=page.next_cursor), metadata=bearer("viewer"))
    assert ([project.slug for project in rest.projects], rest.next_cursor) == (["default"], "")

    deleted = await stub.DeleteProject(pb.DeleteProjectRequest(id="web"), metadata=bearer("writer-key"))
    assert deleted == pb.DeleteProjectResponse(id=created.id)


async def test_writes_that_are_only_checked_write_nothing(stub: ProjectServiceStub) -> None:
    """What is right gets an empty answer, what is wrong fails as it would, and an unknown project is no fault of the fields."""
    right = project_pb2.ProjectFields(name="Web")
    created = await stub.CreateProject(pb.CreateProjectRequest(fields=right, validate_only=True), metadata=bearer("admin"))
    assert created == pb.CreateProjectResponse()
    mask = FieldMask(paths=["name"])
    change = pb.UpdateProjectRequest(id="default", fields=right, update_mask=mask, validate_only=True)
    assert await stub.UpdateProject(change, metadata=bearer("admin")) == pb.UpdateProjectResponse()
    change.id = "unknown"
    assert await stub.UpdateProject(change, metadata=bearer("admin")) == pb.UpdateProjectResponse()
    for call in (
        stub.CreateProject(pb.CreateProjectRequest(validate_only=True), metadata=bearer("admin")),
        stub.UpdateProject(pb.UpdateProjectRequest(id="default", update_mask=mask, validate_only=True), metadata=bearer("admin")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    listed = await stub.ListProjects(pb.ListProjectsRequest(), metadata=bearer("admin"))
    assert [project.name for project in listed.projects] == ["Default"]


async def test_first_look_makes_the_default_project(stub: ProjectServiceStub, clock: Clock) -> None:
    """Whoever looks first finds it and owns it."""
    read = await stub.GetProject(pb.GetProjectRequest(id="default"), metadata=bearer("viewer"))
    assert (read.project.slug, read.project.owner_id, read.project.is_default) == ("default", 3, True)
    assert json.loads(read.project.settings_json) == USUAL


@pytest.mark.parametrize("name", ["other-key", "log-key"])
async def test_calls_need_the_right_credential(stub: ProjectServiceStub, name: str) -> None:
    """Keys of other scopes and kinds are refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ListProjects(pb.ListProjectsRequest(), metadata=bearer(name))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("name", ["viewer", "reader-key", "other-key", "log-key"])
async def test_writes_need_permission_and_scope(stub: ProjectServiceStub, name: str) -> None:
    """Reading allows no writing."""
    for call in (
        stub.CreateProject(pb.CreateProjectRequest(fields=project_pb2.ProjectFields(name="x")), metadata=bearer(name)),
        stub.UpdateProject(pb.UpdateProjectRequest(id="default"), metadata=bearer(name)),
        stub.DeleteProject(pb.DeleteProjectRequest(id="default"), metadata=bearer(name)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
