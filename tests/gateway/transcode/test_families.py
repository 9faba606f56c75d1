"""How requests find their family, and how a family's rules change what every request goes through."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from aiohttp import web
from yarl import URL

from gateway.app import build_families
from gateway.config import Config
from gateway.transcode.bodies import is_json_or_unnamed
from gateway.transcode.channel import Rates, find_rpc
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.families import Families, Family, Rendered
from gateway.transcode.handling import json_response
from gateway.transcode.request import Request
from gateway.transcode.routes import Route
from lumetry.access.v1 import access_service_pb2
from lumetry_core.runtime import errors
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.runtime.failures import CODE_OF, to_status
from tests.gateway.small_gateway import speaking

GET_ME = find_rpc(access_service_pb2.DESCRIPTOR, "AccessService", "GetMe")
BEARER = {"Authorization": "Bearer lmt_1"}
LIMIT = 32
RATE_METADATA = (("x-ratelimit-limit", "50"), ("x-ratelimit-remaining", "49"), ("x-ratelimit-reset", "1780300800"))


class Nothing(msgspec.Struct):
    """A body without fields."""


def render(failure: Failure, request_id: str) -> Rendered:
    """Tells the reason as it is."""
    body = {"reason": failure.reason, "message": failure.message, "id": request_id}
    return Rendered(400, msgspec.json.encode(body), {"Content-Type": "application/json", **failure.metadata})


def decode(request: Request) -> access_service_pb2.GetMeRequest:
    """Reads a body and an id."""
    request.body(Nothing)
    request.number("id")
    return access_service_pb2.GetMeRequest()


async def say_hello(_request: Request) -> web.Response:
    return json_response({"hello": "world"})


def rows(prefix: str) -> tuple[Route, ...]:
    return (
        Route(method="GET", path=f"{prefix}/hello", heading="Hello", handle=say_hello),
        Route(
            method="PUT",
            path=f"{prefix}/things/{{id:int}}",
            heading="Change",
            rpc=GET_ME,
            body=Nothing,
            body_limit=LIMIT,
            decode=decode,
            encode=lambda _reply, _asked: {},
        ),
    )


def make(name: str, *prefixes: str, **rules: Any) -> Family:
    return Family(name=name, prefixes=prefixes, routes=rows(prefixes[0]), render=render, problem=Nothing, **rules)


PLAIN = make("plain", "")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "lumetry"),
        ("", "lumetry"),
        ("*", "lumetry"),
        ("/api", "lumetry"),
        ("/api/v1", "workspace"),
        ("/api/v1/", "workspace"),
        ("/api/v1x", "lumetry"),
        ("/api/v10", "lumetry"),
        ("/API/v1", "lumetry"),
        ("/api/v1/containers", "monitoring"),
        ("/api/v1/containers/", "monitoring"),
        ("/api/v1/containers/1/logs/stream", "monitoring"),
        ("/api/v1/containersx", "workspace"),
        ("/api/v1/Containers", "workspace"),
        ("/api/v1/dashboard", "workspace"),
        ("/api/v1/dashboard/", "workspace"),
        ("/api/v1/dashboard/sparklines", "monitoring"),
        ("/api/v1/dashboard/sparklines/x", "monitoring"),
        ("/api/v1/dashboard/sparklines.json", "workspace"),
        ("/status", "monitoring"),
        ("/status/", "monitoring"),
        ("/status/api", "monitoring"),
        ("/statusx", "lumetry"),
        ("/status%2Fapi", "lumetry"),
        ("/ping/a", "monitoring"),
        ("/pin", "lumetry"),
        ("/v1/metrics", "lumetry"),
        ("//api/v1/health", "lumetry"),
        ("/api//v1/health", "lumetry"),
        ("/api/v1//health", "workspace"),
        ("/api/v1/health//", "monitoring"),
        ("/api/v1/../../healthz", "workspace"),
        ("/api/v1/./health", "workspace"),
        ("/api/v1/%2e%2e/rules", "workspace"),
        ("/%61pi/v1/health", "lumetry"),
        ("/api/v1/%68ealth", "workspace"),
        ("/api/v1%2fhealth", "lumetry"),
        ("/api/v1/health%2f", "workspace"),
        ("/api/v1/health%00", "workspace"),
        ("/api/v1/alerts;x=1", "workspace"),
        ("/" + "a/" * 500, "lumetry"),
    ],
)
def test_find_family_of_path(path: str, name: str) -> None:
    """The longest prefix of whole segments wins; a path is compared as it was sent, so nothing slips below a prefix by another spelling."""
    assert build_families(Config()).of(path).name == name


def test_find_family_with_longest_prefix() -> None:
    """However the families are listed, the longest prefix wins."""
    families = [PLAIN, make("a", "/a"), make("b", "/a/b"), make("c", "/a/b/c/d")]
    paths = {"/a": "a", "/a/x": "a", "/a/b": "b", "/a/b/c": "b", "/a/b/c/d": "c", "/a/b/c/d/e": "c", "/b": "plain"}
    for listed in (families, families[::-1]):
        assert {path: Families(listed).of(path).name for path in paths} == paths


def test_refuse_prefix_of_two_families() -> None:
    """Two families cannot claim one prefix."""
    with pytest.raises(ValueError, match="/a is claimed by one and two"):
        Families([PLAIN, make("one", "/a"), make("two", "/b", "/a")])


@pytest.fixture
async def client(core: Any) -> AsyncIterator[Any]:
    """A gateway with a family that keeps every default and one that changes every rule."""
    changed = make(
        "changed",
        "/c",
        trailing_slash=True,
        is_media=is_json_or_unnamed,
        bad_media=Reason.UNSUPPORTED_MEDIA_TYPE,
        bad_id=Reason.INVALID_ID,
        size_outranks_credential=True,
        check_head=require_host,
        headers=rate_headers,
        read_credential=read_key,
    )
    core.answers["GetMe"] = tell_rates(access_service_pb2.GetMeResponse())
    async with speaking([PLAIN, changed], core, trusted=[ip_network("127.0.0.0/8")]) as speaker:
        yield speaker


def require_host(http: web.BaseRequest) -> None:
    """Refuses requests that say so."""
    if "X-Refuse" in http.headers:
        raise Failure(Reason.HTTPS_REQUIRED, "Refused.")


def read_key(headers: Mapping[str, str]) -> str:
    """A key that stands in a header of its own."""
    return f"Bearer {headers['X-Key']}" if "X-Key" in headers else ""


def rate_headers(rates: Rates) -> Mapping[str, str]:
    """What the core said."""
    return {"X-Rates": f"{rates.limit} {rates.remaining} {rates.reset}"}


def tell_rates(answer: Any) -> Any:
    """Answers, or fails, with rates."""

    async def tell(_request: Any, context: Any) -> Any:
        if isinstance(answer, LumetryError):
            details = ("grpc-status-details-bin", to_status(answer).SerializeToString())
            await context.abort(CODE_OF[answer.reason], answer.message, (details, *RATE_METADATA))
        context.set_trailing_metadata(RATE_METADATA)
        return answer

    return tell


def exactly(client: Any, path: str) -> URL:
    """An address that the client sends as it is."""
    return URL(f"{str(client._base_url).rstrip('/')}{path}", encoded=True)


async def ask(client: Any, method: str, path: str, data: Any = None, **headers: str) -> tuple[int, str | None]:
    """Status, and reason of a failure."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent.setdefault("Content-Type", "application/json")
    async with client.request(method, exactly(client, path), data=data, headers=sent, allow_redirects=False) as response:
        content = await response.read()
        return response.status, json.loads(content).get("reason") if content else None


@pytest.mark.parametrize(
    ("path", "answered"),
    [
        ("/hello", (200, None)),
        ("/hello/", (400, "ROUTE_NOT_FOUND")),
        ("//hello", (400, "ROUTE_NOT_FOUND")),
        ("/hell%6f", (400, "ROUTE_NOT_FOUND")),
        ("/./hello", (400, "ROUTE_NOT_FOUND")),
        ("/c/../hello", (400, "ROUTE_NOT_FOUND")),
        ("/c/hello", (200, None)),
        ("/c/hello/", (200, None)),
        ("/c/hello//", (400, "ROUTE_NOT_FOUND")),
        ("/c//hello", (400, "ROUTE_NOT_FOUND")),
        ("/c/hello?x=/", (200, None)),
        ("/c", (400, "ROUTE_NOT_FOUND")),
        ("/c/", (400, "ROUTE_NOT_FOUND")),
    ],
)
async def test_find_route_as_family_spells_it(client: Any, path: str, answered: tuple[int, str | None]) -> None:
    """A family that accepts a trailing slash accepts exactly one; no path is cleaned up or redirected."""
    assert await ask(client, "GET", path) == answered


@pytest.mark.parametrize("path", ["/hello", "/c/hello", "/c/hello/"])
async def test_answer_head_like_get(client: Any, path: str) -> None:
    """HEAD has GET's headers and no body."""
    async with client.get(path) as got, client.head(path) as asked:
        names = ("Content-Type", "Content-Length")
        assert (asked.status, await asked.read()) == (200, b"")
        assert {name: asked.headers[name] for name in names} == {name: got.headers[name] for name in names}


async def test_answer_head_of_failure(client: Any) -> None:
    """A failing HEAD has a status and no body either."""
    assert await ask(client, "HEAD", "/c/nothing") == (400, None)
    assert await ask(client, "HEAD", "/things/1") == (400, None)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/hello", "GET, HEAD"),
        ("HEAD", "/things/1", "PUT"),
        ("OPTIONS", "/c/hello/", "GET, HEAD"),
        ("MOVE", "/hello", "GET, HEAD"),
    ],
)
async def test_tell_methods_of_path(client: Any, method: str, path: str, allowed: str) -> None:
    """Another method, whatever its name, is told which ones there are."""
    async with client.request(method, path) as response:
        assert response.headers["allow"] == allowed


FAULTS = {
    "size": ("/things/x", b"x" * (LIMIT + 1), "text/plain"),
    "media": ("/things/x", b"{", "text/plain"),
    "syntax": ("/things/x", b"{", "application/json"),
    "id": ("/things/x", b"{}", "application/json"),
}


@pytest.mark.parametrize(
    ("fault", "plain", "changed"),
    [
        ("size", "PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE"),
        ("media", "MALFORMED_BODY", "UNSUPPORTED_MEDIA_TYPE"),
        ("syntax", "MALFORMED_BODY", "MALFORMED_BODY"),
        ("id", "NOT_FOUND", "INVALID_ID"),
    ],
)
async def test_find_faults_by_rules_of_family(client: Any, fault: str, plain: str, changed: str) -> None:
    """For callers who may call, each family names a fault its own way."""
    path, body, media = FAULTS[fault]
    assert await ask(client, "PUT", path, body, Content_Type=media, **BEARER) == (400, plain)
    assert await ask(client, "PUT", f"/c{path}", body, Content_Type=media, X_Key="k") == (400, changed)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("refusal", ["UNAUTHENTICATED", "PERMISSION_DENIED", "RATE_LIMITED"])
async def test_rank_refusals_before_faults(client: Any, core: Any, fault: str, refusal: str) -> None:
    """A refused caller learns of no fault, except of the size: before the credential in one family, before the permission in every."""
    core.answers["CheckAccess"] = LumetryError(errors.Reason(refusal), "No.")
    path, body, media = FAULTS[fault]
    plain = "PAYLOAD_TOO_LARGE" if fault == "size" and refusal == "PERMISSION_DENIED" else refusal
    assert await ask(client, "PUT", path, body, Content_Type=media, **BEARER) == (400, plain)
    changed = "PAYLOAD_TOO_LARGE" if fault == "size" else refusal
    assert await ask(client, "PUT", f"/c{path}", body, Content_Type=media, X_Key="k") == (400, changed)


async def test_check_head_after_route(client: Any, core: Any) -> None:
    """A family's rule for heads comes after path and method and before everything else."""
    assert await ask(client, "PUT", "/c/nothing", b"x", X_Refuse="1") == (400, "ROUTE_NOT_FOUND")
    assert await ask(client, "POST", "/c/hello", b"x", X_Refuse="1") == (400, "METHOD_NOT_ALLOWED")
    assert await ask(client, "PUT", "/c/things/1", b"x" * (LIMIT + 1), X_Refuse="1") == (400, "HTTPS_REQUIRED")
    assert core.calls == []
    assert await ask(client, "PUT", "/things/1", b"{}", X_Refuse="1", **BEARER) == (200, None)


async def test_read_credential_of_family(client: Any, core: Any) -> None:
    """Each family's credential stands where it says; another's place counts for nothing."""
    await ask(client, "PUT", "/things/1", b"{}", X_Key="k", **BEARER)
    await ask(client, "PUT", "/c/things/1", b"{}", X_Key="k", **BEARER)
    await ask(client, "PUT", "/c/things/1", b"{}", **BEARER)
    told = [(call.metadata["x-lumetry-family"], call.metadata.get("authorization")) for call in core.calls]
    assert told == [("plain", "Bearer lmt_1"), ("changed", "Bearer k"), ("changed", None)]


async def test_find_client_behind_proxy(client: Any, core: Any) -> None:
    """Behind a trusted proxy the core hears of the client, of whom a second line cannot make another."""
    headers = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "198.51.100.1, 127.0.0.2"), *BEARER.items()]
    async with client.put("/things/1", json={}, headers=headers) as response:
        assert response.status == 200
    assert core.calls[-1].metadata["x-client-address"] == "198.51.100.1"


async def test_tell_rates_on_every_answer(client: Any, core: Any) -> None:
    """What the core said of the caller's rate reaches the family's headers, when it answers and when it fails."""
    known, unknown = "50 49 1780300800", "None None None"
    core.answers["CheckAccess"] = tell_rates(LumetryError(errors.Reason.RATE_LIMITED, "No."))
    expected = {("/c/things/1", b"{}"): known, ("/c/things/1", b"{"): known, ("/c/hello", None): unknown, ("/c/x", b"{}"): unknown}
    seen = {}
    for path, body in expected:
        async with client.request("PUT" if body else "GET", path, data=body, headers={"Content-Type": "application/json"}) as response:
            seen[path, body] = response.headers["X-Rates"]
    assert seen == expected
    async with client.put("/things/1", json={}, headers=BEARER) as response:
        assert "X-Rates" not in response.headers


async def test_echo_request_id_of_client(client: Any) -> None:
    """A good request id comes back in header and body; a bad one is replaced by one and the same in both."""
    for given in ("r-1", "r 1", "é", "x" * 129):
        async with client.get("/c/nothing", headers={"X-Request-ID": given}) as response:
            echoed = response.headers["X-Request-Id"]
            assert (await response.json())["id"] == echoed
            assert (echoed == given) is (given == "r-1")


@pytest.mark.parametrize("path", ["/c/%0d%0aX-Evil:%201", "/c/hello%0d%0aX-Evil:%201", "/%c3%28", "/c/things/%00", "/c/%ff%fe"])
async def test_leave_header_of_answer_alone(client: Any, path: str) -> None:
    """What a path smuggles stays out of headers, and bytes that are no text are just another unknown path."""
    async with client.get(exactly(client, path)) as response:
        assert (response.status, (await response.json())["reason"]) == (400, "ROUTE_NOT_FOUND")
        assert "X-Evil" not in response.headers


def test_build_router_of_changed_family() -> None:
    """A family that is made from another has a router for its own routes."""
    more = replace(PLAIN, routes=(*PLAIN.routes, Route(method="GET", path="/more", heading="More", handle=say_hello)))
    assert more.find("GET", "/more").route.path == "/more"
    with pytest.raises(Failure):
        PLAIN.find("GET", "/more")


async def test_leave_headers_of_row(core: Any) -> None:
    """What a row says of its own answer stands against what its family says of every answer."""

    async def cached(_request: Request) -> web.Response:
        return json_response({}, headers=[("Cache-Control", "max-age=30")])

    row = Route(method="GET", path="/page", heading="Page", handle=cached)
    family = replace(PLAIN, routes=(row, *PLAIN.routes), headers=lambda _rates: {"Cache-Control": "no-store"})
    async with speaking([family], core) as client:
        for path, said in (("/page", "max-age=30"), ("/hello", "no-store"), ("/nothing", "no-store")):
            async with client.get(path) as response:
                assert response.headers["Cache-Control"] == said
