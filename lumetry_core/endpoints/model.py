"""An endpoint, its configuration and the results of its checks (contract monitoring 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

WAKE = "endpoints"
"""Wakes the scheduler."""
MASK = "•••"
"""What stands for a header's value that is not shown; sent back it keeps what is stored."""
CONTAINER_STOPPED = "container stopped"
RECENT_RESULTS = 20
"""Response times that an endpoint's row keeps for sparklines."""
ALERT_TYPE = "consecutive_failure"
EVENTS = frozenset(
    {
        "endpoint.check_result",
        "endpoint.status_changed",
        "endpoint.alert",
        "endpoint.recovery",
        "endpoint.discovered",
        "endpoint.updated",
        "endpoint.removed",
        "endpoint.config_error",
    }
)
"""What the area tells."""


class EndpointType(StrEnum):
    """What a check does."""

    HTTP = "http"
    TCP = "tcp"


class Status(StrEnum):
    """What the last check found."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class AlertState(StrEnum):
    """Whether the failure threshold was reached and the recovery threshold not yet since."""

    NORMAL = "normal"
    ALERTING = "alerting"


class Source(StrEnum):
    """Who says that an endpoint is checked."""

    LABEL = "label"
    STANDALONE = "standalone"


class Removal(StrEnum):
    """Why an endpoint is not checked any more."""

    DELETED = "deleted"
    CONTAINER_DESTROYED = "container_destroyed"
    LABEL_REMOVED = "label_removed"


METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How an endpoint is checked. What only HTTP has keeps its default on TCP."""

    endpoint_type: EndpointType
    target: str
    interval_seconds: int = 30
    timeout_seconds: int = 10
    failure_threshold: int = 3
    recovery_threshold: int = 2
    method: str = "GET"
    expected_status: str = "2xx"
    tls_verify: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    """As people see them: values of secret ones are masked."""
    max_redirects: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The container whose label names an endpoint; of a standalone one everything is empty."""

    container_id: int | None = None
    container_name: str = ""
    label_key: str = ""
    """The label in full, with the prefix that counts."""
    slot: str = ""
    """The label without its prefix: by it the endpoint is known again."""
    external_id: str = ""
    orchestration_group: str | None = None
    orchestration_unit: str | None = None
    alert_channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the checks so far made of an endpoint."""

    status: Status = Status.UNKNOWN
    alert_state: AlertState = AlertState.NORMAL
    consecutive_failures: int = 0
    consecutive_successes: int = 0
    last_check_time: datetime | None = None
    last_response_ms: int | None = None
    last_http_status: int | None = None
    last_error: str | None = None
    recent_ms: tuple[int, ...] = ()
    """Response times of the newest checks, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint as it is stored."""

    id: int
    organization_id: int
    source: Source
    name: str | None
    config: Config
    sealed: bytes | None = field(repr=False, default=None)
    """The values of its secret headers; None: it has none."""
    owner: Owner = field(default_factory=Owner)
    progress: Progress = field(default_factory=Progress)
    topology_node_id: int | None = None
    is_active: bool = True
    is_paused: bool = False
    first_seen_time: datetime
    last_seen_time: datetime
    epoch: int = 1
    """Moves with every claim and every change; a result of an earlier one is void."""

    @property
    def title(self) -> str:
        """What people call it."""
        if self.name is not None:
            return self.name
        return f"{self.owner.container_name} {self.config.target}"

    @property
    def is_alerting(self) -> bool:
        """Whether its alert condition holds."""
        return self.progress.alert_state is AlertState.ALERTING


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found. TCP has no status; without a connection the response time is that of the attempt."""

    is_success: bool
    time: datetime
    response_ms: int
    http_status: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A stored result."""

    id: int
    endpoint_id: int
    result: Result


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to check an endpoint once: it holds while the endpoint's epoch is still the claimed one."""

    endpoint: Endpoint
    planned_time: datetime
    """When the check is due; the next is an interval later."""


@dataclass(frozen=True, slots=True)
class CheckPage:
    """Part of an endpoint's checks, newest first, of `total` in all."""

    checks: Sequence[Check]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which endpoints are listed; None: any."""

    status: Status | None = None
    container_name: str | None = None
    orchestration_group: str | None = None
    endpoint_type: EndpointType | None = None
    source: Source | None = None
    includes_inactive: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What others show of an endpoint."""

    name: str
    status: str
    is_alerting: bool
    topology_node_id: int | None
