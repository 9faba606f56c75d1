"""How the family behaves at its border, over HTTP."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from gateway.app import build_families
from gateway.config import Config
from gateway.contracts.monitoring.family import SEGMENTS, build_family
from gateway.contracts.monitoring.runtime import GET_RUNTIME_STATUS
from gateway.transcode.bodies import MEBIBYTE
from gateway.transcode.families import Families
from gateway.transcode.request import Request
from gateway.transcode.routes import Route
from lumetry.access.v1 import access_service_pb2
from lumetry.containers.v1 import runtime_service_pb2
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.gateway.small_gateway import speaking

BEARER = {"Authorization": "Bearer lmt_1"}
PATH = "/api/v1/runtime/7"
UNAUTHORIZED = "A valid credential is required"
DENIED = LumetryError(Reason.PERMISSION_DENIED, "The permission CanManageRules is missing.")
LIMITED = LumetryError(Reason.RATE_LIMITED, "Too many requests.", retry_after_seconds="3")
BASE = build_family(Config())


class Body(msgspec.Struct):
    """A body with rules."""

    name: str
    interval: int = 1


class Filters(msgspec.Struct):
    """A query with rules."""

    limit: int = 50


def decode_put(request: Request) -> runtime_service_pb2.GetRuntimeStatusRequest:
    """Reads everything, in the order in which the contract checks it."""
    request.body(Body)
    request.number("id")
    request.query(Filters)
    return runtime_service_pb2.GetRuntimeStatusRequest()


PUT = Route(
    method="PUT",
    path="/api/v1/runtime/{id:int}",
    heading="Change a heartbeat",
    rpc=GET_RUNTIME_STATUS,
    body=Body,
    body_limit=64,
    query=Filters,
    decode=decode_put,
    encode=lambda reply, _asked: {"connected": reply.connected},
)


@pytest.fixture
async def small(core: Any) -> AsyncIterator[Any]:
    """A client of the family with one more route, which takes everything."""
    others = [family for family in build_families(Config()).all if family.name != BASE.name]
    async with speaking([replace(BASE, routes=(*BASE.routes, PUT)), *others], core) as client:
        yield client


async def ask(client: Any, method: str, path: str, data: Any = None, **headers: str) -> tuple[int, str, str]:
    """Status, code and message of a failure, or status and nothing else."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if data is not None and "Content-Type" not in sent:
        sent["Content-Type"] = "application/json"
    async with client.request(method, path, data=data, headers=sent, skip_auto_headers=["Content-Type"]) as response:
        assert (response.headers["Cache-Control"], response.headers["X-Request-ID"] != "") == ("no-store", True)
        content = await response.read()
        if response.status < 400:
            return response.status, "", ""
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        error = json.loads(content)["error"] if content else {"code": "", "message": ""}
        return response.status, error["code"], error["message"]


@pytest.mark.parametrize("prefix", [*(f"/api/v1/{segment}" for segment in SEGMENTS), "/ping", "/status"])
@pytest.mark.parametrize("rest", ["/no/such/thing/", "/no/such/thing"])
async def test_answer_unknown_path_below_own_segments(small: Any, prefix: str, rest: str) -> None:
    """Below its segments an unknown path is the family's 404, without a credential."""
    assert await ask(small, "GET", prefix + rest) == (404, "not_found", "No such route.")


@pytest.mark.parametrize(
    "path", ["/api/v1/healthz", "/api/v1/dashboard", "/api/v1/dashboard/sparklines2", "/api/v1/alert", "/statusx", "/pingx"]
)
def test_leave_other_paths(path: str) -> None:
    """A segment that only begins like one of the family's is another's."""
    assert build_families(Config()).of(path).name != "monitoring"


async def test_answer_wrong_method(small: Any) -> None:
    """A known path with another method tells which ones it has."""
    async with small.post("/api/v1/edition/") as response:
        assert (response.status, response.headers["Allow"], await response.json()) == (
            405,
            "GET, HEAD",
            {"error": {"code": "method_not_allowed", "message": "This route answers GET, HEAD."}},
        )


@pytest.mark.parametrize(("path", "status"), [(PATH, 200), (PATH + "/", 200), (PATH + "//", 404), ("/api/v1//runtime/7", 404)])
async def test_accept_one_trailing_slash(small: Any, core: Any, path: str, status: int) -> None:
    """One slash more means the same path, and nothing redirects; two do not."""
    core.answers["GetRuntimeStatus"] = runtime_service_pb2.GetRuntimeStatusResponse()
    async with small.put(path, json={"name": "a"}, headers=BEARER, allow_redirects=False) as response:
        assert response.status == status


@pytest.mark.parametrize(
    ("media", "status"),
    [
        ("", 200),
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/Merge-Patch+JSON", 200),
        ("text/plain", 415),
        ("text/json", 415),
        ("application/jsonx", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
async def test_judge_media_type(small: Any, core: Any, media: str, status: int) -> None:
    """A body may claim nothing or a dialect of JSON."""
    core.answers["GetRuntimeStatus"] = runtime_service_pb2.GetRuntimeStatusResponse()
    headers = {**BEARER, **({"Content-Type": media} if media else {})}
    async with small.put(PATH, data=b'{"name": "a"}', headers=headers, skip_auto_headers=["Content-Type"]) as response:
        answered = await response.json()
        assert response.status == status
    assert answered == (
        {"connected": False} if status == 200 else {"error": {"code": "unsupported_media_type", "message": message_of_media}}
    )


message_of_media = "Content-Type must be application/json."


@pytest.mark.parametrize(
    ("path", "body", "code", "message"),
    [
        (PATH, b"{", "invalid_json", None),
        (PATH, b"", "invalid_json", None),
        (PATH, b'{"name": "\xff"}', "invalid_json", "The body is not UTF-8 at byte 10."),
        (PATH, b"[]", "invalid_json", "The body must be a JSON object"),
        (PATH, b'{"interval": "x"}', "validation_error", "name is required; interval must be a whole number"),
        ("/api/v1/runtime/x", b"{", "invalid_json", None),
        ("/api/v1/runtime/x", b'{"name": "a"}', "invalid_id", "The id has the wrong form."),
        ("/api/v1/runtime/0", b'{"name": "a"}', "invalid_id", "The id has the wrong form."),
        ("/api/v1/runtime/9007199254740992", b'{"name": "a"}', "invalid_id", "The id has the wrong form."),
        ("/api/v1/runtime/x?limit=y", b'{"name": "a"}', "invalid_id", "The id has the wrong form."),
        (PATH + "?limit=y", b'{"name": "a"}', "invalid_parameter", "limit must be a whole number"),
    ],
)
async def test_check_json_then_id_then_values(small: Any, path: str, body: bytes, code: str, message: str | None) -> None:
    """Syntax outranks the id, the id outranks values."""
    status, answered, text = await ask(small, "PUT", path, body, **BEARER)
    assert (status, answered) == (400, code)
    assert text == message or message is None


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (LumetryError(Reason.UNAUTHENTICATED, "x"), 401, "unauthorized"),
        (LIMITED, 429, "rate_limited"),
        (DENIED, 403, "forbidden"),
    ],
    ids=["credential", "rate", "permission"],
)
@pytest.mark.parametrize("body", [b"{", b"[]", b'{"name": 1}'], ids=["syntax", "shape", "field"])
async def test_refuse_caller_before_faults(small: Any, core: Any, refusal: LumetryError, status: int, code: str, body: bytes) -> None:
    """Who may not call learns nothing of the faults."""
    core.answers["CheckAccess"] = refusal
    assert (await ask(small, "PUT", PATH, body, **BEARER))[:2] == (status, code)
    assert core.requests("GetRuntimeStatus") == []


@pytest.mark.parametrize("headers", [{}, BEARER], ids=["anonymous", "known"])
async def test_tell_size_before_credential(small: Any, core: Any, headers: dict[str, str]) -> None:
    """A body that is too large is told to strangers as well; the core is not even asked."""
    answered = await ask(small, "PUT", PATH, b"x" * 65, **headers)
    assert answered == (413, "payload_too_large", "The body is larger than 64 bytes.")
    assert core.calls == []


async def test_ask_core_once_per_charged_request(small: Any, core: Any) -> None:
    """A good request is one call, which names the family."""
    core.answers["GetRuntimeStatus"] = runtime_service_pb2.GetRuntimeStatusResponse(connected=True)
    assert await ask(small, "PUT", PATH, b'{"name": "a"}', **BEARER) == (200, "", "")
    assert [(call.method, call.metadata["x-lumetry-family"]) for call in core.calls] == [("GetRuntimeStatus", "monitoring")]


async def test_charge_faulty_request_once(small: Any, core: Any) -> None:
    """A faulty request is one question that counts."""
    core.answers["CheckAccess"] = access_service_pb2.CheckAccessResponse()
    await ask(small, "PUT", PATH, b"{", **BEARER)
    assert [(call.method, call.metadata.get("x-lumetry-charge")) for call in core.calls] == [("CheckAccess", None)]


async def test_answer_head_of_health(small: Any, core: Any) -> None:
    """HEAD is GET without the body."""
    core.answers["GetReadiness"] = LumetryError(Reason.INTERNAL, "x")
    async with small.head("/api/v1/health") as response:
        assert (response.status, await response.read()) == (503, b"")


async def test_answer_health_while_store_is_away(client: Any, core: Any) -> None:
    """Health is about reaching the core; whether it takes work is readiness."""
    core.answers["GetReadiness"] = LumetryError(Reason.DEADLINE_EXCEEDED, "x")
    async with client.get("/api/v1/health") as response:
        assert (response.status, response.headers["Retry-After"], (await response.json())["error"]["code"]) == (
            503,
            "1",
            "service_unavailable",
        )


def test_take_configured_body_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows with the usual limit follow the setting, narrower ones keep theirs; rows have ten seconds, or fifteen where they ask others."""
    usual, narrow = replace(PUT, body_limit=MEBIBYTE), replace(PUT, method="POST", body_limit=262_144)
    monkeypatch.setattr("gateway.contracts.monitoring.family.ROUTES", (usual, narrow))
    assert [route.body_limit for route in build_family(Config(max_body_bytes=5_000_000)).routes] == [5_000_000, 262_144]
    assert {route.deadline_seconds for route in BASE.routes} == {10.0, 15.0}


def test_claim_segments_of_contract() -> None:
    """Every segment of contract 1.1 is the family's; what lies beside them is not."""
    families = Families(build_families(Config()).all)
    owned = {
        path: families.of(path).name for path in ("/api/v1", "/api/v1/", "/api/v1/projects", "/api/v1/dashboard/usage", "/ping", "/status")
    }
    assert owned == {
        "/api/v1": "workspace",
        "/api/v1/": "workspace",
        "/api/v1/projects": "workspace",
        "/api/v1/dashboard/usage": "workspace",
        "/ping": "monitoring",
        "/status": "monitoring",
    }
    assert {families.of(f"/api/v1/{segment}/x/y").name for segment in SEGMENTS} == {"monitoring"}
