"""Where a container runtime may be, and what is known of it."""

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

DOCKER_SOCKET = "/var/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"
PLAIN_PORT, TLS_PORT = 2375, 2376
KUBERNETES_MODULE = "kubernetes_asyncio"
"""What the package extra `kubernetes` installs."""
TCP = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?/?")


class RuntimeFault(StrEnum):
    """Why there is no connection."""

    DISABLED = "disabled"
    NOT_FOUND = "not_found"
    PERMISSION_DENIED = "permission_denied"
    UNREACHABLE = "unreachable"
    TLS_ERROR = "tls_error"


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """What the operator says of the container runtime."""

    runtime: str = "auto"
    """`auto`, `docker`, `kubernetes` or `none`."""
    docker_host: str = ""
    docker_tls_verify: bool = False
    docker_cert_path: str = ""
    """Folder of `ca.pem`, `cert.pem` and `key.pem`."""
    runtime_dir: str = ""
    """Where the user's own sockets are."""

    def __post_init__(self) -> None:
        if self.runtime not in ("auto", "docker", "kubernetes", "none"):
            raise ValueError("LUMETRY_RUNTIME must be auto, docker, kubernetes or none")
        if self.runtime == "kubernetes" and importlib.util.find_spec(KUBERNETES_MODULE) is None:
            raise ValueError("LUMETRY_RUNTIME=kubernetes needs the package extra `kubernetes`, which is not installed")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place where a runtime may be: a socket's path, or host and port."""

    address: str
    """As `DOCKER_HOST` spells it."""
    socket: str = ""
    host: str = ""
    port: int = 0
    tls: bool = False
    verify: bool = False
    cert_path: str = ""


@dataclass(frozen=True, slots=True)
class Engine:
    """What answered."""

    name: str
    """`docker` or `podman`."""
    version: str
    api_version: str


class EngineError(Exception):
    """A runtime that cannot be used, and why; the message is for people."""

    def __init__(self, fault: RuntimeFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """What is known of the runtime. Either `engine` or `fault` is there."""

    engine: Engine | None
    address: str
    """Where it is or should be; empty when there is no such place."""
    detect_time: datetime | None
    """First successful connection of this process."""
    fault: RuntimeFault | None = None
    message: str = ""


def read_settings(environ: Mapping[str, str]) -> RuntimeSettings:
    """The settings of the environment. Docker's own variables keep Docker's meaning: any text in `DOCKER_TLS_VERIFY` is yes.

    Raises:
        ValueError: They cannot be used; the message names the variable.
    """
    return RuntimeSettings(
        runtime=environ.get("LUMETRY_RUNTIME", "").strip() or "auto",
        docker_host=environ.get("DOCKER_HOST", "").strip(),
        docker_tls_verify=bool(environ.get("DOCKER_TLS_VERIFY", "")),
        docker_cert_path=environ.get("DOCKER_CERT_PATH", "").strip(),
        runtime_dir=environ.get("XDG_RUNTIME_DIR", "").strip(),
    )


def list_candidates(settings: RuntimeSettings) -> Sequence[Candidate]:
    """The places to try, in order. Whoever names Docker and its host wants no other.

    Raises:
        EngineError: `DOCKER_HOST` cannot be read.
    """
    named = [parse_address(settings)] if settings.docker_host else []
    if named and settings.runtime == "docker":
        return named
    sockets = [DOCKER_SOCKET, *([f"{settings.runtime_dir}/podman/podman.sock"] if settings.runtime_dir else []), PODMAN_SOCKET]
    return [*named, *(Candidate(f"unix://{path}", socket=path) for path in sockets)]


def parse_address(settings: RuntimeSettings) -> Candidate:
    """Reads `DOCKER_HOST`.

    Raises:
        EngineError: It is neither a socket nor a TCP address.
    """
    scheme, _, rest = settings.docker_host.partition("://")
    if scheme == "unix" and rest.startswith("/"):
        return Candidate(settings.docker_host, socket=rest)
    match = TCP.fullmatch(rest) if scheme == "tcp" else None
    tls = settings.docker_tls_verify or bool(settings.docker_cert_path)
    port = int(match["port"] or (TLS_PORT if tls else PLAIN_PORT)) if match else 0
    if match is None or not 0 < port < 65_536:
        raise EngineError(RuntimeFault.UNREACHABLE, "DOCKER_HOST must look like unix:///path or tcp://host:port.")
    return Candidate(
        f"tcp://{match['host']}:{port}",
        host=match["host"],
        port=port,
        tls=tls,
        verify=settings.docker_tls_verify,
        cert_path=settings.docker_cert_path or str(Path.home() / ".docker"),
    )


def most_telling(failures: Sequence[tuple[str, EngineError]]) -> tuple[str, EngineError]:
    """Of what went wrong, by address, the first thing that is more than one missing socket of many; it is what the operator can mend."""
    for address, failure in failures:
        if len(failures) == 1 or failure.fault is not RuntimeFault.NOT_FOUND:
            return address, failure
    return "", EngineError(RuntimeFault.NOT_FOUND, "No container runtime was found.")
