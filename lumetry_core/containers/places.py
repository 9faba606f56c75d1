"""Where a container runtime may be, and what is known of it."""

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

DOCKER_SOCKET = "/var/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"
PLAIN_PORT, TLS_PORT = 2375, 2376
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where Kubernetes puts the token of a pod's service account."""
NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
TCP = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?/?")

T = TypeVar("T")


class RuntimeFault(StrEnum):
    """Why there is no connection."""

    DISABLED = "disabled"
    NOT_FOUND = "not_found"
    PERMISSION_DENIED = "permission_denied"
    UNREACHABLE = "unreachable"
    TLS_ERROR = "tls_error"


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """How to reach a cluster, and which part of it to watch."""

    host: str = ""
    """Of the API server as pods know it; empty outside of a cluster."""
    port: str = ""
    service_account: str = SERVICE_ACCOUNT
    """Folder of `token` and `ca.crt`."""
    kubeconfig: str = ""
    """Files, separated as in `PATH`; empty: the one in the home folder."""
    namespaces: tuple[str, ...] = ()
    """Only these; none: all."""
    excluded_namespaces: tuple[str, ...] = ()


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
    kubernetes: KubernetesSettings = KubernetesSettings()
    has_kubernetes: bool = field(default=False, compare=False)
    """Whether the package extra is installed, which nobody sets."""

    def __post_init__(self) -> None:
        if self.runtime not in ("auto", "docker", "kubernetes", "none"):
            raise ValueError("LUMETRY_RUNTIME must be auto, docker, kubernetes or none")
        if self.runtime == "kubernetes" and not self.has_kubernetes:
            raise ValueError(
                "LUMETRY_RUNTIME=kubernetes needs the package extra `kubernetes`, which is not installed: pip install 'lumetry[kubernetes]'"
            )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place where a runtime may be: a socket's path, or host and port; or a cluster of Kubernetes."""

    address: str
    """As `DOCKER_HOST` spells it; of a cluster its URL, or the file that names it."""
    socket: str = ""
    host: str = ""
    port: int = 0
    tls: bool = False
    verify: bool = False
    cert_path: str = ""
    kubernetes: KubernetesSettings | None = None
    """Of a cluster: how to reach it, by the service account if there is a host, else by the file."""

    @property
    def runtime_type(self) -> str:
        """`docker` or `kubernetes`."""
        return "docker" if self.kubernetes is None else "kubernetes"


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What answered."""

    name: str
    """`docker`, `podman` or `kubernetes`."""
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

    engine: EngineIdentity | None
    address: str
    """Where it is or should be; empty when there is no such place."""
    detect_time: datetime | None
    """First successful connection of this process."""
    fault: RuntimeFault | None = None
    message: str = ""
    runtime_type: str = "docker"
    """`docker` or `kubernetes`; without any runtime it would be Docker."""


def read_settings(environ: Mapping[str, str], *, has_extra: bool | None = None) -> RuntimeSettings:
    """The settings of the environment. Docker's own variables keep Docker's meaning: any text in `DOCKER_TLS_VERIFY` is yes.

    Args:
        environ: The environment.
        has_extra: Whether the package extra `kubernetes` is installed; None: look.

    Raises:
        ValueError: They cannot be used; the message names the variable.
    """
    return RuntimeSettings(
        runtime=environ.get("LUMETRY_RUNTIME", "").strip() or "auto",
        docker_host=environ.get("DOCKER_HOST", "").strip(),
        docker_tls_verify=bool(environ.get("DOCKER_TLS_VERIFY", "")),
        docker_cert_path=environ.get("DOCKER_CERT_PATH", "").strip(),
        runtime_dir=environ.get("XDG_RUNTIME_DIR", "").strip(),
        kubernetes=read_kubernetes(environ),
        has_kubernetes=find_extra() if has_extra is None else has_extra,
    )


def find_extra() -> bool:
    """Whether the package extra `kubernetes` is installed."""
    return importlib.util.find_spec("kubernetes_asyncio") is not None


def read_kubernetes(environ: Mapping[str, str]) -> KubernetesSettings:
    """How to reach a cluster.

    Raises:
        ValueError: They cannot be used; the message names the variable.
    """
    namespaces = read_namespaces(environ, "LUMETRY_K8S_NAMESPACES")
    excluded = read_namespaces(environ, "LUMETRY_K8S_EXCLUDE_NAMESPACES")
    if namespaces and not set(namespaces) - set(excluded):
        raise ValueError("LUMETRY_K8S_EXCLUDE_NAMESPACES leaves nothing of LUMETRY_K8S_NAMESPACES")
    return KubernetesSettings(
        host=environ.get("KUBERNETES_SERVICE_HOST", "").strip(),
        port=environ.get("KUBERNETES_SERVICE_PORT", "").strip(),
        kubeconfig=environ.get("KUBECONFIG", "").strip(),
        namespaces=namespaces,
        excluded_namespaces=excluded,
    )


def read_namespaces(environ: Mapping[str, str], variable: str) -> tuple[str, ...]:
    """Names of namespaces, separated by commas; each once.

    Raises:
        ValueError: One cannot be a namespace's name.
    """
    names = tuple(dict.fromkeys(name for name in (part.strip() for part in environ.get(variable, "").split(",")) if name))
    if not all(NAMESPACE.fullmatch(name) for name in names):
        raise ValueError(f"{variable} must be names of namespaces, separated by commas")
    return names


def list_candidates(settings: RuntimeSettings) -> Sequence[Candidate]:
    """The places to try, in order. Whoever names Docker and its host wants no other; who names Kubernetes wants nothing else.

    Raises:
        EngineError: `DOCKER_HOST` cannot be read.
    """
    pod, person = list_clusters(settings)
    if settings.runtime == "kubernetes":
        return [*pod, *person]
    if settings.runtime == "docker":
        pod, person = [], []
    named = [parse_address(settings)] if settings.docker_host else []
    if named and settings.runtime == "docker":
        return named
    sockets = [DOCKER_SOCKET, *([f"{settings.runtime_dir}/podman/podman.sock"] if settings.runtime_dir else []), PODMAN_SOCKET]
    return [*named, *pod, *(Candidate(f"unix://{path}", socket=path) for path in sockets), *person]


def list_clusters(settings: RuntimeSettings) -> tuple[list[Candidate], list[Candidate]]:
    """The cluster that this process runs in, if it does, and the one that a person named; neither without the package extra."""
    if not settings.has_kubernetes:
        return [], []
    found = settings.kubernetes
    host = f"[{found.host}]" if ":" in found.host else found.host
    pod = [Candidate(f"https://{host}:{found.port}", kubernetes=found)] if found.host and found.port else []
    file = found.kubeconfig or str(Path.home() / ".kube" / "config")
    return pod, [Candidate(file, kubernetes=replace(found, host="", port="", kubeconfig=file))]


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


def most_telling(failures: Sequence[tuple[T, EngineError]]) -> tuple[T | None, EngineError]:
    """Of what went wrong, by place, the first thing that is more than one missing socket of many; it is what the operator can mend."""
    for candidate, failure in failures:
        if len(failures) == 1 or failure.fault is not RuntimeFault.NOT_FOUND:
            return candidate, failure
    return None, EngineError(RuntimeFault.NOT_FOUND, "No container runtime was found.")
