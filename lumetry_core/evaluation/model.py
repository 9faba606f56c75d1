"""Jobs of evaluation and its settings (contract lumetry 12.3, 20)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

RANGES: Mapping[str, tuple[int, int]] = {
    "grace_seconds": (0, 3600),
    "compound_cycle_seconds": (10, 600),
    "fleet_tick_seconds": (10, 600),
    "fleet_staleness_seconds": (30, 3600),
    "fleet_member_gone_minutes": (5, 10_080),
}
MAX_ATTEMPTS = 5
FIRST_BACKOFF = timedelta(seconds=1)
COMPLETED_KEPT = timedelta(hours=24)
FAILED_KEPT = timedelta(days=30)
MAX_ERROR = 500
"""Characters of an error that are kept."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of evaluation (contract lumetry 20)."""

    grace_seconds: int = 120
    """`evaluation.graceSeconds` of organizations that do not set it; 0 to 3600."""
    compound_cycle_seconds: int = 60
    """`evaluation.compoundCycleSeconds`; 10 to 600."""
    fleet_tick_seconds: int = 60
    """`fleet.tickSeconds`; 10 to 600."""
    fleet_staleness_seconds: int = 180
    """`fleet.stalenessSeconds` of organizations that do not set it; 30 to 3600."""
    fleet_member_gone_minutes: int = 60
    """`fleet.memberGoneMinutes` of organizations that do not set it; 5 to 10080."""

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be between {least} and {most}")


class JobState(StrEnum):
    """Progress of a job. A job waits also between attempts."""

    QUEUED = "Queued"
    PROCESSING = "Processing"
    COMPLETED = "Completed"
    FAILED = "Failed"


class JobOutcome(StrEnum):
    """What became of the points of a completed job."""

    EVALUATED = "Evaluated"
    NO_RULE = "NoRule"
    DUPLICATE = "Duplicate"
    LATE = "Late"


@dataclass(frozen=True, slots=True)
class JobTrace:
    """What a job left behind: the range of times of its violations and the alerts it opened, ascending."""

    first_time: datetime
    last_time: datetime
    alert_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job was evaluated. `trace` is None when it left nothing behind."""

    outcome: JobOutcome
    start_time: datetime
    complete_time: datetime
    trace: JobTrace | None


@dataclass(frozen=True, slots=True)
class Run:
    """A committed chunk: the jobs `[from_offset, to_offset)` of a partition, whatever their organization."""

    partition: int
    from_offset: int
    to_offset: int
    start_time: datetime
    complete_time: datetime


@dataclass(frozen=True, slots=True)
class Retry:
    """A job whose evaluation failed: it waits for its next attempt, or was completed by one, or was given up.

    `next_time` is None when nothing is left to be done.
    """

    partition: int
    offset: int
    organization_id: int
    batch_id: str
    credential_kind: str | None
    credential_id: int | None
    metric_id: int | None
    time_ms: int | None
    series_id: int | None
    point_count: int
    attempt_count: int
    last_error: str
    create_time: datetime
    start_time: datetime
    next_time: datetime | None
    fail_time: datetime | None
    result: JobResult | None

    @property
    def state(self) -> JobState:
        """Progress of the job."""
        if self.fail_time is not None:
            return JobState.FAILED
        return JobState.QUEUED if self.result is None else JobState.COMPLETED


@dataclass(frozen=True, slots=True)
class JobReceipt:
    """A job as people see it. Metric, time and dimension key are those of its only point or metric, else None."""

    id: int
    batch_id: str
    state: JobState
    outcome: JobOutcome | None
    metric_key: str | None
    point_time: datetime | None
    dimension_key: str | None
    attempt_count: int
    last_error: str | None
    violation_ids: tuple[int, ...]
    opened_alert_ids: tuple[int, ...]
    create_time: datetime
    start_time: datetime | None
    complete_time: datetime | None
    fail_time: datetime | None


@dataclass(frozen=True, slots=True)
class JobSummary:
    """An organization's jobs by state. `oldest_queue_time` is None when nothing waits."""

    queued: int
    processing: int
    completed: int
    failed: int
    oldest_queue_time: datetime | None


class Progress:
    """Which jobs this process evaluates right now, by partition."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[Run, Mapping[int, int]]] = {}

    def begin(self, run: Run, job_counts: Mapping[int, int]) -> None:
        """Notes the start of a chunk; `job_counts` are its jobs by organization."""
        self._running[run.partition] = run, job_counts

    def end(self, partition: int) -> None:
        """Notes that a chunk is over, whatever came of it."""
        self._running.pop(partition, None)

    def find(self, partition: int, offset: int) -> Run | None:
        """The chunk that holds a job, while it is evaluated."""
        run, _ = self._running.get(partition, (None, None))
        return run if run is not None and run.from_offset <= offset < run.to_offset else None

    def count(self, organization_id: int) -> int:
        """Jobs of an organization that are evaluated now."""
        return sum(job_counts.get(organization_id, 0) for _, job_counts in self._running.values())


def backoff(attempt_count: int) -> timedelta:
    """How long a job waits after so many failed attempts: one second, doubled each time."""
    return FIRST_BACKOFF * (1 << (attempt_count - 1))
