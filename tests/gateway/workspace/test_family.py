import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.app import running
from gateway.config import Config
from gateway.contracts.workspace.values import identity_of
from lumetry.access.v1 import access_service_pb2
from lumetry.projects.v1 import project_pb2
from lumetry.projects.v1 import project_service_pb2 as pb
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.gateway.fake_core import FakeCore

AUTHORIZED = {"Authorization": "Bearer alm_live_1", "X-Request-Id": "r-1"}
JSON = AUTHORIZED | {"Content-Type": "application/json"}
LIMIT = 131_072


@pytest.fixture
async def outside(core: FakeCore) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a gateway that is not in production."""
    async with (
        running(Config(http="127.0.0.1:0", core=core.address, is_production=False)) as address,
        aiohttp.ClientSession(f"http://{address}") as session,
    ):
        yield session


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def ask(session: aiohttp.ClientSession, method: str, path: str, headers: Any = AUTHORIZED, data: Any = None) -> tuple[int, Any]:
    """Status and error of an answer, whose envelope and headers must be right."""
    async with session.request(method, path, headers=headers, data=data) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Request-ID"]
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        body = await response.json()
    assert set(body) == ({"success", "data"} if body["success"] else {"success", "error"})
    return response.status, body.get("error", {}).get("code")


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/api/v1", (404, "NOT_FOUND")),
        ("GET", "/api/v1/", (404, "NOT_FOUND")),
        ("GET", "/api/v1/tasks", (404, "NOT_FOUND")),
        ("POST", "/api/v1/orgs/acme/members/3", (404, "NOT_FOUND")),
        ("PUT", "/api/v1/projects", (405, "METHOD_NOT_ALLOWED")),
        ("POST", "/api/v1/user", (405, "METHOD_NOT_ALLOWED")),
        ("PATCH", "/api/v1/orgs/my", (405, "METHOD_NOT_ALLOWED")),
        ("POST", "/api/v1/projects/web", (405, "METHOD_NOT_ALLOWED")),
    ],
)
async def test_answer_unknown_paths_and_methods(client: Any, core: FakeCore, method: str, path: str, answer: tuple[int, str]) -> None:
    """They are known before anybody asks who is there."""
    assert await ask(client, method, path, headers={}, data=b"") == answer
    assert core.calls == []


async def test_answer_other_methods_with_those_there_are(client: Any) -> None:
    """405 has Allow."""
    async with client.put("/api/v1/projects/", headers=AUTHORIZED) as response:
        assert response.headers["Allow"] == "GET, HEAD, POST"


async def test_answer_post_without_length(client: Any, outside: Any, core: FakeCore) -> None:
    """In production a POST says how long it is, before anything of it is looked at; elsewhere it need not."""
    core.answers["CreateProject"] = LumetryError(Reason.CONFLICT, "taken")
    assert await ask(client, "POST", "/api/v1/projects", headers={}, data=chunks(b"{")) == (411, "LENGTH_REQUIRED")
    assert await ask(outside, "POST", "/api/v1/projects", headers=JSON, data=chunks(b'{"name"', b': "x"}')) == (409, "CONFLICT")
    assert [call.method for call in core.calls] == ["CreateProject"]


async def test_answer_a_body_at_its_limit(client: Any, outside: Any, core: FakeCore) -> None:
    """131,072 bytes are read; one more is refused before parsing and before the credential, with a length or without."""
    core.answers["CreateProject"] = LumetryError(Reason.CONFLICT, "taken")
    fitting = b'{"name": "' + b"x" * (LIMIT - 12) + b'"}'
    assert len(fitting) == LIMIT
    assert await ask(client, "POST", "/api/v1/projects", headers=JSON, data=fitting) == (409, "CONFLICT")
    broken = b"{" * (LIMIT + 1)
    for session, headers, data in (
        (client, {}, broken),
        (client, JSON, broken),
        (outside, {}, chunks(broken[:100], broken[100:])),
    ):
        assert await ask(session, "POST", "/api/v1/projects", headers=headers, data=data) == (413, "PAYLOAD_TOO_LARGE")
    assert await ask(client, "POST", "/api/v1/api-keys", headers={}, data=broken) == (413, "PAYLOAD_TOO_LARGE")
    assert [call.method for call in core.calls] == ["CreateProject"]


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'{"name": NaN}', b'"x"', b"\xff", b'{"a":' * 64 + b"[]" + b"}" * 64])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/v1/projects"), ("PATCH", "/api/v1/projects/web"), ("POST", "/api/v1/api-keys")]
)
async def test_answer_bodies_that_cannot_be_read(client: Any, method: str, path: str, body: bytes) -> None:
    """Empty, broken, of another shape, not UTF-8, too deep: all the same, and only for those who may call."""
    assert await ask(client, method, path, headers=JSON, data=body) == (400, "BAD_REQUEST")
    assert await ask(client, method, path, headers={"Content-Type": "application/json"}, data=body) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("reason", "metadata", "answer", "retry_after"),
    [
        (Reason.UNAUTHENTICATED, {}, (401, "UNAUTHORIZED"), None),
        (Reason.PERMISSION_DENIED, {}, (403, "FORBIDDEN"), None),
        (Reason.RATE_LIMITED, {"retry_after_seconds": "3"}, (429, "TOO_MANY_REQUESTS"), "3"),
        (Reason.INTERNAL, {}, (500, "INTERNAL_ERROR"), None),
        (Reason.STORE_UNAVAILABLE, {"retry_after_seconds": "1"}, (503, "SERVICE_UNAVAILABLE"), "1"),
    ],
)
async def test_answer_failures_of_the_core(
    client: Any, core: FakeCore, reason: Reason, metadata: dict[str, str], answer: tuple[int, str], retry_after: str | None
) -> None:
    """Every failure comes in the envelope, and tells when to come back where that helps."""
    core.answers["ListProjects"] = LumetryError(reason, "secret of the store", **metadata)
    assert await ask(client, "GET", "/api/v1/projects") == answer
    async with client.get("/api/v1/projects", headers=AUTHORIZED) as response:
        assert response.headers.get("Retry-After") == retry_after
        assert reason is not Reason.INTERNAL or "secret" not in await response.text()


async def test_answer_without_a_core() -> None:
    """A core that is away is 503, worth another try in a second."""
    async with running(Config(http="127.0.0.1:0", core="127.0.0.1:1")) as address, aiohttp.ClientSession(f"http://{address}") as session:
        assert await ask(session, "GET", "/api/v1/projects") == (503, "SERVICE_UNAVAILABLE")
        async with session.get("/api/v1/projects", headers=AUTHORIZED) as response:
            assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize("path", ["/api/v1/projects/web", "/api/v1/projects/web/"])
async def test_answer_with_and_without_trailing_slash(client: Any, core: FakeCore, path: str) -> None:
    """One slash more is the same path, and the core learns the family."""
    core.answers["DeleteProject"] = pb.DeleteProjectResponse(id="p")
    assert await ask(client, "DELETE", path) == (200, None)
    [call] = core.calls
    assert (call.request.id, call.metadata["x-lumetry-family"]) == ("web", "workspace")


async def test_answer_key_management_by_programs(client: Any, core: FakeCore) -> None:
    """A program learns that it needs a browser, whatever else is wrong, nothing is asked of the core, and nothing is charged."""
    core.answers["CheckAccess"] = LumetryError(Reason.INTERACTIVE_ONLY, "Only an interactive login may do this.")
    for method, path in (("POST", "/api/v1/api-keys"), ("DELETE", "/api/v1/api-keys/nonsense")):
        async with client.request(method, path, headers=JSON, data=b"{") as response:
            assert (response.status, (await response.json())["error"]) == (
                403,
                {"code": "FORBIDDEN", "message": "API key management requires a browser session"},
            )
    assert {call.method for call in core.calls} == {"CheckAccess"}
    assert {call.metadata.get("x-lumetry-charge") for call in core.calls} == {"0"}


async def test_answer_faulty_key_requests_of_people_once_charged(client: Any, core: FakeCore) -> None:
    """A request that the gateway refuses counts against the limiter as the call itself would."""
    assert await ask(client, "POST", "/api/v1/api-keys", headers=JSON, data=b"{") == (400, "BAD_REQUEST")
    charges = [call.metadata.get("x-lumetry-charge") for call in core.calls]
    assert charges == ["0", None]


async def test_patch_passes_on_what_appears(client: Any, core: FakeCore) -> None:
    """Fields that do not appear are not in the mask; null is, without a value."""
    core.answers["UpdateProject"] = pb.UpdateProjectResponse(
        project=project_pb2.Project(
            metadata_json="{}",
            settings_json="{}",
            visibility=project_pb2.VISIBILITY_PRIVATE,
            status=project_pb2.PROJECT_STATUS_ACTIVE,
        )
    )
    body = json.dumps({"description": None, "emoji": "", "metadata": None, "visibility": "private"})
    assert await ask(client, "PATCH", "/api/v1/projects/web", headers=JSON, data=body) == (200, None)
    [request] = core.requests("UpdateProject")
    assert request.fields == project_pb2.ProjectFields(emoji="", visibility="private")
    assert list(request.update_mask.paths) == ["description", "emoji", "visibility", "metadata_json"]


async def test_credential_of_a_user_is_the_same_user_everywhere(client: Any, core: FakeCore) -> None:
    """The UUID of a user is made of the number alone, and is one."""
    core.answers["GetMe"] = access_service_pb2.GetMeResponse(
        user={"id": 3, "username": "ann"}, credential={"kind": "CREDENTIAL_KIND_API_TOKEN", "id": "5"}, organization={"id": 7}
    )
    async with client.get("/api/v1/user", headers=AUTHORIZED) as response:
        data = (await response.json())["data"]
    assert (data["id"], data["orgId"]) == (identity_of("user", 3), identity_of("organization", 7))
    assert data["credential"] == {"type": "api_token", "id": "5", "scopes": []}
    assert identity_of("user", 3) != identity_of("organization", 3)
    assert identity_of("user", 3)[14] == "4"


async def test_pages_of_other_origins(core: FakeCore) -> None:
    """Those that the deployment names may read every answer and ask beforehand, PATCH included."""
    origin = {"Origin": "https://ops.example.com"}
    config = Config(http="127.0.0.1:0", core=core.address, cors_origins=tuple(origin.values()))
    async with running(config) as address, aiohttp.ClientSession(f"http://{address}") as session:
        async with session.options("/api/v1/projects/web", headers=origin) as response:
            said = {name: response.headers[f"Access-Control-Allow-{name}"] for name in ("Origin", "Methods", "Headers")}
            assert (response.status, said) == (
                204,
                {
                    "Origin": "https://ops.example.com",
                    "Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
                    "Headers": "Content-Type, Authorization, X-Request-ID, Last-Event-ID",
                },
            )
        async with session.get("/api/v1/tasks", headers=origin) as response:
            assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (404, "https://ops.example.com")
