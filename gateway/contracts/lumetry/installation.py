"""What hosts fetch to install an agent or a collector, and where it is (contract lumetry 17.2, 17.4)."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from aiohttp import web

from gateway.config import Config, Installer
from gateway.install.files import PACKAGE_TYPE, SCRIPT_TYPE, File, build_installation
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.handling import json_response
from gateway.transcode.origin import find_origin
from gateway.transcode.request import Request
from gateway.transcode.routes import Route
from lumetry.hostagents.v1 import host_agent_service_pb2

MAY_INSTALL = find_rpc(host_agent_service_pb2.DESCRIPTOR, "HostAgentService", "ListEnrollmentProfiles")
"""Whoever may list the profiles by which agents enroll may know how to install one."""
AGENT_SCRIPT = "install-agent.sh"
FOLDER = "/install"
HEADERS: Mapping[str, str] = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


class InstallerLocation(msgspec.Struct):
    """Where an installer is, and how to know that it is the right one."""

    url: str
    sha256: str
    version: str


class AgentInstallers(msgspec.Struct):
    """The installers of the deployment."""

    linux: InstallerLocation
    windows: InstallerLocation | None
    endpoint: str


async def answer_installers(request: Request) -> web.Response:
    """17.2 `GET /api/deployments/agent-installer`."""
    await request.core.check_access(MAY_INSTALL, request.metadata, rates=request.rates)
    config: Config = request.services.config
    endpoint = config.base_url or find_origin(request.http, config.trusted_proxies)
    linux = locate(config.linux_installer) or await locate_own(endpoint)
    return json_response(AgentInstallers(linux, locate(config.windows_installer), endpoint))


def locate(installer: Installer | None) -> InstallerLocation | None:
    """An installer that the operator names."""
    return None if installer is None else InstallerLocation(installer.url, installer.sha256, installer.version)


async def locate_own(endpoint: str) -> InstallerLocation:
    """The script that the deployment itself serves."""
    installation = await asyncio.to_thread(build_installation)
    return InstallerLocation(f"{endpoint}{FOLDER}/{AGENT_SCRIPT}", installation.scripts[AGENT_SCRIPT].sha256, installation.version)


async def answer_script(request: Request) -> web.Response:
    """17.4 a script."""
    installation = await asyncio.to_thread(build_installation)
    return file_response(installation.scripts[request.http.rel_url.path.rpartition("/")[2]])


async def answer_package(request: Request) -> web.Response:
    """17.4 the package."""
    file = (await asyncio.to_thread(build_installation)).packages.get(request.key("package"))
    if file is None:
        raise Failure(Reason.NOT_FOUND, "No such file; an installation script names the one that fits it.")
    return file_response(file)


def file_response(file: File) -> web.Response:
    """A file as it is."""
    return web.Response(body=file.content, headers={"Content-Type": file.media_type, **HEADERS})


INSTALLATION_ROUTES: Sequence[Route] = (
    Route(
        method="GET",
        path="/api/deployments/agent-installer",
        heading="Read the agent installers",
        rpc=MAY_INSTALL,
        handle=answer_installers,
        answer=AgentInstallers,
    ),
    *(
        Route(method="GET", path=f"{FOLDER}/{name}", heading="Installation scripts", handle=answer_script, media_type=SCRIPT_TYPE)
        for name in (AGENT_SCRIPT, "install-collector.sh")
    ),
    Route(method="GET", path=f"{FOLDER}/{{package:key}}", heading="Installation package", handle=answer_package, media_type=PACKAGE_TYPE),
)
