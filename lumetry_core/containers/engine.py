"""A client of the Docker Engine API, which Podman serves as well. It reads and never changes anything."""

import grp
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec

from lumetry_core.containers.model import Candidate, Engine, EngineError, RuntimeFault

TIMEOUT_SECONDS = 2.0
MAX_ANSWER_BYTES = 256 * 1024
PODMAN = "Podman Engine"


class Component(msgspec.Struct, rename="pascal"):
    """A part of the engine."""

    name: str = ""


class VersionAnswer(msgspec.Struct, rename="pascal"):
    """What `GET /version` answers."""

    version: str
    api_version: str
    components: list[Component] | None = None


version_decoder = msgspec.json.Decoder(VersionAnswer)


async def ask_version(candidate: Candidate, timeout_seconds: float = TIMEOUT_SECONDS) -> Engine:
    """Asks who is there.

    Raises:
        EngineError: Nobody who can be used.
    """
    try:
        async with open_session(candidate, timeout_seconds) as session, session.get("/version", allow_redirects=False) as response:
            if response.status != 200:
                raise EngineError(RuntimeFault.UNREACHABLE, f"{candidate.address} answered with status {response.status}.")
            content = await response.content.read(MAX_ANSWER_BYTES)
            while not response.content.at_eof() and len(content) < MAX_ANSWER_BYTES:
                content += await response.content.read(MAX_ANSWER_BYTES - len(content))
        answer = version_decoder.decode(content)
    except aiohttp.ClientSSLError as error:
        raise EngineError(
            RuntimeFault.TLS_ERROR, f"{candidate.address} and this process do not accept each other's certificates."
        ) from error
    except (PermissionError, FileNotFoundError, aiohttp.ClientConnectorError) as error:
        raise explain(candidate, error) from error
    except TimeoutError as error:
        raise EngineError(RuntimeFault.UNREACHABLE, f"{candidate.address} did not answer within {timeout_seconds:g} s.") from error
    except (aiohttp.ClientError, OSError, msgspec.MsgspecError) as error:
        raise EngineError(RuntimeFault.UNREACHABLE, f"{candidate.address} does not answer as a container runtime.") from error
    is_podman = any(component.name == PODMAN for component in answer.components or ())
    return Engine("podman" if is_podman else "docker", answer.version, answer.api_version)


@asynccontextmanager
async def open_session(candidate: Candidate, timeout_seconds: float) -> AsyncIterator[aiohttp.ClientSession]:
    """A session whose relative addresses are the engine's."""
    if candidate.socket:
        connector: aiohttp.BaseConnector = aiohttp.UnixConnector(candidate.socket)
        base = "http://engine"
    else:
        connector = aiohttp.TCPConnector(ssl=build_tls(candidate) if candidate.tls else True)
        base = f"{'https' if candidate.tls else 'http'}://{candidate.host}:{candidate.port}"
    timeout = aiohttp.ClientTimeout(total=timeout_seconds)
    async with aiohttp.ClientSession(base, connector=connector, timeout=timeout) as session:
        yield session


def build_tls(candidate: Candidate) -> ssl.SSLContext:
    """The client's certificate and whom it trusts.

    Raises:
        EngineError: The files cannot be used.
    """
    folder = Path(candidate.cert_path)
    try:
        context = ssl.create_default_context(cafile=folder / "ca.pem" if candidate.verify else None)
        if not candidate.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    except (OSError, ssl.SSLError) as error:
        raise EngineError(RuntimeFault.TLS_ERROR, f"The certificates in {folder} cannot be used.") from error
    return context


def explain(candidate: Candidate, error: OSError | aiohttp.ClientConnectorError) -> EngineError:
    """What a connection that was not made means."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, PermissionError):
        owner = owner_of(candidate.socket)
        return EngineError(RuntimeFault.PERMISSION_DENIED, f"{candidate.socket} may not be opened; it belongs to {owner}.")
    if isinstance(cause, FileNotFoundError):
        return EngineError(RuntimeFault.NOT_FOUND, f"{candidate.address} does not exist.")
    return EngineError(RuntimeFault.UNREACHABLE, f"Nothing can be reached at {candidate.address}.")


def owner_of(path: str) -> str:
    """The group that owns a socket; the folder above may hide it."""
    try:
        number = Path(path).stat().st_gid
    except OSError:
        return "a group that cannot be read"
    try:
        return f"the group {grp.getgrgid(number).gr_name}"
    except KeyError:
        return f"the group {number}"
