"""Heartbeats, pings and runs (contract monitoring 6)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

QUEUE = "heartbeats"
LIMIT_NAME = 255
MIN_INTERVAL, MAX_INTERVAL = 60, 604_800
MAX_PAYLOAD_BYTES = 10_240
MAX_EXIT_CODE = 255

EVENTS = frozenset(
    {
        "heartbeat.pinged",
        "heartbeat.ping_received",
        "heartbeat.deadline_missed",
        "heartbeat.alert",
        "heartbeat.recovery",
        "heartbeat.status_changed",
        "heartbeat.created",
        "heartbeat.updated",
        "heartbeat.deleted",
    }
)
"""What the area tells."""


class Status(StrEnum):
    """What is known of the job."""

    NEW = "new"
    """It never pinged and is not watched yet."""
    UP = "up"
    DOWN = "down"
    """Its deadline passed."""
    STARTED = "started"
    """It runs."""
    PAUSED = "paused"
    """Its deadlines are not watched."""


class AlertState(StrEnum):
    """Whether something has been wrong since the last success."""

    NORMAL = "normal"
    ALERTING = "alerting"


class AlertType(StrEnum):
    """What is wrong; both can be at once."""

    DEADLINE_MISSED = "deadline_missed"
    EXIT_CODE_FAILURE = "exit_code_failure"


class PingKind(StrEnum):
    """What a ping says."""

    SUCCESS = "success"
    START = "start"
    EXIT_CODE = "exit_code"
    FAIL = "fail"
    LOG = "log"


class Outcome(StrEnum):
    """How a run ended, if it did."""

    SUCCESS = "success"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    IN_PROGRESS = "in_progress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A job that reports by itself."""

    id: int
    organization_id: int
    uuid: str
    """Whoever knows it may ping."""
    name: str
    interval_seconds: int
    grace_seconds: int
    topology_node_id: int | None = None
    status: Status = Status.NEW
    alert_state: AlertState = AlertState.NORMAL
    last_ping_time: datetime | None = None
    """The last ping that said how a run ended."""
    deadline: datetime | None = None
    due_time: datetime | None = None
    """When a worker looks at it: at its deadline or later, and while it is down now and then."""
    run_start_time: datetime | None = None
    open_run: int | None = None
    """Number of the run that has started and not ended."""
    run_count: int = 0
    """Number of the last run."""
    last_exit_code: int | None = None
    last_duration_ms: int | None = None
    consecutive_failures: int = 0
    consecutive_successes: int = 0
    ended_well: bool = False
    """Whether the last run that ended, or deadline that passed, ended in success: where it does not, an incident of the day begins."""
    create_time: datetime
    update_time: datetime
    """Last change by a person."""

    @property
    def span(self) -> timedelta:
        """How long a job may be silent."""
        return timedelta(seconds=self.interval_seconds + self.grace_seconds)


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping as it came. `payload` is scrubbed."""

    uuid: str
    kind: PingKind
    exit_code: int | None
    source_ip: str
    http_method: str
    payload: str | None = None


@dataclass(frozen=True, slots=True)
class StoredPing:
    """A ping as it is kept. `id` is 0 before."""

    id: int
    heartbeat_id: int
    ping: Ping
    time: datetime
    expected_time: datetime | None
    """When it was expected: an interval after the ping before it."""
    grace_deadline: datetime | None


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a job, numbered within its heartbeat. A payload of None does not replace one that is kept."""

    number: int
    start_time: datetime | None
    end_time: datetime | None
    duration_ms: int | None
    exit_code: int | None
    outcome: Outcome
    payload: str | None = None
    id: int = 0


class Verdict(StrEnum):
    """What became of a ping."""

    ACCEPTED = "accepted"
    NOT_FOUND = "not_found"
    RATE_LIMITED = "rate_limited"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a ping, and after how many seconds a refused one may come again."""

    verdict: Verdict
    retry_after_seconds: int = 0


ACCEPTED = Receipt(Verdict.ACCEPTED)
NOT_FOUND = Receipt(Verdict.NOT_FOUND)


@dataclass(frozen=True, slots=True)
class State:
    """What a status page shows."""

    name: str
    status: str
    is_alerting: bool
    topology_node_id: int | None
