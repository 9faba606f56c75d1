"""Metric sources and what polls make of them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.collectors.agent.polling.model import Item, Target
from lumetry_core.collectors.agent.polling.model import Source as Asked

ENTITY = "MetricSource"
REFERRER = "Metric source"
"""As what a source refers to metrics."""
FAILING = "MetricSourceFailing"
"""The system alert of a source that fails again and again."""
FAILURES_IN_ROW = 3
STALE_INTERVALS = 3
"""Contract lumetry 5.2: without a good poll for so many intervals a metric's metadata are stale."""
WAKE = "metric-sources"
"""The channel of new and changed sources."""
MAX_TEST_SAMPLES = 20
TEST_LIFE = timedelta(hours=1)


class SourceType(StrEnum):
    """What is asked. Not every deployment has a driver for each."""

    PROMETHEUS = "prometheus"
    THANOS = "thanos"
    POSTGRES = "postgres"
    MYSQL = "mysql"
    HTTP = "http"
    MSSQL = "mssql"
    ORACLE = "oracle"
    NIFI = "nifi"


DATABASES = frozenset({SourceType.POSTGRES, SourceType.MYSQL, SourceType.MSSQL, SourceType.ORACLE})
"""The types that have a host and a port; all others have an address."""


class PollStatus(StrEnum):
    """How a poll ended."""

    SUCCESS = "Success"
    FAILED = "Failed"


class SourceTestStatus(StrEnum):
    """How far a test is."""

    QUEUED = "Queued"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class SourceItem:
    """One question, and the unit of the metric that gets the values. Empty texts mean none."""

    metric_key: str
    query: str
    value_column: str = ""
    label_columns: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What people write of a source, checked and with every default filled in, but for what is sealed."""

    name: str
    type: SourceType
    target: Target
    items: tuple[SourceItem, ...]
    poll_interval_seconds: int = 60
    timeout_seconds: int = 10
    collector_id: str | None = None
    is_enabled: bool = True

    @property
    def metric_keys(self) -> frozenset[str]:
        """The metrics that it gives values of."""
        return frozenset(item.metric_key for item in self.items)

    def asked(self, secret: str) -> Asked:
        """What polling it takes."""
        items = tuple(Item(each.metric_key, each.query, each.value_column, each.label_columns) for each in self.items)
        return Asked(self.type.value, self.target, items, secret, float(self.timeout_seconds))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a source fares."""

    poll_time: datetime | None = None
    status: PollStatus | None = None
    error: str | None = None
    success_time: datetime | None = None
    failures_in_row: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A saved source. `epoch` moves with every change and claim, so that what was begun before is known as such."""

    id: int
    organization_id: int
    definition: Definition
    sealed: bytes | None = field(repr=False)
    standing: Standing
    epoch: int
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """A sample that a test saw."""

    metric_key: str
    time: datetime
    value: float
    labels: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTest:
    """A test. One that the core makes itself has no number, and is not kept."""

    status: SourceTestStatus
    id: int | None = None
    duration_ms: int | None = None
    samples: tuple[Seen, ...] = ()
    error: str | None = None
