import asyncio
from typing import Any

import aiohttp
import pytest

from gateway.contracts.monitoring import status_public
from lumetry.statuspages.v1 import status_component_pb2 as component_pb
from lumetry.statuspages.v1 import status_page_service_pb2 as pb
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.gateway.fake_core import FakeCore

PAGE = pb.GetStatusPageResponse(global_status=component_pb.COMPONENT_STATUS_OPERATIONAL, global_message="All Systems Operational")


async def test_ask_core_once_for_a_crowd(client: aiohttp.ClientSession, core: FakeCore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks within a moment shares one answer of the core; the forms of the page are kept apart."""
    monkeypatch.setattr(status_public, "KEPT_SECONDS", 60.0)
    core.answers["GetStatusPage"] = PAGE

    async def get(path: str) -> int:
        async with client.get(path) as response:
            await response.read()
            return response.status

    assert set(await asyncio.gather(*(get(path) for path in ("/status", "/status/api") for _ in range(8)))) == {200}
    assert sorted(request.with_days for request in core.requests("GetStatusPage")) == [False, True]


async def test_forget_answers_soon(client: aiohttp.ClientSession, core: FakeCore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is no longer fresh, or a failure, is not given again."""
    monkeypatch.setattr(status_public, "KEPT_SECONDS", 0.0)
    core.answers["GetStatusPage"] = LumetryError(Reason.STORE_UNAVAILABLE, "away")
    async with client.get("/status/api") as response:
        assert response.status == 503
    core.answers["GetStatusPage"] = PAGE
    for _ in range(2):
        async with client.get("/status/api") as response:
            assert response.status == 200
    assert len(core.requests("GetStatusPage")) == 3


async def test_tell_core_nothing_of_readers(client: aiohttp.ClientSession, core: FakeCore) -> None:
    """The page is read for nobody in particular: no credential or address of a reader reaches the core."""
    core.answers["GetStatusPage"] = PAGE
    async with client.get("/status/api", headers={"Authorization": "Bearer lmt_1"}) as response:
        assert response.status == 200
    [call] = core.calls
    assert not {"authorization", "x-client-address"} & call.metadata.keys()


@pytest.mark.parametrize("path", ["/status", "/status/api", "/status/static/page.css", "/status/events"])
async def test_limit_addresses(client: aiohttp.ClientSession, core: FakeCore, path: str) -> None:
    """An address gets 20 answers at once; then it must wait, and is told so in the family's words."""
    core.answers["GetStatusPage"] = PAGE
    for _ in range(20):
        async with client.get("/status/static/icon.svg") as response:
            assert response.status == 200
    seen: list[tuple[int, str | None, Any]] = []
    for _ in range(3):
        async with client.get(path) as response:
            seen.append((response.status, response.headers.get("Retry-After"), await response.json()))
    assert seen[-1] == (429, "1", {"error": {"code": "rate_limited", "message": "Too many requests."}})


async def test_open_json_to_all_origins(client: aiohttp.ClientSession, core: FakeCore) -> None:
    """Any page may read the JSON and the events, failures included, but not the HTML."""
    core.answers["GetStatusPage"] = PAGE
    core.answers["WatchStatusPage"] = LumetryError(Reason.STORE_UNAVAILABLE, "away")
    origins = {}
    for path in ("/status", "/status/", "/status/api", "/status/events"):
        async with client.get(path, headers={"Origin": "https://example.org"}) as response:
            origins[path] = (response.status, response.headers.get("Access-Control-Allow-Origin"))
    assert origins == {"/status": (200, None), "/status/": (200, None), "/status/api": (200, "*"), "/status/events": (503, "*")}


async def test_answer_other_methods_and_paths(client: aiohttp.ClientSession, core: FakeCore) -> None:
    """HEAD works for pages and files; other methods and paths fail in the family's shape."""
    core.answers["GetStatusPage"] = PAGE
    found = {}
    for method, path in (
        ("HEAD", "/status"),
        ("HEAD", "/status/static/page.js"),
        ("POST", "/status/api"),
        ("HEAD", "/status/events"),
        ("GET", "/status/static/../secret"),
        ("GET", "/status/static/page.html"),
    ):
        async with client.request(method, path) as response:
            found[method, path] = (response.status, await response.text() if response.status == 404 else "")
    not_found = '{"error":{"code":"not_found","message":"No such route."}}'
    assert found == {
        ("HEAD", "/status"): (200, ""),
        ("HEAD", "/status/static/page.js"): (200, ""),
        ("POST", "/status/api"): (405, ""),
        ("HEAD", "/status/events"): (405, ""),
        ("GET", "/status/static/../secret"): (404, not_found),
        ("GET", "/status/static/page.html"): (404, not_found),
    }
