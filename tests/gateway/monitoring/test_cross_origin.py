"""Pages of other origins: contract monitoring 1.7."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from gateway.app import running
from gateway.config import Config, read_config
from tests.gateway.fake_core import FakeCore

ORIGIN = "https://ops.example.com"


@asynccontextmanager
async def serving(core: FakeCore, *origins: str) -> AsyncIterator[str]:
    """A gateway that allows origins."""
    async with running(Config(http="127.0.0.1:0", core=core.address, cors_origins=origins)) as address:
        yield f"http://{address}"


@pytest.mark.parametrize(
    ("origins", "origin", "allowed", "vary"),
    [
        ((), ORIGIN, None, None),
        (("*",), ORIGIN, "*", None),
        ((ORIGIN,), ORIGIN, ORIGIN, "Origin"),
        ((ORIGIN,), "https://evil.example.com", None, "Origin"),
    ],
)
async def test_answers_name_the_origin(
    core: FakeCore, client: aiohttp.ClientSession, origins: tuple[str, ...], origin: str, allowed: str | None, vary: str | None
) -> None:
    """Failures too; never that the browser's own credentials may come along."""
    async with serving(core, *origins) as url:
        for path in ("/api/v1/alerts/active", "/api/v1/alerts/x"):
            async with client.get(url + path, headers={"Origin": origin}) as response:
                said = {name: response.headers.get(name) for name in ("Access-Control-Allow-Origin", "Vary")}
                assert said == {"Access-Control-Allow-Origin": allowed, "Vary": vary}
                assert "Access-Control-Allow-Credentials" not in response.headers


async def test_preflight_is_answered_without_credential(core: FakeCore, client: aiohttp.ClientSession) -> None:
    """204 with methods and headers; other families keep to themselves."""
    async with serving(core, ORIGIN) as url:
        async with client.options(f"{url}/api/v1/heartbeats", headers={"Origin": ORIGIN}) as response:
            assert (
                response.status,
                response.headers["Access-Control-Allow-Methods"],
                response.headers["Access-Control-Allow-Headers"],
            ) == (
                204,
                "GET, POST, PUT, DELETE, OPTIONS",
                "Content-Type, Authorization, X-Request-ID, Last-Event-ID",
            )
        async with client.options(f"{url}/api/alerts", headers={"Origin": ORIGIN}) as response:
            assert response.status == 405


async def test_preflight_without_setting_is_refused(core: FakeCore, client: aiohttp.ClientSession) -> None:
    """Nobody is told anything."""
    async with serving(core) as url, client.options(f"{url}/api/v1/alerts", headers={"Origin": ORIGIN}) as response:
        assert (response.status, "Access-Control-Allow-Origin" in response.headers) == (405, False)


def test_setting_takes_origins_only() -> None:
    """What is no origin is refused at start."""
    assert read_config([], {"LUMETRY_CORS_ORIGINS": f"{ORIGIN}/, http://x"}).cors_origins == (ORIGIN, "http://x")
    with pytest.raises(SystemExit):
        read_config([], {"LUMETRY_CORS_ORIGINS": "ops.example.com"})
