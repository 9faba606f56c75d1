"""What the Docker Engine API answers, as far as it is read, and what it means."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from lumetry_core.containers.engine import EngineEvent, EngineInfo, Image, Inspected, Listed, Stats
from lumetry_core.containers.log_frames import read_time
from lumetry_core.containers.places import EngineIdentity
from lumetry_core.runtime.clock import from_ms

PODMAN = "Podman Engine"
NEVER_EXITED = frozenset({"created", "running", "paused"})
"""States in which an exit code says nothing, or tells of an earlier run."""


class Component(msgspec.Struct, rename="pascal"):
    """A part of the engine."""

    name: str = ""


class VersionAnswer(msgspec.Struct, rename="pascal"):
    """`GET /version`."""

    version: str
    api_version: str
    components: list[Component] | None = None

    def read(self) -> EngineIdentity:
        """Who answered."""
        is_podman = any(component.name == PODMAN for component in self.components or ())
        return EngineIdentity("podman" if is_podman else "docker", self.version, self.api_version)


class InfoAnswer(msgspec.Struct):
    """`GET /info`."""

    cpu_count: int = msgspec.field(name="NCPU", default=0)
    memory_bytes: int = msgspec.field(name="MemTotal", default=0)

    def read(self) -> EngineInfo:
        """The host."""
        return EngineInfo(self.cpu_count, self.memory_bytes)


class ListedAnswer(msgspec.Struct, rename="pascal"):
    """One of `GET /containers/json`."""

    id: str
    names: list[str] | None = None
    image: str = ""
    state: str = ""

    def read(self) -> Listed:
        """The container. A linked container has further names, with slashes inside."""
        own = [name.removeprefix("/") for name in self.names or () if "/" not in name.removeprefix("/")]
        return Listed(self.id, own[0] if own else self.id[:12], self.image, self.state)


class HealthAnswer(msgspec.Struct, rename="pascal"):
    """Health of a container."""

    status: str = ""


class StateAnswer(msgspec.Struct, rename="pascal"):
    """State of a container."""

    status: str = ""
    exit_code: int = 0
    oom_killed: bool = msgspec.field(name="OOMKilled", default=False)
    error: str = ""
    started_at: str = ""
    finished_at: str = ""
    health: HealthAnswer | None = None


class HealthcheckAnswer(msgspec.Struct, rename="pascal"):
    """What a container checks itself with."""

    test: list[str] | None = None


class ConfigAnswer(msgspec.Struct, rename="pascal"):
    """What a container was made of."""

    image: str = ""
    labels: dict[str, str] | None = None
    tty: bool = False
    healthcheck: HealthcheckAnswer | None = None


class InspectAnswer(msgspec.Struct, rename="pascal"):
    """`GET /containers/{id}/json`."""

    id: str
    name: str = ""
    image: str = ""
    state: StateAnswer = msgspec.field(default_factory=StateAnswer)
    config: ConfigAnswer = msgspec.field(default_factory=ConfigAnswer)

    def read(self) -> Inspected:
        """The container. Docker says `none`, and Podman nothing, of a container without a check."""
        state = self.state
        health = state.health.status if state.health else ""
        check = self.config.healthcheck.test if self.config.healthcheck else None
        has_check = health not in ("", "none") or bool(check and check != ["NONE"])
        return Inspected(
            external_id=self.id,
            name=self.name.removeprefix("/") or self.id[:12],
            image=self.config.image or self.image,
            image_id=self.image,
            state=state.status,
            health=health if health in ("healthy", "unhealthy", "starting") else "",
            has_health_check=has_check,
            exit_code=None if state.status in NEVER_EXITED else state.exit_code,
            oom_killed=state.oom_killed,
            error=state.error,
            labels=self.config.labels or {},
            has_terminal=self.config.tty,
            start_time=read_time(state.started_at),
            finish_time=read_time(state.finished_at),
        )


class ActorAnswer(msgspec.Struct, rename="pascal"):
    """Whom an event is about."""

    id: str = msgspec.field(name="ID", default="")
    attributes: dict[str, str] | None = None


class EventAnswer(msgspec.Struct):
    """One of `GET /events`."""

    type: str = msgspec.field(name="Type", default="")
    action: str = msgspec.field(name="Action", default="")
    actor: ActorAnswer = msgspec.field(name="Actor", default_factory=ActorAnswer)
    time: int = 0
    time_nano: int = msgspec.field(name="timeNano", default=0)

    def read(self) -> EngineEvent | None:
        """The event; None when it is not about a container."""
        if self.type != "container" or not self.actor.id:
            return None
        attributes = self.actor.attributes or {}
        action, _, rest = self.action.partition(": ")
        code = attributes.get("exitCode") or attributes.get("containerExitCode") or ""
        return EngineEvent(
            action=ALIASES.get(action, action),
            external_id=self.actor.id,
            name=attributes.get("name", "").removeprefix("/"),
            time=from_ms(self.time_nano // 1_000_000 or self.time * 1000),
            exit_code=int(code) if code.lstrip("-").isdecimal() else None,
            health=(rest or attributes.get("health_status", "")) if action == "health_status" else "",
        )


ALIASES: Mapping[str, str] = {"died": "die", "remove": "destroy"}
"""What Podman's own words are in Docker's."""


class ImageAnswer(msgspec.Struct, rename="pascal"):
    """`GET /images/{name}/json`."""

    id: str
    repo_digests: list[str] | None = None
    repo_tags: list[str] | None = None

    def read(self) -> Image:
        """The image."""
        return Image(self.id, tuple(self.repo_digests or ()), tuple(self.repo_tags or ()))


class CpuUsage(msgspec.Struct):
    """CPU time."""

    total_usage: int = 0
    percpu_usage: list[int] | None = None


class CpuStats(msgspec.Struct):
    """CPU of a container and its host."""

    cpu_usage: CpuUsage = msgspec.field(default_factory=CpuUsage)
    system_cpu_usage: int = 0
    online_cpus: int = 0


class MemoryStats(msgspec.Struct):
    """Memory of a container."""

    usage: int = 0
    limit: int = 0
    stats: dict[str, Any] | None = None


class NetworkStats(msgspec.Struct):
    """One network of a container."""

    rx_bytes: int = 0
    tx_bytes: int = 0


class BlockEntry(msgspec.Struct):
    """What one device moved."""

    op: str = ""
    value: int = 0


class BlockStats(msgspec.Struct):
    """All devices."""

    io_service_bytes_recursive: list[BlockEntry] | None = None


class StatsAnswer(msgspec.Struct):
    """`GET /containers/{id}/stats`."""

    read: str = ""
    cpu_stats: CpuStats = msgspec.field(default_factory=CpuStats)
    memory_stats: MemoryStats = msgspec.field(default_factory=MemoryStats)
    networks: dict[str, NetworkStats] | None = None
    blkio_stats: BlockStats = msgspec.field(default_factory=BlockStats)

    def read_stats(self) -> Stats | None:
        """What the container has used; None of one that does not run, which has no time."""
        moment = read_time(self.read)
        if moment is None:
            return None
        cpu, memory = self.cpu_stats, self.memory_stats
        networks = (self.networks or {}).values()
        return Stats(
            time=moment,
            cpu_total_ns=cpu.cpu_usage.total_usage,
            cpu_system_ns=cpu.system_cpu_usage,
            online_cpus=cpu.online_cpus or len(cpu.cpu_usage.percpu_usage or ()) or 1,
            memory_usage=memory.usage,
            memory_inactive_file=inactive_file(memory.stats or {}),
            memory_limit=memory.limit,
            net_rx_bytes=sum(network.rx_bytes for network in networks),
            net_tx_bytes=sum(network.tx_bytes for network in networks),
            block_read_bytes=self._moved("read"),
            block_write_bytes=self._moved("write"),
        )

    def _moved(self, operation: str) -> int:
        entries: Sequence[BlockEntry] = self.blkio_stats.io_service_bytes_recursive or ()
        return sum(entry.value for entry in entries if entry.op.lower() == operation)


def inactive_file(stats: Mapping[str, Any]) -> int:
    """File cache that could be dropped: under the name of the first version of control groups, else of the second."""
    value = stats.get("total_inactive_file", stats.get("inactive_file", 0))
    return value if isinstance(value, int) else 0


def unix_seconds(moment: datetime) -> str:
    """A time as parameters of the engine spell it."""
    return f"{moment.timestamp():.3f}"
