import asyncio
import io
import socket
from typing import Any

import pytest

from lumetry.heartbeats.v1 import ping_service_pb2 as pb
from lumetry_core.runtime.errors import LumetryError, Reason

UUID = "0f2c9a4e-58f3-4a57-9a0e-1f6f1f5a7b11"


def accept(request: pb.RecordPingsRequest, _context: Any) -> pb.RecordPingsResponse:
    return pb.RecordPingsResponse(results=[pb.PingResult(verdict=pb.PING_VERDICT_ACCEPTED)] * len(request.pings))


async def test_head_is_a_ping(client: Any, core: Any, url: str) -> None:
    """A HEAD is recorded as such and answered without a body."""
    core.answers["RecordPings"] = accept
    async with client.head(f"{url}/ping/{UUID}/start") as response:
        assert (response.status, response.headers["Content-Length"], await response.read()) == (200, "11", b"")
    [request] = core.requests("RecordPings")
    assert [(ping.kind, ping.http_method) for ping in request.pings] == [(pb.PING_KIND_START, "HEAD")]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods(client: Any, url: str, method: str) -> None:
    """Nothing else is a ping."""
    async with client.request(method, f"{url}/ping/{UUID}") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, POST")


async def test_payload_is_cut(client: Any, core: Any, url: str) -> None:
    """Of a body that is larger than any limit the beginning is kept, and the connection goes on."""
    core.answers["RecordPings"] = accept
    for _ in range(2):
        async with client.post(f"{url}/ping/{UUID}", data=io.BytesIO(b"0123456789" * 500_000)) as response:
            assert response.status == 200
    assert [[ping.payload for ping in request.pings] for request in core.requests("RecordPings")] == [[b"0123456789" * 1024]] * 2


async def test_payload_that_never_ends(core: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not come holds up the ping for a while only; what came of it is kept."""
    monkeypatch.setattr("gateway.contracts.monitoring.pings.PAYLOAD_SECONDS", 0.1)
    core.answers["RecordPings"] = accept
    host, _, port = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST /ping/{UUID} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nbegun".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    [request] = core.requests("RecordPings")
    assert request.pings[0].payload == b"begun"


async def test_client_that_leaves(core: Any, url: str) -> None:
    """A client that goes away amid its body has not pinged."""
    core.answers["RecordPings"] = accept
    host, _, port = url.removeprefix("http://").rpartition(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(f"POST /ping/{UUID} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nbegun".encode())
    connection.close()
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /ping/{UUID}/log HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    kinds = [ping.kind for request in core.requests("RecordPings") for ping in request.pings]
    assert kinds == [pb.PING_KIND_LOG]


async def test_pings_share_calls(client: Any, core: Any, url: str) -> None:
    """Pings that wait go to the core together, and each gets the answer that is its own."""
    asked, gate = asyncio.Event(), asyncio.Event()

    async def answer(request: pb.RecordPingsRequest, _context: Any) -> pb.RecordPingsResponse:
        asked.set()
        await gate.wait()
        known = pb.PingResult(verdict=pb.PING_VERDICT_ACCEPTED)
        unknown = pb.PingResult(verdict=pb.PING_VERDICT_NOT_FOUND)
        return pb.RecordPingsResponse(results=[known if ping.exit_code % 2 else unknown for ping in request.pings])

    core.answers["RecordPings"] = answer

    async def ping(code: int) -> int:
        async with client.get(f"{url}/ping/{UUID}/{code}") as response:
            status: int = response.status
            return status

    pings = [asyncio.create_task(ping(code)) for code in range(40)]
    await asked.wait()
    gate.set()
    assert await asyncio.gather(*pings) == [404, 200] * 20
    sizes = [len(request.pings) for request in core.requests("RecordPings")]
    assert sum(sizes) == 40
    assert len(sizes) < 40


async def test_pings_share_failures(client: Any, core: Any, url: str) -> None:
    """When a call fails all its pings are told to come again, and later ones are taken."""
    core.answers["RecordPings"] = LumetryError(Reason.OVERLOADED, "Too much waits to be stored.", retry_after_seconds="2")

    async def ping() -> tuple[int, str | None]:
        async with client.get(f"{url}/ping/{UUID}") as response:
            return response.status, response.headers.get("Retry-After")

    assert await asyncio.gather(*(ping() for _ in range(5))) == [(503, "1")] * 5
    core.answers["RecordPings"] = accept
    assert await ping() == (200, None)


async def test_forwarded_address_counts_from_proxies_only(client: Any, core: Any, url: str) -> None:
    """A client that claims another address is known by its own."""
    core.answers["RecordPings"] = accept
    async with client.get(f"{url}/ping/{UUID}", headers={"X-Forwarded-For": "203.0.113.9"}) as response:
        assert response.status == 200
    [request] = core.requests("RecordPings")
    assert request.pings[0].address == "127.0.0.1"
