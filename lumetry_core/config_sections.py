"""The parts of the configuration that no area keeps: their fields are TOML keys and variables, their ranges are those of the contracts."""

import re
from dataclasses import dataclass, field

from lumetry_core.access.settings import SETTINGS
from lumetry_core.billing.model import COUNTED, MAX_RATE, Meter
from lumetry_core.logs.model import Settings as LogSettings


def require_at_least(section: object, least: int, *names: str) -> None:
    """Raises ValueError for the first field that is below its range."""
    for name in names:
        if getattr(section, name) < least:
            raise ValueError(f"{name} must be at least {least}")


def require_cycle(section: object, *names: str) -> None:
    """Raises ValueError for the first field in seconds that is outside what a cycle may take."""
    for name in names:
        if not 10 <= getattr(section, name) <= 600:
            raise ValueError(f"{name} must be between 10 and 600")


def require_ranges(section: object, name: str) -> None:
    """Raises ValueError for the first field that is outside the range of the organizations' setting for which it is the default.

    Args:
        section: Its fields are the keys of settings; 0 stands for off.
        name: The contract's name of the section.
    """
    for setting in SETTINGS:
        if setting.section == name:
            value = getattr(section, setting.key)
            fault = setting.find_fault(None if setting.can_be_off and value == 0 else value)
            if fault is not None:
                raise ValueError(f"{setting.key} {fault}")


@dataclass(frozen=True, slots=True)
class BillingSection:
    """What a unit of each meter is worth, in micro-units of which a credit has 1,000,000 (contract workspace 8). 0: nothing."""

    log_bytes_rate: int = 0
    log_entries_rate: int = 0
    metric_points_rate: int = 0
    file_bytes_rate: int = 0
    session_messages_rate: int = 0
    docs_questions_rate: int = 0
    check_runs_rate: int = 0
    notifications_sent_rate: int = 0

    def __post_init__(self) -> None:
        for meter, rate in self.rates.items():
            if not 0 <= rate <= MAX_RATE:
                raise ValueError(f"{meter.value}_rate must be between 0 and {MAX_RATE}")

    @property
    def rates(self) -> dict[Meter, int]:
        """By meter."""
        return {meter: getattr(self, f"{meter.value}_rate") for meter in COUNTED}


@dataclass(frozen=True, slots=True)
class IngestSection:
    """How much may wait."""

    max_queued_points: int = 5_000_000
    """Above it ingestion answers 503."""

    def __post_init__(self) -> None:
        require_at_least(self, 10_000, "max_queued_points")


@dataclass(frozen=True, slots=True)
class EvaluationSection:
    """When points are late and how often compound rules are judged."""

    grace_seconds: int = 120
    """How far behind its series a point of an organization that does not set it may be."""
    compound_cycle_seconds: int = 60

    def __post_init__(self) -> None:
        require_ranges(self, "evaluation")
        require_cycle(self, "compound_cycle_seconds")


@dataclass(frozen=True, slots=True)
class CatalogSection:
    """How the catalog of organizations that do not set it ages."""

    stale_after_hours: int = 24
    """A metric without a point for so long is stale."""

    def __post_init__(self) -> None:
        require_ranges(self, "catalog")


@dataclass(frozen=True, slots=True)
class CorrelationSection:
    """How alerts are correlated in organizations that do not set it."""

    window_minutes: int = 30
    """An alert joins an incident whose newest member started at most so long before or after it."""

    def __post_init__(self) -> None:
        require_ranges(self, "correlation")


@dataclass(frozen=True, slots=True)
class FleetSection:
    """How often members of fleets are compared, and when they are missing; the latter for organizations that do not set it."""

    tick_seconds: int = 60
    staleness_seconds: int = 180
    """A member without a point for so long takes no part."""
    member_gone_minutes: int = 60
    """A member without a point for so long has left its fleet."""

    def __post_init__(self) -> None:
        require_ranges(self, "fleet")
        require_cycle(self, "tick_seconds")


@dataclass(frozen=True, slots=True)
class IncidentsSection:
    """What becomes of incidents after their resolution, in organizations that do not set it (contract lumetry 11.5)."""

    reopen_settle_minutes: int = 10
    reopen_horizon_minutes: int = 60
    """0: never reopen."""
    persistence_threshold_minutes: int = 120
    auto_resolve_after_minutes: int = 0
    """0: never by itself."""

    def __post_init__(self) -> None:
        require_ranges(self, "incidents")


@dataclass(frozen=True, slots=True)
class AgentsSection:
    """What host agents of organizations that do not set it may send."""

    max_series: int = 2000

    def __post_init__(self) -> None:
        require_ranges(self, "agents")


@dataclass(frozen=True, slots=True)
class AlertingSection:
    """Whom to tell when no profile says so (contract lumetry 14.1)."""

    fallback_target: str = ""
    """An integration as a JSON object, as the API takes it; empty: nobody."""


@dataclass(frozen=True, slots=True)
class LogsSection:
    """How much logging clients may send (contract logs 1.7)."""

    key_rpm: int = 1800
    """Requests per minute and credential; 0: no limit."""
    org_rpm: int = 6000
    """Requests per minute and organization; 0: no limit."""
    max_batch: int = 1000
    """Entries of one push."""
    retention_days: int = 30
    """How long entries are kept in projects that do not say."""
    dedupe_seconds: int = 0
    """For so long an identical batch is taken as a repetition; 0: never."""

    def __post_init__(self) -> None:
        require_at_least(self, 0, "key_rpm", "org_rpm")
        self.of_area()

    def of_area(self) -> LogSettings:
        """What the logs area wants to know. Raises ValueError."""
        return LogSettings(self.max_batch, self.retention_days, self.dedupe_seconds)


DURATION = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?", re.ASCII)


def read_seconds(text: str, name: str, least: int, most: int) -> int:
    """Seconds of a duration such as `60s`, `24h` or `1h30m`. Raises ValueError for another text or one that is outside its range."""
    match = DURATION.fullmatch(text) if text else None
    if match is None:
        raise ValueError(f"{name} must be a duration such as 60s, 5m or 24h")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if not least <= total <= most:
        raise ValueError(f"{name} must be between {least}s and {most}s")
    return total


@dataclass(frozen=True, slots=True)
class MonitoringSection:
    """Monitors and what is told of them (contract monitoring 20). The variables of this section have no name of a section."""

    container_down_after: str = "60s"
    """How long a container is down before it alerts."""
    update_interval: str = "24h"
    """How often images are looked up."""
    smtp_host: str = ""
    """Empty: e-mail cannot be sent."""
    smtp_port: int = 587
    smtp_username: str = ""
    smtp_password: str = field(default="", repr=False)
    smtp_from: str = "lumetry@localhost"
    smtp_require_tls: bool = False
    """Sends nothing where the server offers no encryption."""
    check_allow_private: bool = True
    """Whether checks may reach private addresses."""
    http_proxy: str = ""
    """Through which notifications go; empty: directly. Checks see what they check, so they always go directly."""
    status_organization: str = ""
    """Slug of the organization whose status page is shown; empty: the first one."""

    def __post_init__(self) -> None:
        read_seconds(self.container_down_after, "container_down_after", 1, 86_400)
        read_seconds(self.update_interval, "update_interval", 60, 2_592_000)
        if not 0 < self.smtp_port < 65536:
            raise ValueError("smtp_port must be between 1 and 65535")
        if self.http_proxy and not self.http_proxy.startswith("http://"):
            raise ValueError("http_proxy must be the http URL of a proxy")

    @property
    def container_down_after_seconds(self) -> int:
        """The same as a number."""
        return read_seconds(self.container_down_after, "container_down_after", 1, 86_400)

    @property
    def update_interval_seconds(self) -> int:
        """The same as a number."""
        return read_seconds(self.update_interval, "update_interval", 60, 2_592_000)


@dataclass(frozen=True, slots=True)
class RetentionSection:
    """How long things are kept, in days."""

    points_days: int = 35
    five_minute_days: int = 90
    hour_days: int = 400
    max_point_bytes: int = 0
    """Above it the oldest points are dropped; 0: no cap."""
    max_log_bytes: int = 0
    """Packed bytes of log entries above which the oldest are dropped; 0: no cap."""
    violations_days: int = 180
    alerts_days: int = 400
    """After their end, of alerts and incidents."""
    audit_days: int = 400
    raw_days: int = 7
    """Samples of containers' resources, as they were taken."""
    checks_days: int = 30
    """Results of checks, pings, executions, deliveries, and records of what is gone."""
    transitions_days: int = 90
    """Changes of containers' states."""
    rollup_days: int = 400
    """Daily uptime and daily resource figures."""

    def __post_init__(self) -> None:
        require_at_least(self, 1, "points_days", "five_minute_days", "hour_days", "violations_days", "alerts_days", "audit_days")
        require_at_least(self, 1, "raw_days", "checks_days", "transitions_days", "rollup_days")
        require_at_least(self, 0, "max_point_bytes", "max_log_bytes")
