"""What agents said over time, from stored points (contract lumetry 17.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.hostagents.model import HostAgent
from lumetry_core.hostagents.service.reading import get_agent
from lumetry_core.metrics.senders import AGENT_LABEL
from lumetry_core.metrics.service.labelled import Member, read_labelled
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults

DEFAULT_RANGE = timedelta(hours=24)
MAX_ELEMENTS = 50_000
MAX_STEP = 366 * 24 * 3600
EXECUTABLE = "process.executable"

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A metric and what tells its members apart in an answer."""

    metric_key: str
    name_of: Callable[[Labels], str] = lambda _labels: ""


@dataclass(frozen=True, slots=True)
class Span:
    """Which points, or means per step; None: 24 hours before the end, now, points as stored."""

    start_time: datetime | None = None
    end_time: datetime | None = None
    step_seconds: int | None = None


def name_disk(labels: Labels) -> str:
    """What tells file systems apart."""
    return f"mount={escape(labels.get('mount', ''))}"


def name_network(direction: str) -> Callable[[Labels], str]:
    """What tells interfaces and directions apart."""
    return lambda labels: f"direction={direction}|interface={escape(labels.get('interface', ''))}"


def escape(value: str) -> str:
    """A value as it stands in a dimension key (contract lumetry 4.4)."""
    return value.replace("%", "%25").replace("|", "%7C")


HOST: Mapping[str, tuple[Wanted, ...]] = {
    "cpu": (Wanted("host.cpu.percent"),),
    "memory": (Wanted("host.memory.percent"),),
    "disk": (Wanted("host.disk.used_percent", name_disk),),
    "network": (
        Wanted("host.network.rx_bytes_per_second", name_network("rx")),
        Wanted("host.network.tx_bytes_per_second", name_network("tx")),
    ),
}
PROCESS: Mapping[str, tuple[Wanted, ...]] = {
    "cpu": (Wanted("process.cpu.percent"),),
    "memory": (Wanted("process.memory.percent"),),
    "rss": (Wanted("process.rss.bytes"),),
}

Telemetry = Mapping[str, Mapping[str, Member]]
"""By kind of value and by dimension key."""


async def read_host(tx: Transaction, organization_id: int, agent_id: int, span: Span, now: datetime) -> Telemetry:
    """What an agent said of its host. Fails with NOT_FOUND, VALIDATION_FAILED (`from`, `stepSeconds`)."""
    agent = await get_agent(tx, organization_id, agent_id)
    return await read(tx, agent, HOST, {}, span, now)


async def read_process(tx: Transaction, organization_id: int, agent_id: int, executable: str, span: Span, now: datetime) -> Telemetry:
    """What an agent said of the processes of an executable. Fails with NOT_FOUND, VALIDATION_FAILED (`from`, `stepSeconds`)."""
    agent = await get_agent(tx, organization_id, agent_id)
    return await read(tx, agent, PROCESS, {EXECUTABLE: executable}, span, now)


async def read(
    tx: Transaction, agent: HostAgent, wanted: Mapping[str, tuple[Wanted, ...]], labels: Labels, span: Span, now: datetime
) -> Telemetry:
    """The points of some metrics that an agent sent with these labels. Fails with VALIDATION_FAILED (`from`, `stepSeconds`)."""
    end = span.end_time or now
    start = span.start_time or end - DEFAULT_RANGE
    faults = Faults()
    faults.check(start <= end, "from", "must not be after to")
    step_seconds = span.step_seconds
    faults.check(step_seconds is None or 1 <= step_seconds <= MAX_STEP, "stepSeconds", f"must be between 1 and {MAX_STEP}")
    faults.raise_if_any()
    step = None if step_seconds is None else timedelta(seconds=step_seconds)
    own = {**labels, AGENT_LABEL: agent.key}
    found: dict[str, dict[str, Member]] = {}
    for kind, metrics in wanted.items():
        found[kind] = {}
        for metric in metrics:
            key, name_of = metric.metric_key, metric.name_of
            found[kind] |= await read_labelled(tx, agent.organization_id, key, own, start, end, step=step, name_of=name_of)
    elements = sum(len(member.times_ms) for members in found.values() for member in members.values())
    message = f"the range holds more than {MAX_ELEMENTS} elements; ask for a shorter range or give stepSeconds"
    faults.check(elements <= MAX_ELEMENTS, "from", message)
    faults.raise_if_any()
    return found
