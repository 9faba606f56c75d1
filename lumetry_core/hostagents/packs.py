"""Rule packs: which there are, what they collect, and which of them an agent is to use (contract lumetry 17.1, 17.2)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from lumetry_core.hostagents.drafts import is_text
from lumetry_core.hostagents.model import Os
from lumetry_core.runtime.errors import Faults

DEFAULT_INTERVAL_SECONDS = 60
MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS = 10, 3600
MAX_ALWAYS = 100
MAX_EXECUTABLE = 255
PROCESS_PACK = "process"
PROCESS_METRICS = ("process.cpu.percent", "process.memory.percent", "process.rss.bytes")
EXECUTABLE_LABEL = "process.executable"
LINUX_METRICS = (
    "host.cpu.percent",
    "host.memory.percent",
    "host.load1",
    "host.disk.used_percent",
    "host.network.rx_bytes_per_second",
    "host.network.tx_bytes_per_second",
)
WINDOWS_METRICS = tuple(metric for metric in LINUX_METRICS if metric != "host.load1")


@dataclass(frozen=True, slots=True)
class Pack:
    """A collection profile."""

    id: str
    name: str
    version: int
    description: str
    metrics: tuple[str, ...]
    os: Os | None = None
    """None: all."""
    software: str | None = None
    """Only where it was found; None: everywhere."""


PACKS: Mapping[str, Pack] = {
    pack.id: pack
    for pack in (
        Pack("host.linux", "Linux host", 1, "Processor, memory, load, disks and network of a Linux host.", LINUX_METRICS, Os.LINUX),
        Pack("host.windows", "Windows host", 1, "Processor, memory, disks and network of a Windows host.", WINDOWS_METRICS, Os.WINDOWS),
        Pack("iis", "IIS", 1, "The processes of Internet Information Services.", PROCESS_METRICS, Os.WINDOWS, "iis"),
        Pack("mssql", "Microsoft SQL Server", 1, "The processes of Microsoft SQL Server.", PROCESS_METRICS, None, "mssql"),
        Pack("mysql", "MySQL and MariaDB", 1, "The processes of MySQL and MariaDB.", PROCESS_METRICS, None, "mysql"),
        Pack("nginx", "nginx", 1, "The processes of nginx.", PROCESS_METRICS, None, "nginx"),
        Pack("postgres", "PostgreSQL", 1, "The processes of PostgreSQL.", PROCESS_METRICS, None, "postgres"),
        Pack(PROCESS_PACK, "Processes", 1, "The busiest processes of a host, and those that are always to be collected.", PROCESS_METRICS),
    )
}
"""The built-in packs, ascending by identity."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How an organization has a pack used."""

    is_enabled: bool = True
    interval_seconds: int | None = None
    """None: the default."""
    always_collect: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UsedPack:
    """A pack with how it is used."""

    pack: Pack
    usage: Usage


@dataclass(frozen=True, slots=True)
class WantedPack:
    """A pack as an agent is told to use it."""

    pack_id: str
    version: int
    metrics: tuple[str, ...]
    interval_seconds: int
    always_collect: tuple[str, ...] = field(default_factory=tuple)


def choose_packs(usages: Mapping[str, Usage], os: str, detected_software: Collection[str]) -> list[WantedPack]:
    """The packs that an agent is to use, ascending by identity.

    What any of them always collects is collected by the pack of processes.
    """
    found = {name.lower() for name in detected_software}
    chosen = [
        (pack, usage)
        for pack in PACKS.values()
        if (usage := usages.get(pack.id, Usage())).is_enabled
        and (pack.os is None or pack.os == os)
        and (pack.software is None or pack.software in found)
    ]
    always = tuple(sorted({executable for _, usage in chosen for executable in usage.always_collect}))
    return [
        WantedPack(
            pack.id,
            pack.version,
            pack.metrics,
            usage.interval_seconds or DEFAULT_INTERVAL_SECONDS,
            always if pack.id == PROCESS_PACK else (),
        )
        for pack, usage in chosen
    ]


def check_usage(usage: Usage) -> Usage:
    """How a pack is to be used, as it is kept: executables once each, in order. Fails with VALIDATION_FAILED, naming every fault."""
    faults = Faults()
    seconds = usage.interval_seconds
    fits = seconds is None or MIN_INTERVAL_SECONDS <= seconds <= MAX_INTERVAL_SECONDS
    faults.check_range(fits, "intervalSecondsOverride", f"must be between {MIN_INTERVAL_SECONDS} and {MAX_INTERVAL_SECONDS}")
    faults.check(len(usage.always_collect) <= MAX_ALWAYS, "alwaysCollectProcesses", f"must have at most {MAX_ALWAYS} elements")
    names = [name.strip() for name in usage.always_collect]
    for position, name in enumerate(names[:MAX_ALWAYS]):
        path = f"alwaysCollectProcesses[{position}]"
        faults.check(is_text(name, MAX_EXECUTABLE), path, f"must have 1 to {MAX_EXECUTABLE} printable characters")
    faults.raise_if_any()
    return Usage(usage.is_enabled, seconds, tuple(sorted(set(names))))


def revision_of_usage(used: UsedPack) -> dict[str, object]:
    """What audit and revisions keep of how a pack is used, under the contract's names."""
    return {
        "packId": used.pack.id,
        "enabled": used.usage.is_enabled,
        "intervalSecondsOverride": used.usage.interval_seconds,
        "alwaysCollectProcesses": list(used.usage.always_collect),
    }
