"""Samples, spans, ranges and thresholds (contract monitoring 8)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.resources.watch import Watch

EVENTS = frozenset({"resource.snapshot", "resource.alert", "resource.recovery"})
ROUND_INTERVAL = timedelta(seconds=10)
STALE_AFTER = timedelta(minutes=5)
"""A newest sample that is older says nothing of the present."""


class Metric(StrEnum):
    """What has a threshold, and what containers are compared by."""

    CPU = "cpu"
    MEMORY = "memory"


ALERT_TYPES: Mapping[Metric, str] = {metric: f"{metric}_threshold" for metric in Metric}
"""9.3."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a container used at a time. Counters start with the container."""

    container_id: int
    time: datetime
    cpu_percent: float
    memory_used: int
    memory_limit: int
    net_rx_bytes: int
    net_tx_bytes: int
    block_read_bytes: int
    block_write_bytes: int

    @property
    def memory_percent(self) -> float:
        """Share of the memory limit, to two decimals."""
        return percent_of(self.memory_used, self.memory_limit)

    def value_of(self, metric: Metric) -> float:
        """What a threshold is compared with."""
        return self.cpu_percent if metric is Metric.CPU else self.memory_percent


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest sample of a container, and what follows from it and the one before."""

    sample: Sample
    cpu_count: int
    net_rx_rate: float
    """Bytes per second."""
    net_tx_rate: float


@dataclass(frozen=True, slots=True)
class Mean:
    """What a container used on average."""

    container_id: int
    cpu_percent: float
    memory_used: float
    memory_limit: float


class Granularity(StrEnum):
    """How finely histories are kept, by the words of the contract."""

    RAW = "raw"
    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    HOUR = "1h"
    DAY = "1d"


SPANS: Mapping[Granularity, timedelta] = {
    Granularity.MINUTE: timedelta(minutes=1),
    Granularity.FIVE_MINUTES: timedelta(minutes=5),
    Granularity.HOUR: timedelta(hours=1),
    Granularity.DAY: timedelta(days=1),
}
"""Lengths of spans; each divides the UTC day."""


class Range(StrEnum):
    """How far back a history or a mean goes."""

    HOUR = "1h"
    SIX_HOURS = "6h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"


@dataclass(frozen=True, slots=True)
class View:
    """How a range is looked at."""

    length: timedelta
    granularity: Granularity
    mean_of: Granularity
    """Of what means over the range are taken: coarse enough to be quick over a thousand containers."""


VIEWS: Mapping[Range, View] = {
    Range.HOUR: View(timedelta(hours=1), Granularity.RAW, Granularity.MINUTE),
    Range.SIX_HOURS: View(timedelta(hours=6), Granularity.MINUTE, Granularity.FIVE_MINUTES),
    Range.DAY: View(timedelta(hours=24), Granularity.FIVE_MINUTES, Granularity.HOUR),
    Range.WEEK: View(timedelta(days=7), Granularity.HOUR, Granularity.HOUR),
    Range.MONTH: View(timedelta(days=30), Granularity.HOUR, Granularity.DAY),
    Range.QUARTER: View(timedelta(days=90), Granularity.DAY, Granularity.DAY),
}
PERIODS = (Range.HOUR, Range.DAY, Range.WEEK, Range.MONTH)
"""Over which means are compared."""

DEFAULT_THRESHOLD = 90.0
THRESHOLD_RANGES: Mapping[Metric, tuple[float, float]] = {Metric.CPU: (1, 1000), Metric.MEMORY: (1, 100)}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The thresholds of a container, and where it stands."""

    container_id: int
    cpu_threshold: float = DEFAULT_THRESHOLD
    memory_threshold: float = DEFAULT_THRESHOLD
    is_enabled: bool = False
    watches: Mapping[Metric, Watch] = field(default_factory=lambda: dict.fromkeys(Metric, Watch()))
    last_alert_time: datetime | None = None

    def threshold_of(self, metric: Metric) -> float:
        """The threshold of a metric."""
        return self.cpu_threshold if metric is Metric.CPU else self.memory_threshold

    @property
    def alerting(self) -> list[Metric]:
        """The metrics that are over their thresholds."""
        return [metric for metric in Metric if self.watches[metric].is_alerting]

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing was noticed that the next sample could continue."""
        return all(watch == Watch() for watch in self.watches.values())


@dataclass(frozen=True, slots=True)
class ThresholdDraft:
    """What to change; None stays as it is."""

    cpu_threshold: float | None = None
    memory_threshold: float | None = None
    is_enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """Sums over running containers."""

    cpu_percent: float = 0.0
    cpu_count: int = 0
    memory_used: int = 0
    memory_limit: int = 0
    net_rx_rate: float = 0.0
    net_tx_rate: float = 0.0
    container_count: int = 0


@dataclass(frozen=True, slots=True)
class Consumer:
    """A container that uses much; `value` is percent of one processor or bytes."""

    container_id: int
    container_name: str
    value: float
    percent: float


def percent_of(part: float, whole: float) -> float:
    """A share in percent, to two decimals; 0 of nothing."""
    return round(100 * part / whole, 2) if whole > 0 else 0.0


def start_of_span(moment: datetime, length: timedelta) -> datetime:
    """The start of the span that a time lies in."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // length * length
