"""What every answer has in common: families, order of checks, request ids, headers."""

import gzip
import io
import json
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from lumetry.access.v1 import access_service_pb2
from lumetry.alerts.v1 import alert_service_pb2
from lumetry.runtime.v1 import status_service_pb2
from lumetry_core.runtime.errors import Fault, LumetryError, Reason

BEARER = {"Authorization": "Bearer lmt_1"}


def problem(status: int, title: str, detail: str, kind: str = "about:blank", errors: Any = None) -> dict[str, Any]:
    document = {"type": kind, "status": status, "title": title, "detail": detail, "instance": "r-1"}
    return document if errors is None else {**document, "errors": errors}


async def ask(
    client: aiohttp.ClientSession, method: str, path: str, *, headers: dict[str, str] | None = None, data: bytes | io.BytesIO | None = None
) -> tuple[int, Any, Any]:
    async with client.request(method, path, headers={"X-Request-Id": "r-1", **(headers or {})}, data=data) as response:
        content = await response.read()
        return response.status, response.headers, json.loads(content) if content else None


async def test_answer_unknown_path_as_problem(client: Any) -> None:
    """Outside `/api/v1` an unknown path is the lumetry family's."""
    status, headers, body = await ask(client, "GET", "/api/nothing")
    assert (status, headers["Content-Type"], headers["X-Request-Id"]) == (404, "application/problem+json", "r-1")
    assert body == problem(404, "Not Found", "No such route.")


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/api/v1/tasks", "/api/v1/tasks/1"])
async def test_answer_unknown_path_below_v1_in_envelope(client: Any, path: str) -> None:
    """Below `/api/v1` an unknown path is the workspace family's."""
    status, headers, body = await ask(client, "GET", path)
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (404, "application/json; charset=utf-8", "no-store")
    assert headers["X-Request-ID"] == "r-1"
    assert body == {"success": False, "error": {"code": "NOT_FOUND", "message": "No such route."}}


async def test_answer_wrong_method(client: Any) -> None:
    """A known path with another method tells which ones it has; no credential is needed for that."""
    status, headers, body = await ask(client, "DELETE", "/api/rules/1")
    assert (status, headers["Allow"]) == (405, "GET, HEAD, PUT")
    assert body == problem(405, "Method Not Allowed", "This route answers GET, HEAD, PUT.")


async def test_answer_head_without_body(client: Any) -> None:
    """HEAD answers like GET, without the body."""
    async with client.head("/healthz") as response:
        assert (response.status, await response.read(), response.headers["Content-Length"]) == (200, b"", "15")


async def test_answer_head_of_endless_stream(client: Any) -> None:
    """A stream has no HEAD."""
    async with client.head("/api/stream", headers=BEARER) as response:
        assert response.status == 405


async def test_adopt_request_id(client: Any) -> None:
    """A usable request id is adopted, any other replaced."""
    for given, adopted in (("a.B_9-", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("", False)):
        async with client.get("/healthz", headers={"X-Request-Id": given}) as response:
            assert (response.headers["X-Request-Id"] == given) is adopted
            assert response.headers["X-Request-Id"]


async def test_pass_origin_on(client: Any, core: Any) -> None:
    """Credential, request id, address and agent travel as metadata."""
    core.answers["ListAlerts"] = alert_service_pb2.ListAlertsResponse()
    await ask(client, "GET", "/api/alerts", headers={**BEARER, "User-Agent": "probe/1"})
    metadata = core.calls[-1].metadata
    assert {key: metadata[key] for key in ("authorization", "x-request-id", "x-client-address", "x-client-agent")} == {
        "authorization": "Bearer lmt_1",
        "x-request-id": "r-1",
        "x-client-address": "127.0.0.1",
        "x-client-agent": "probe/1",
    }


@pytest.mark.parametrize(
    ("error", "status", "title", "kind", "extra"),
    [
        (LumetryError(Reason.UNAUTHENTICATED, "x"), 401, "Unauthorized", "/problems/unauthenticated", {"WWW-Authenticate": "Bearer"}),
        (LumetryError(Reason.PERMISSION_DENIED, "x"), 403, "Forbidden", "/problems/forbidden", {}),
        (LumetryError(Reason.INTERACTIVE_ONLY, "x"), 403, "Forbidden", "/problems/interactive-only", {}),
        (LumetryError(Reason.NOT_FOUND, "x"), 404, "Not Found", "about:blank", {}),
        (LumetryError(Reason.CONFLICT, "x"), 400, "Bad Request", "/problems/conflict", {}),
        (
            LumetryError(Reason.RATE_LIMITED, "x", retry_after_seconds="7"),
            429,
            "Too Many Requests",
            "/problems/rate-limited",
            {"Retry-After": "7"},
        ),
        (
            LumetryError(Reason.OVERLOADED, "x", retry_after_seconds="5"),
            503,
            "Service Unavailable",
            "/problems/unavailable",
            {"Retry-After": "5"},
        ),
        (LumetryError(Reason.STORE_UNAVAILABLE, "x"), 503, "Service Unavailable", "/problems/unavailable", {"Retry-After": "1"}),
        (LumetryError(Reason.DEADLINE_EXCEEDED, "x"), 503, "Service Unavailable", "/problems/unavailable", {"Retry-After": "1"}),
        (LumetryError(Reason.PAYLOAD_TOO_LARGE, "x"), 413, "Payload Too Large", "/problems/payload-too-large", {}),
        (LumetryError(Reason.INTERNAL, "x"), 500, "Internal Server Error", "about:blank", {}),
    ],
    ids=lambda value: str(value.reason) if isinstance(value, LumetryError) else None,
)
async def test_answer_failure_of_core(
    client: Any, core: Any, error: LumetryError, status: int, title: str, kind: str, extra: dict[str, str]
) -> None:
    """Each reason has its status, title, type and headers."""
    core.answers["GetAlert"] = error
    got, headers, body = await ask(client, "GET", "/api/alerts/1", headers=BEARER)
    assert got == status
    assert body == problem(status, title, "x", kind)
    assert {name: headers[name] for name in extra} == extra


async def test_answer_faults_of_core(client: Any, core: Any) -> None:
    """Faults come as `errors`, in order."""
    faults = (Fault("name", "is required"), Fault("alertLevels[1].triggerCount", "must be at most 1000"))
    core.answers["CreateRule"] = LumetryError(Reason.VALIDATION_FAILED, "The request is not valid.", faults=faults)
    headers = {**BEARER, "Content-Type": "application/json"}
    status, _, body = await ask(client, "POST", "/api/rules", headers=headers, data=b"{}")
    errors = [{"path": fault.path, "message": fault.message} for fault in faults]
    assert (status, body) == (400, problem(400, "Bad Request", "The request is not valid.", "/problems/validation", errors))


async def test_answer_unforeseen_failure(client: Any, core: Any) -> None:
    """A fault of the gateway shows nothing of itself; it is logged under the request id."""
    core.answers["ExplainAlert"] = alert_service_pb2.ExplainAlertResponse(gates=[{"details_json": "{secret"}])
    with capture_logs() as logs:
        status, _, body = await ask(client, "GET", "/api/alerts/1/decisions", headers=BEARER)
    assert [(line["event"], line["request_id"]) for line in logs] == [("unexpected failure", "r-1")]
    assert (status, body) == (500, problem(500, "Internal Server Error", "Something went wrong on our side."))


async def test_answer_unreachable_core(url: str, core: Any) -> None:
    """Without core there is a 503, also for readiness; health and figures go on."""
    from gateway.app import running  # noqa: PLC0415 -- this gateway has no core
    from gateway.config import Config  # noqa: PLC0415

    async with running(Config(http="127.0.0.1:0", core="127.0.0.1:1")) as address, aiohttp.ClientSession(f"http://{address}") as client:
        status, headers, body = await ask(client, "GET", "/api/alerts", headers=BEARER)
        detail = "The service cannot be reached now; try again."
        assert (status, headers["Retry-After"]) == (503, "1")
        assert body == problem(503, "Service Unavailable", detail, "/problems/unavailable")
        assert (await ask(client, "GET", "/readyz"))[0] == 503
        assert (await ask(client, "GET", "/healthz"))[2] == {"status": "ok"}
        async with client.get("/metrics") as response:
            assert (response.status, "# the core did not answer: STORE_UNAVAILABLE" in await response.text()) == (200, True)


async def test_check_credential_before_faults(client: Any, core: Any) -> None:
    """A stranger learns nothing from faults, and the core is not bothered with the request."""
    for method, path in (("GET", "/api/alerts?limit=0"), ("GET", "/api/alerts/x"), ("POST", "/api/rules"), ("PUT", "/api/rules/1")):
        status, headers, body = await ask(client, method, path)
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert body == problem(401, "Unauthorized", "No usable credential.", "/problems/unauthenticated")
    assert {call.method for call in core.calls} == {"CheckAccess"}
    assert [call.request.method for call in core.calls][1] == "/lumetry.alerts.v1.AlertService/GetAlert"


async def test_check_permission_before_faults(client: Any, core: Any) -> None:
    """403 outranks 400 and the 404 of a malformed id, but not 413."""
    core.answers["CheckAccess"] = LumetryError(Reason.PERMISSION_DENIED, "The permission CanViewAlerts is missing.")
    assert (await ask(client, "GET", "/api/alerts?limit=0", headers=BEARER))[0] == 403
    assert (await ask(client, "GET", "/api/alerts/x", headers=BEARER))[0] == 403
    big = b'"' + b"x" * 1024 * 1024 + b'"'
    status, _, body = await ask(client, "POST", "/api/rules", headers=BEARER, data=io.BytesIO(big))
    assert (status, body["type"]) == (413, "/problems/payload-too-large")


async def test_check_credential_before_size(client: Any) -> None:
    """401 outranks 413."""
    assert (await ask(client, "POST", "/api/rules", data=io.BytesIO(b"x" * 1024 * 1025)))[0] == 401
    assert (await ask(client, "POST", "/v1/metrics", data=io.BytesIO(b"x" * 1024 * 1024 * 9)))[0] == 401


async def test_check_existence_before_faults(client: Any, core: Any) -> None:
    """404 outranks 400."""
    core.answers["GetRule"] = LumetryError(Reason.NOT_FOUND, "Rule 9 does not exist.")
    headers = {**BEARER, "Content-Type": "application/json"}
    status, _, body = await ask(client, "PUT", "/api/rules/9", headers=headers, data=b'{"name": 1}')
    assert (status, body["detail"]) == (404, "Rule 9 does not exist.")
    core.answers["GetRule"] = LumetryError(Reason.PERMISSION_DENIED, "x")
    status, _, body = await ask(client, "PUT", "/api/rules/9", headers=headers, data=b'{"name": 1}')
    assert (status, body["errors"]) == (400, [{"path": "name", "message": "must be a string"}])


async def test_answer_malformed_ids(client: Any, core: Any) -> None:
    """What cannot be an id names no resource."""
    core.answers["GetAlert"] = alert_service_pb2.GetAlertResponse()
    for text in ("x", "0", "-1", "1.0", "%2B1", "9007199254740992", "99999999999999999999", "1%00", "%FF"):
        assert (await ask(client, "GET", f"/api/alerts/{text}", headers=BEARER))[0] == 404
    assert core.requests("GetAlert") == []


async def test_decode_key_in_path_once(client: Any, core: Any, url: str) -> None:
    """A metric key in a path may hold an encoded slash; it is decoded once."""
    from yarl import URL  # noqa: PLC0415 -- only needed here

    from lumetry.metrics.v1 import metric_service_pb2  # noqa: PLC0415

    core.answers["QuerySeries"] = metric_service_pb2.QuerySeriesResponse()
    target = URL(f"{url}/api/metrics/a%2Fb%252F:c/series", encoded=True)
    async with client.get(target, headers=BEARER) as response:
        assert (response.status, await response.json()) == (200, [])
    assert core.requests("QuerySeries")[0].metric_key == "a/b%2F:c"


async def test_read_queries(client: Any, core: Any) -> None:
    """Numbers are read, enum values ignore case, empty values count as absent, unknown ones are ignored."""
    core.answers["ListAlerts"] = alert_service_pb2.ListAlertsResponse()
    query = "severity=CRITICAL&status=open&ruleId=7&metricId=&limit=5&from=2026-06-01T10:00:00%2B02:00&to=2026-06-01&nothing=1"
    status, _, body = await ask(client, "GET", f"/api/alerts?{query}", headers=BEARER)
    assert (status, body["errors"]) == (400, [{"path": "to", "message": "must be an ISO-8601 time such as 2026-06-01T08:40:00Z"}])
    assert (await ask(client, "GET", f"/api/alerts?{query.replace('to=2026-06-01', 'to=')}", headers=BEARER))[0] == 200
    expected = alert_service_pb2.ListAlertsRequest(severity="Critical", status="Open", rule_id=7, limit=5)
    expected.start_time.FromJsonString("2026-06-01T08:00:00Z")
    assert core.requests("ListAlerts") == [expected]


async def test_collect_faults_of_queries(client: Any) -> None:
    """Every fault of a query is told at once."""
    query = "severity=Bad&ruleId=x&limit=5001&from=2026-06-02T00:00:00Z&to=2026-06-01T00:00:00Z&incidentId=0"
    status, _, body = await ask(client, "GET", f"/api/alerts?{query}", headers=BEARER)
    assert (status, body["errors"]) == (
        400,
        [
            {"path": "ruleId", "message": "must be a whole number"},
            {"path": "severity", "message": "must be one of Critical, Warning"},
            {"path": "incidentId", "message": "must be between 1 and 9007199254740991"},
            {"path": "limit", "message": "must be between 1 and 5000"},
            {"path": "from", "message": "must not be after to"},
        ],
    )


@pytest.mark.parametrize(
    ("headers", "data", "detail"),
    [
        ({}, b"{}", "Content-Type must be application/json."),
        ({"Content-Type": "text/plain"}, b"{}", "Content-Type must be application/json."),
        ({"Content-Type": "application/json"}, b"", "The body is not valid JSON: Input data was truncated."),
        ({"Content-Type": "application/json"}, b"{", "The body is not valid JSON: Input data was truncated."),
        ({"Content-Type": "application/json"}, b'{"name": "\xff"}', "The body is not UTF-8 at byte 10."),
        ({"Content-Type": "application/json"}, b"[" * 65 + b"]" * 65, "The body is nested deeper than 64 levels."),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"{}", "Content-Encoding gzip is not accepted here."),
    ],
)
async def test_refuse_unreadable_bodies(client: Any, headers: dict[str, str], data: bytes, detail: str) -> None:
    """A body that cannot be read as JSON is a malformed body, not a list of faults."""
    given = {**BEARER, **headers}
    async with client.post("/api/rules", headers=given, data=data, skip_auto_headers=["Content-Type"]) as response:
        body = await response.json(content_type="application/problem+json")
        assert (response.status, body["type"], body["detail"], "errors" in body) == (400, "/problems/malformed-body", detail, False)


async def test_read_body_with_charset(client: Any, core: Any) -> None:
    """A charset parameter is tolerated, null equals absence, unknown fields are ignored."""
    tokens = access_service_pb2.TokenPair(access_token="a", refresh_token="b")
    tokens.expire_time.FromJsonString("2026-06-01T08:15:00.250Z")
    core.answers["Login"] = access_service_pb2.LoginResponse(tokens=tokens)
    data = b'{"username": "admin", "password": "p", "x": null}'
    status, _, body = await ask(client, "POST", "/api/auth/login", headers={"Content-Type": "Application/JSON; charset=utf-8"}, data=data)
    assert (status, body) == (200, {"accessToken": "a", "expiresAt": "2026-06-01T08:15:00.250Z", "refreshToken": "b"})
    status, _, body = await ask(client, "POST", "/api/auth/login", headers={"Content-Type": "application/json"}, data=b'{"password": null}')
    assert [error["path"] for error in body["errors"]] == ["username", "password"]


async def test_stop_gzip_bombs(client: Any) -> None:
    """Decompression stops at the limit."""
    headers = {**BEARER, "Content-Type": "application/json", "Content-Encoding": "gzip"}
    bomb = gzip.compress(b" " * 64 * 1024 * 1024)
    for path in ("/v1/metrics", "/v1/collectors/heartbeat"):
        status, _, body = await ask(client, "POST", path, headers=headers, data=bomb)
        assert (status, body["type"]) == (413, "/problems/payload-too-large")
    status, _, body = await ask(client, "POST", "/v1/metrics", headers=headers, data=gzip.compress(b"") * 100)
    assert (status, body["detail"]) == (400, "The gzip body has too many members.")
    status, _, body = await ask(client, "POST", "/v1/metrics", headers=headers, data=gzip.compress(b"{}")[:-3])
    assert (status, body["detail"]) == (400, "The gzip body ends early.")


async def test_answer_readiness(client: Any, core: Any) -> None:
    """The core decides; what hinders it is told."""
    core.answers["GetReadiness"] = status_service_pb2.GetReadinessResponse(ready=True)
    assert (await ask(client, "GET", "/readyz"))[::2] == (200, {"status": "ready"})
    core.answers["GetReadiness"] = status_service_pb2.GetReadinessResponse(problems=["The store cannot be written."])
    status, headers, body = await ask(client, "GET", "/readyz")
    assert (status, headers["Retry-After"], body["detail"]) == (503, "1", "The store cannot be written.")


async def test_show_figures_of_both(client: Any, core: Any) -> None:
    """The figures of gateway and core stand in one text."""
    core.answers["ReadMetrics"] = status_service_pb2.ReadMetricsResponse(text="core_up 1\n")
    await ask(client, "GET", "/healthz")
    async with client.get("/metrics") as response:
        text = await response.text()
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'lumetry_gateway_requests_total{route="GET /healthz",status="200"} 1.0\n' in text
    assert text.endswith("core_up 1\n")
