from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import aiohttp
import pytest

from lumetry_core.runtime.clock import SystemClock
from tests.core.access.oidc_server import CLIENT_ID, CLIENT_SECRET, OidcServer, running_provider
from tests.process.conftest import Deployment

ELSEWHERE = "http://lumetry.invalid"
"""Stands for the address of the deployment, which nobody knows before it listens."""


@pytest.fixture
async def provider() -> AsyncIterator[OidcServer]:
    async with running_provider(SystemClock()) as running:
        yield running


@pytest.fixture
def deployment(tmp_path: Path, provider: OidcServer) -> Iterator[Deployment]:
    """A running deployment that knows the provider."""
    environ = {
        "LUMETRY_BASE_URL": ELSEWHERE,
        "LUMETRY_OIDC_ISSUER": provider.issuer,
        "LUMETRY_OIDC_CLIENT_ID": CLIENT_ID,
        "LUMETRY_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "LUMETRY_OIDC_NAME": "Our accounts",
        "LUMETRY_OIDC_DEFAULT_ROLES": "Operator",
    }
    running = Deployment(tmp_path / "data", environ=environ)
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


async def test_log_in_with_a_browser(deployment: Deployment, provider: OidcServer) -> None:
    """From the list of ways to log in, through the provider and back, a browser gets a session that works; the answer works once."""
    base = f"http://{deployment.addresses['http']}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(f"{base}/api/auth/providers") as response:
            [local, oidc] = await response.json()
        assert local == {"type": "Local", "name": "Local", "loginUrl": None}
        assert oidc == {"type": "Oidc", "name": "Our accounts", "loginUrl": "/api/auth/oidc/login"}
        async with browser.get(base + oidc["loginUrl"], allow_redirects=False) as response:
            sent_to = response.headers["Location"]
        async with browser.get(aiohttp.client.URL(sent_to, encoded=True), allow_redirects=False) as response:
            back = response.headers["Location"]
        assert back.startswith(f"{ELSEWHERE}/api/auth/oidc/callback?")
        back = back.replace(ELSEWHERE, base)
        async with browser.get(aiohttp.client.URL(back, encoded=True), allow_redirects=False) as response:
            assert response.status == 302, await response.text()
            page, _, triple = response.headers["Location"].partition("#")
        assert page == "/"
        tokens = dict(parse_qsl(triple))
        async with browser.get(f"{base}/api/auth/me", headers={"Authorization": f"Bearer {tokens['accessToken']}"}) as response:
            me = await response.json()
        assert {name: me[name] for name in ("username", "email", "authProviderType", "roles")} == {
            "username": "ann",
            "email": "ann@example.com",
            "authProviderType": "Oidc",
            "roles": ["Operator"],
        }
        async with browser.post(f"{base}/api/auth/refresh", json={"refreshToken": tokens["refreshToken"]}) as response:
            assert response.status == 200
        async with browser.get(aiohttp.client.URL(back, encoded=True)) as response:
            assert response.status == 401
    log = (deployment.data_dir / "server.log").read_text()
    for secret in (CLIENT_SECRET, tokens["accessToken"], tokens["refreshToken"], dict(aiohttp.client.URL(back).query)["code"]):
        assert secret not in log
