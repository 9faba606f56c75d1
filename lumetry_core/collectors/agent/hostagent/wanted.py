"""What the product wants of an agent, and the points that each pack makes of readings. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as agents_pb
from lumetry_core.collectors.agent.hostagent.software import EXECUTABLES
from lumetry_core.collectors.agent.hostagent.usage import Usage
from lumetry_core.collectors.agent.reading import Sample

HOST_PACKS = frozenset({"host.linux", "host.windows"})
PROCESS_PACK = "process"
EXECUTABLE_LABEL = "process.executable"
LEAST_INTERVAL_SECONDS = 10
DEFAULT_MAX_SERIES = 2000
"""Contract lumetry 20; it counts until the product has said another."""


class Pack(msgspec.Struct, frozen=True):
    """A pack to use."""

    pack_id: str
    version: int
    metrics: frozenset[str]
    interval_seconds: int
    always_collect: frozenset[str] = frozenset()
    """Executables, in lower case."""

    @property
    def is_of_host(self) -> bool:
        """Whether it collects metrics of the host as a whole."""
        return self.pack_id in HOST_PACKS

    @property
    def is_known(self) -> bool:
        """Whether this agent can collect anything for it."""
        return self.is_of_host or self.pack_id == PROCESS_PACK or self.pack_id in EXECUTABLES


class Wanted(msgspec.Struct, frozen=True):
    """The newest answer to a heartbeat; it is kept on disk, so that an agent that starts while the product is away goes on as before."""

    enabled: bool = True
    packs: tuple[Pack, ...] = ()
    labels: Mapping[str, str] = {}
    max_series: int = DEFAULT_MAX_SERIES
    config_revision: int = 0

    @property
    def active(self) -> Sequence[Pack]:
        """The packs that collect something now."""
        return [pack for pack in self.packs if pack.is_known] if self.enabled else []


def select_host_samples(pack: Pack, samples: Iterable[Sample]) -> Iterator[Sample]:
    """Those of a host's samples that its pack names."""
    return (sample for sample in samples if sample.metric_key in pack.metrics)


def select_process_samples(pack: Pack, usages: Iterable[Usage], busiest: AbstractSet[str]) -> Iterator[Sample]:
    """The samples of processes that a pack names: those of its software or, of the general one, the busiest and those always wanted."""
    software = EXECUTABLES.get(pack.pack_id)
    for usage in usages:
        name = usage.executable.lower()
        if name in software if software is not None else (usage.executable in busiest or name in pack.always_collect):
            yield from (sample for sample in sample_usage(usage) if sample.metric_key in pack.metrics)


def sample_usage(usage: Usage) -> Iterator[Sample]:
    """What the processes of one executable use, as points (names: contract lumetry 17.2)."""
    labels = {EXECUTABLE_LABEL: usage.executable}
    yield Sample("process.cpu.percent", usage.cpu_percent, labels)
    yield Sample("process.memory.percent", usage.memory_percent, labels)
    yield Sample("process.rss.bytes", float(usage.rss_bytes), labels)


def merge_samples(packs: Iterable[tuple[Pack, Iterable[Sample]]]) -> Sequence[Sample]:
    """The samples of packs that are due together; of a series that several give the value of the shortest interval counts."""
    merged: dict[tuple[str, tuple[tuple[str, str], ...]], Sample] = {}
    for _, samples in sorted(packs, key=lambda entry: entry[0].interval_seconds):
        for sample in samples:
            merged.setdefault((sample.metric_key, tuple(sorted(sample.labels.items()))), sample)
    return list(merged.values())


def read_wanted(answer: agents_pb.SendHostAgentHeartbeatResponse) -> Wanted:
    """What an answer wants, with an interval that does not hurt and a limit that is one."""
    return Wanted(
        enabled=answer.enabled,
        packs=tuple(
            Pack(
                pack.pack_id,
                pack.version,
                frozenset(pack.metrics),
                max(LEAST_INTERVAL_SECONDS, pack.interval_seconds),
                frozenset(name.lower() for name in pack.always_collect_processes),
            )
            for pack in answer.packs
        ),
        labels=dict(answer.labels),
        max_series=answer.max_series or DEFAULT_MAX_SERIES,
        config_revision=answer.config_revision,
    )
