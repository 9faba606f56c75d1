"""What holds on every route of the family."""

from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest

from gateway.app import running
from gateway.config import Config
from gateway.contracts.logs.credentials import REFUSED, read_credential
from lumetry_core.runtime.errors import LumetryError, Reason

KEY = "ll_2010ecf83382641e48b090e7fb82396eb130113a51e363da"
UUID = "0197b2f0-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/logs/stream/x", 404, "not_found"),
        ("GET", "/v1/log-groups/7/resolve/x", 404, "not_found"),
        ("POST", "/v1/log-groups/7/close", 404, "not_found"),
        ("GET", "/v1/log-keys/7/x", 404, "not_found"),
        ("GET", "/v1/logs//", 404, "not_found"),
        ("GET", f"/v1/logs//{UUID}", 404, "not_found"),
        ("GET", f"/v1/log-keys//{UUID}", 404, "not_found"),
        ("GET", f"/v1/logs/{UUID}/x", 404, "not_found"),
        ("PUT", "/v1/logs", 405, "method_not_allowed"),
        ("POST", f"/v1/logs/{UUID}", 405, "method_not_allowed"),
        ("GET", f"/v1/log-keys/{UUID}", 405, "method_not_allowed"),
        ("GET", "/v1/logs", 401, "unauthorized"),
        ("GET", "/v1/logs?limit=x", 401, "unauthorized"),
        ("GET", "/v1/logs/x", 401, "unauthorized"),
    ],
)
async def test_answer_failures_in_the_family_shape(client: Any, core: Any, method: str, path: str, status: int, code: str) -> None:
    """Whatever fails has the family's body, the rate headers and a request id, and leads nowhere else."""
    core.answers["SearchLogs"] = LumetryError(Reason.UNAUTHENTICATED, "x")
    before = int(datetime.now(UTC).timestamp())
    async with client.request(method, path, headers={"X-Request-ID": "r.1"}, allow_redirects=False) as response:
        body = await response.json()
        headers = response.headers
    assert (response.status, body["error"]["code"]) == (status, code)
    assert "Location" not in headers
    assert (headers["X-Request-ID"], headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("r.1", "1000000", "1000000")
    assert before <= int(headers["X-RateLimit-Reset"]) <= datetime.now(UTC).timestamp()
    assert ("Allow" in headers) == (status == 405)


@pytest.mark.parametrize(
    ("trusted", "headers", "status"),
    [
        ((), {}, 403),
        ((), {"X-Forwarded-Proto": "https"}, 403),
        (("127.0.0.0/8",), {}, 403),
        (("127.0.0.0/8",), {"X-Forwarded-Proto": "https, http"}, 403),
        (("127.0.0.0/8",), {"X-Forwarded-Proto": "https"}, 401),
        (("127.0.0.0/8",), {"X-Forwarded-Proto": "http, HTTPS"}, 401),
        (("10.0.0.0/8",), {"X-Forwarded-Proto": "https"}, 403),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/logs"), ("GET", "/v1/logs"), ("GET", "/v1/log-keys")])
async def test_require_https(core: Any, trusted: tuple[str, ...], headers: dict[str, str], status: int, method: str, path: str) -> None:
    """Plain HTTP is refused before the body is read; only a trusted proxy can say that it was HTTPS."""
    core.answers |= dict.fromkeys(("SearchLogs", "ListLogKeys"), LumetryError(Reason.UNAUTHENTICATED, "x"))
    proxies = tuple(ip_network(text) for text in trusted)
    config = Config(http="127.0.0.1:0", core=core.address, logs_require_https=True, trusted_proxies=proxies)
    async with running(config) as address, aiohttp.ClientSession(f"http://{address}") as session:
        async with session.request(
            method, path, headers=headers, json={"logs": [1], "api_key": ""} if method == "POST" else None
        ) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (
                status,
                "https_required" if status == 403 else "unauthorized",
            )
        async with session.get("/healthz") as response:
            assert response.status == 200
    assert bool(core.calls) == (status == 401)


@pytest.mark.parametrize(
    ("headers", "credential"),
    [
        ({}, ""),
        ({"x-api-key": KEY}, f"Bearer {KEY}"),
        ({"x-api-key": f" {KEY} "}, f"Bearer {KEY}"),
        ({"x-api-key": KEY, "Authorization": "Bearer lmt_1"}, f"Bearer {KEY}"),
        ({"x-api-key": "lmt_1", "Authorization": "Bearer lmt_1"}, REFUSED),
        ({"x-api-key": " ", "Authorization": "Bearer lmt_1"}, "Bearer lmt_1"),
        ({"Authorization": "Bearer lmt_1"}, "Bearer lmt_1"),
        ({"Authorization": f"Bearer {KEY}"}, REFUSED),
        ({"Authorization": f"BEARER   {KEY}"}, REFUSED),
        ({"Authorization": "Bearer ll_"}, REFUSED),
    ],
)
def test_present_credentials(headers: dict[str, str], credential: str) -> None:
    """Log keys go into their header, those of users into Authorization; no place takes the other's."""
    assert read_credential(headers) == credential
