"""Nouns of metrics: catalog entries, what the inbox holds, and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lumetry_core.metrics.fleet_contract import NO_FLEET, FleetContract

PARTITION_SPAN = 64
"""A job's number is offset × span + partition."""
DAY_MS = 86_400_000
CATALOG_CHANNEL = "catalog"
"""Woken when definitions are removed: whoever noted that points of them arrive must look at the catalog again."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class DataStatus(StrEnum):
    """Whether a metric has data (contract 5.2)."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    STALE = "STALE"
    INACTIVE = "INACTIVE"


class MetricType(StrEnum):
    """What kind of number is measured."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class MetricFields:
    """What people write of a metric, checked and with every default filled in. `dimension_keys` ascend; empty for a single metric."""

    display_name: str
    description: str
    unit: str
    metric_type: MetricType
    namespace: str
    metadata: Mapping[str, Any]
    entity_type: str
    entity_identifier: str
    multidimensional: bool
    dimension_keys: tuple[str, ...]
    is_active: bool
    fleet: FleetContract


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """An entry of the catalog. `dimension_keys` ascend by code point; empty for a single metric.

    `entity_type` and `entity_identifier` are empty when unknown, `metadata` is what people like.
    """

    id: int
    organization_id: int
    metric_key: str
    display_name: str
    description: str
    unit: str
    metric_type: str
    namespace: str
    source: str
    management_mode: str
    catalog_source: str
    multidimensional: bool
    dimension_keys: tuple[str, ...]
    is_active: bool
    data_status: DataStatus
    sync_status: str
    partition: int
    create_time: datetime
    update_time: datetime
    last_sync_time: datetime | None
    last_ingest_time: datetime | None
    entity_type: str = ""
    entity_identifier: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    fleet: FleetContract = NO_FLEET

    @property
    def is_evaluable(self) -> bool:
        """Whether rules can target it."""
        return self.is_active and self.data_status is DataStatus.ACTIVE

    @property
    def split_dimension(self) -> str | None:
        """The label that identifies one member; None for a single metric."""
        return self.fleet.split_dimension or next(iter(self.dimension_keys), None)


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """A stored series. `labels` are sorted by name."""

    id: int
    metric_id: int
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """The receipt of a batch that is on stable storage; `job_ids` ascend."""

    batch_id: str
    accepted_count: int
    job_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What is known of a job besides its points.

    `credential_kind` is None for the system. `metric_id` is None when the job holds several metrics; `time_ms` and `series_id` are set
    when it holds a single point.
    """

    batch_id: str
    credential_kind: str | None
    credential_id: int | None
    point_count: int
    metric_id: int | None
    time_ms: int | None
    series_id: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """Consecutive jobs of one organization in one partition, with their points in order of arrival.

    The job at `first_offset + n` has the header `batches[n]` and the next `batch_counts[n]` points of the columns.
    """

    organization_id: int
    partition: int
    first_offset: int
    batches: list[BatchHeader]
    create_time: datetime
    series_ids: Integers
    times_ms: Integers
    values: Floats
    batch_counts: Integers

    @property
    def end_offset(self) -> int:
        """The offset after its last job."""
        return self.first_offset + len(self.batches)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a partition is. Offsets name the next job to append, to evaluate and to move to segments."""

    partition: int
    next_offset: int
    committed_offset: int
    sealed_offset: int
    appended_points: int
    evaluated_points: int
    sealed_points: int
    owner: str | None
    epoch: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one owner to work on a partition; the epoch fences off former owners."""

    partition: int
    epoch: int


class LeaseLost(Exception):  # noqa: N818 -- an event, not a fault
    """Another owner took the partition: nothing of the transaction may stay."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job found by its number."""

    id: int
    partition: int
    offset: int
    create_time: datetime
    header: BatchHeader


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What waits for evaluation in the whole deployment. `oldest_create_time` is None when nothing waits."""

    jobs: int
    points: int
    oldest_create_time: datetime | None


@dataclass(frozen=True, slots=True)
class QueueSummary:
    """An organization's jobs: waiting, and evaluated within the time for which receipts are kept."""

    queued_jobs: int
    evaluated_jobs: int
    oldest_create_time: datetime | None


@dataclass(frozen=True, slots=True, eq=False)
class Newest:
    """The newest time of each series: parallel columns, series ascending and unique."""

    series_ids: Integers
    times_ms: Integers


def job_id_of(partition: int, offset: int) -> int:
    """The number of the job at an offset."""
    return offset * PARTITION_SPAN + partition


def split_job_id(job_id: int) -> tuple[int, int]:
    """Partition and offset of a job."""
    offset, partition = divmod(job_id, PARTITION_SPAN)
    return partition, offset
