"""Monitors, checks and what a server presented (contract monitoring 7.1)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.alerts.monitors import Entity, EntityType

CHANNEL = "certificates"
"""Wakes the worker."""
HTTPS_PORT = 443
DEFAULT_INTERVAL_SECONDS = 43_200
DEFAULT_THRESHOLDS = (30, 14, 7, 3, 1)
LEASE = timedelta(seconds=60)
"""How long a claimed monitor is left to whoever claimed it."""
TIMEOUT_SECONDS = 10.0
"""How long one look at a server may take, from the look-up of its name to the last certificate."""

EVENTS = frozenset(
    {
        "certificate.alert",
        "certificate.recovery",
        "certificate.check_completed",
        "certificate.status_changed",
        "certificate.created",
        "certificate.updated",
        "certificate.deleted",
    }
)
"""What the area tells."""


class Source(StrEnum):
    """Who asked for a monitor."""

    AUTO = "auto"
    """HTTPS checks of endpoints."""
    STANDALONE = "standalone"
    """A person."""
    LABEL = "label"
    """A container's label."""


class Status(StrEnum):
    """What the last check came to."""

    VALID = "valid"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    ERROR = "error"
    """No certificate could be read."""
    UNKNOWN = "unknown"
    """There was no check yet."""


class AlertType(StrEnum):
    """What can be wrong with a certificate."""

    EXPIRING = "expiring"
    EXPIRED = "expired"
    CHAIN_INVALID = "chain_invalid"
    HOSTNAME_MISMATCH = "hostname_mismatch"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a chain leads to a root that this machine trusts. `valid` is None when that could not be found out."""

    valid: bool | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Presented:
    """What a server presented: its chain as DER, leaf first, and what is to be thought of it; or, without a chain, why there is none."""

    chain: tuple[bytes, ...] = ()
    verdict: Verdict = Verdict(valid=None)
    error: str = ""


@dataclass(frozen=True, slots=True)
class ChainLink:
    """A certificate of a chain."""

    subject_cn: str
    issuer_cn: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a presented certificate says of itself; `chain` begins with it."""

    subject_cn: str
    issuer_cn: str
    issuer_org: str
    sans: tuple[str, ...]
    serial_number: str
    signature_algorithm: str
    not_before: datetime
    not_after: datetime
    days_remaining: int
    hostname_match: bool
    chain: tuple[ChainLink, ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """What an HTTPS check of an endpoint saw. `container` is the one that the endpoint belongs to, if any."""

    endpoint_id: int
    hostname: str
    port: int
    presented: Presented
    topology_node_id: int | None = None
    container: Entity | None = None
    alert_channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """A certificate monitor.

    `conditions` stood when a certificate was last read. `epoch` rises with each claim: whoever holds an older one has lost it.
    """

    id: int
    organization_id: int
    hostname: str
    port: int
    source: Source
    check_interval_seconds: int
    warning_thresholds: tuple[int, ...]
    create_time: datetime
    status: Status = Status.UNKNOWN
    conditions: tuple[AlertType, ...] = ()
    last_alerted_threshold: int | None = None
    last_check_time: datetime | None = None
    next_check_time: datetime | None = None
    last_error: str | None = None
    latest_check_id: int | None = None
    endpoint_id: int | None = None
    external_id: str | None = None
    container: Entity | None = None
    alert_channels: tuple[str, ...] = ()
    topology_node_id: int | None = None
    """What a person chose."""
    inherited_node_id: int | None = None
    """What the container is about."""
    epoch: int = 0

    @property
    def name(self) -> str:
        """How people tell it from others."""
        return self.hostname if self.port == HTTPS_PORT else f"{spell_host(self.hostname)}:{self.port}"

    @property
    def entity(self) -> Entity:
        """What its alerts are about."""
        return Entity(EntityType.CERTIFICATE, self.id, self.name)

    @property
    def node_id(self) -> int | None:
        """The topology node that its alerts are about."""
        return self.topology_node_id or self.inherited_node_id

    @property
    def is_scheduled(self) -> bool:
        """Whether the worker checks it."""
        return self.source is not Source.AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One look at a certificate. Without a certificate texts are empty, `error_message` says why, and the rest is None."""

    id: int
    monitor_id: int
    check_time: datetime
    subject_cn: str = ""
    issuer_cn: str = ""
    issuer_org: str = ""
    sans: tuple[str, ...] = ()
    serial_number: str = ""
    signature_algorithm: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    days_remaining: int | None = None
    chain_valid: bool | None = None
    chain_error: str | None = None
    hostname_match: bool | None = None
    error_message: str | None = None
    fingerprint: bytes | None = None
    """SHA-256 of the whole chain."""


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """A certificate of the chain that a check found, by its position from the leaf."""

    id: int
    check_id: int
    position: int
    link: ChainLink


@dataclass(frozen=True, slots=True)
class Listed:
    """A monitor with its latest check, if there was one."""

    monitor: Monitor
    latest: Check | None


@dataclass(frozen=True, slots=True)
class State:
    """What others show of a monitor."""

    name: str
    status: str
    is_alerting: bool
    topology_node_id: int | None


def spell_host(hostname: str) -> str:
    """A host as it stands before a port."""
    return f"[{hostname}]" if ":" in hostname else hostname
