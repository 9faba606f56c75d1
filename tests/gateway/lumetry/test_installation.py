"""What hosts fetch, and where they are told that it is."""

import hashlib
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest

from gateway.app import running
from gateway.config import Config, Installer, read_config
from gateway.install.files import build_installation
from lumetry.access.v1 import access_service_pb2

WINDOWS = Installer("https://files.example.org/agent.exe", "ab" * 32, "2.1")
LINUX = Installer("https://files.example.org/install.sh", "cd" * 32, "2.2")
VARIABLES = {
    "LUMETRY_AGENT_INSTALLER_WINDOWS_URL": WINDOWS.url,
    "LUMETRY_AGENT_INSTALLER_WINDOWS_SHA256": WINDOWS.sha256,
    "LUMETRY_AGENT_INSTALLER_WINDOWS_VERSION": WINDOWS.version,
}


async def read_installers(core: Any, headers: dict[str, str], **settings: Any) -> Any:
    """What a gateway with the settings answers, and its own address."""
    core.answers["CheckAccess"] = access_service_pb2.CheckAccessResponse()
    async with (
        running(Config(http="127.0.0.1:0", core=core.address, **settings)) as address,
        aiohttp.ClientSession(f"http://{address}", headers={"Authorization": "Bearer lmt_1"}) as client,
        client.get("/api/deployments/agent-installer", headers=headers) as response,
    ):
        assert response.status == 200
        return await response.json()


def own(endpoint: str) -> dict[str, str]:
    """The installer that the deployment serves itself."""
    installation = build_installation()
    script = installation.scripts["install-agent.sh"]
    return {"url": f"{endpoint}/install/install-agent.sh", "sha256": script.sha256, "version": installation.version}


async def test_read_installers_of_a_deployment(core: Any) -> None:
    """The deployment serves the Linux installer itself, under the address of the request."""
    answer = await read_installers(core, {"Host": "lumetry.example.org:8080"})
    endpoint = "http://lumetry.example.org:8080"
    assert answer == {"linux": own(endpoint), "windows": None, "endpoint": endpoint}


async def test_read_installers_behind_a_proxy(core: Any) -> None:
    """A trusted proxy tells that the client spoke TLS; anybody else's word counts for nothing."""
    headers = {"Host": "lumetry.example.org", "X-Forwarded-Proto": "https"}
    trusted = (ip_network("127.0.0.1"),)
    assert (await read_installers(core, headers, trusted_proxies=trusted))["endpoint"] == "https://lumetry.example.org"
    assert (await read_installers(core, headers))["endpoint"] == "http://lumetry.example.org"


async def test_read_installers_as_the_operator_says(core: Any) -> None:
    """The operator's address and installers stand above what the deployment finds out."""
    base = "https://monitoring.example.org"
    answer = await read_installers(core, {}, base_url=base, windows_installer=WINDOWS, linux_installer=LINUX)
    assert answer == {
        "linux": {"url": LINUX.url, "sha256": LINUX.sha256, "version": LINUX.version},
        "windows": {"url": WINDOWS.url, "sha256": WINDOWS.sha256, "version": WINDOWS.version},
        "endpoint": base,
    }


async def test_fetch_package(client: Any) -> None:
    """The package is served to anybody under the name that the scripts know, and is what they expect."""
    async with client.get("/install/install-agent.sh") as response:
        script = await response.text()
    name, expected = (script.partition(f"\n{variable}='")[2].partition("'")[0] for variable in ("PACKAGE", "PACKAGE_SHA256"))
    async with client.get(f"/install/{name}") as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "application/zip")
        assert hashlib.sha256(await response.read()).hexdigest() == expected


def test_read_config_of_installers() -> None:
    """Three variables name an installer."""
    config = read_config([], {**VARIABLES, "LUMETRY_BASE_URL": "https://monitoring.example.org/"})
    assert (config.windows_installer, config.linux_installer, config.base_url) == (WINDOWS, None, "https://monitoring.example.org")


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("LUMETRY_AGENT_INSTALLER_WINDOWS_VERSION", "", "is missing beside the others of its system"),
        ("LUMETRY_AGENT_INSTALLER_WINDOWS_URL", "agent.exe", "agent.exe is not usable"),
        ("LUMETRY_AGENT_INSTALLER_WINDOWS_SHA256", "AB", "AB is not usable"),
        ("LUMETRY_BASE_URL", "monitoring.example.org", "monitoring.example.org is not usable"),
    ],
)
def test_refuse_config_of_installers(variable: str, text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An installer that is half named, or wrongly, ends the start with the name of the variable."""
    with pytest.raises(SystemExit) as ended:
        read_config([], {**VARIABLES, variable: text})
    assert ended.value.code == 2
    assert f"{variable}: {said}" in capsys.readouterr().err
