"""The seam to a container runtime: what Lumetry asks of one, and the words in which it answers. Everything here only reads."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from lumetry_core.containers.places import EngineIdentity


class Stream(StrEnum):
    """Where a container wrote a line to; a terminal has only one stream."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The host of the engine."""

    cpu_count: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A container as lists tell it."""

    external_id: str
    name: str
    image: str
    state: str
    """The engine's word."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What Kubernetes tells of one that is seen as one container: a controller with its pods."""

    kind: str
    """Of its controller, for example `Deployment`; `Pod` without one."""
    namespace: str
    unit: str
    """Name of the controller."""
    pod_count: int
    """Pods that there are or should be, whichever is more."""
    ready_count: int
    container_names: tuple[str, ...] = ()
    """Of its pods, the one that counts first."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A container as it is now, in the engine's words where it has some."""

    external_id: str
    name: str
    image: str
    """As the container was made of it, for example `nginx:1.27`."""
    image_id: str
    state: str
    health: str = ""
    """`healthy`, `unhealthy` or `starting`; empty without a check."""
    has_health_check: bool = False
    exit_code: int | None = None
    """Of the last run; None while it runs, and before the first."""
    oom_killed: bool = False
    error: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    has_terminal: bool = False
    start_time: datetime | None = None
    """Last start."""
    finish_time: datetime | None = None
    """Last end."""
    image_digests: Sequence[str] = ()
    """As registries know its image; who looks at a container asks the engine for them apart."""
    workload: Workload | None = None
    """Of Kubernetes alone."""


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """Something that happened to a container, as the engine told it."""

    action: str
    """`create`, `start`, `die`, `stop`, `pause`, `unpause`, `destroy`, `rename`, `oom` or `health_status`; others exist.

    `update`: it is not as it was, and a look tells how; what does not tell steps does so.
    """
    external_id: str
    name: str
    time: datetime
    """By the engine's clock."""
    exit_code: int | None = None
    """Of `die`."""
    health: str = ""
    """Of `health_status`."""
    has_ended: bool = False
    """Of `update`: it ran before and does not now."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a container wrote, without its line end."""

    text: str
    stream: Stream
    time: datetime | None
    spelled_time: str = ""
    """As the engine spells it, with all its digits."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What a running container has used; everything but memory counts up from its start."""

    time: datetime
    cpu_total_ns: int
    """CPU time of the container, of all cores."""
    cpu_system_ns: int
    """CPU time of the host, of all cores; 0 where the engine does not tell."""
    online_cpus: int
    memory_usage: int
    memory_inactive_file: int
    """File cache that could be dropped, part of the usage."""
    memory_limit: int
    """0 means none."""
    net_rx_bytes: int
    net_tx_bytes: int
    block_read_bytes: int
    block_write_bytes: int


@dataclass(frozen=True, slots=True)
class Image:
    """An image that lies on the host."""

    id: str
    digests: Sequence[str]
    """As registries know it, for example `docker.io/library/nginx@sha256:…`; none of an image that was built here."""
    tags: Sequence[str]


class RefusedError(Exception):
    """The engine answered, but not with what was asked for. The message is for people."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Engine(Protocol):
    """A runtime that is connected.

    Every call raises `EngineError` when the runtime cannot be reached (any more) and `RefusedError` when it answers with a failure.
    """

    @property
    def identity(self) -> EngineIdentity:
        """Who it is."""

    @property
    def address(self) -> str:
        """Where it is."""

    async def info(self) -> EngineInfo:
        """The host that containers share."""

    async def list_containers(self) -> Sequence[Listed]:
        """All containers, those that do not run included."""

    async def inspect(self, external_id: str) -> Inspected | None:
        """One container; None when there is none (any more)."""

    def events(self) -> AbstractAsyncContextManager[AsyncIterator[EngineEvent]]:
        """What happens to containers from the moment that the block begins. The iterator ends when the engine closes."""

    async def stats(self, external_id: str) -> Stats | None:
        """What a container has used; None when it does not run."""

    def logs(
        self,
        external_id: str,
        *,
        lines: int | None,
        since: datetime | None = None,
        follow: bool = False,
        container: str = "",
        previous: bool = False,
    ) -> AbstractAsyncContextManager[AsyncIterator[LogLine]]:
        """The last lines of a container's log, and with `follow` those that come until it stops.

        Args:
            external_id: Whose log.
            lines: At most so many of those that exist; None: all of them.
            since: Only lines from this time on.
            follow: Wait for more.
            container: One of those of a workload; empty: the one that counts. Means nothing to engines whose containers are single.
            previous: Of the run before the present one, where the engine keeps runs apart.
        """

    async def inspect_image(self, image: str) -> Image | None:
        """An image by id or name; None when the host has none such."""

    async def close(self) -> None:
        """Ends the connection."""
