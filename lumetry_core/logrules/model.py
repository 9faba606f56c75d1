"""Rules and what they have counted (contract logs 8)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.rules.model import Severity

LIMIT_NAME = 200
MAX_THRESHOLD = 1_000_000
MAX_WINDOW_MINUTES = 1_440
MAX_QUIET_MINUTES = 10_080
LEAST_QUIET_MINUTES = 15
"""Of a rule that does not say how long it waits."""
MAX_CHANNELS = 50
ALERT_TYPE = "log_rule"
SAMPLES = 10
"""Entries, and traces, that an alert names."""
MAX_GROUPS = 100
"""Groups that an alert names: the first ones."""

Channel = int | str
"""The number of a channel, its name, or a type."""


class Trigger(StrEnum):
    """Which entries a rule counts among those that pass its filters."""

    MATCH = "match"
    """All."""
    NEW_GROUP = "new_group"
    """Those that began their error group."""
    REGRESSION = "regression"
    """Those that reopened it."""


SEVERITIES = {"warning": Severity.WARNING, "critical": Severity.CRITICAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRule:
    """A rule (8.1). None: not given."""

    id: int
    organization_id: int
    name: str
    error_type: str | None = None
    severity: str = "warning"
    count_threshold: int | None = None
    time_window_minutes: int | None = None
    channels: tuple[Channel, ...] = ()
    trigger: Trigger = Trigger.MATCH
    min_level: str = "error"
    environment: str | None = None
    project_id: str | None = None
    q: str | None = None
    quiet_minutes: int | None = None
    topology_node_id: int | None = None
    enabled: bool = True
    revision: int = 1
    """Rises with every change."""
    create_time: datetime
    update_time: datetime
    created_by: str | None = None

    @property
    def threshold(self) -> int:
        """From how many matches an alert opens."""
        return self.count_threshold or 1

    @property
    def quiet(self) -> timedelta:
        """How long nothing must match until the alert is over."""
        return timedelta(minutes=self.effective_quiet_minutes)

    @property
    def effective_quiet_minutes(self) -> int:
        """As given, else by the window."""
        return self.quiet_minutes or max(self.time_window_minutes or 0, LEAST_QUIET_MINUTES)

    @property
    def selection(self) -> tuple[object, ...]:
        """What decides which entries match: what was counted under another one counts no longer."""
        return self.error_type, self.trigger, self.min_level, self.environment, self.project_id, self.q


@dataclass(frozen=True, slots=True)
class Mark:
    """A match that an alert may name. `id` as people see it."""

    time_ns: int
    id: str
    trace_id: str | None
    group_id: int | None


@dataclass(frozen=True, slots=True)
class State:
    """What a rule has counted.

    Attributes:
        times: Of matches that may still count, ascending, in nanoseconds, packed.
        count: Matches of the alert that is open, those of the window in which it opened included.
        marks: The last matches, oldest first.
        due_time: When the alert is over unless something matches; None: none is open.
    """

    rule_id: int
    times: bytes = b""
    count: int = 0
    marks: tuple[Mark, ...] = ()
    group_ids: tuple[int, ...] = ()
    last_match_time: datetime | None = None
    due_time: datetime | None = None
    last_fire_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule and what it is doing."""

    rule: LogRule
    open_alert_id: int | None = None
    last_fire_time: datetime | None = field(default=None)
