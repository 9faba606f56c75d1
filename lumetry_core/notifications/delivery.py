"""Deliveries: one transition of an alert for one integration, and what became of it (contract lumetry 14.4)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lumetry_core.alerts.decisions import Record, Transition
from lumetry_core.rules.model import Severity


class DeliveryStatus(StrEnum):
    """What became of a delivery. `Suppressed` may still be delivered, `Skipped` only if something else changes."""

    PENDING = "Pending"
    SUCCESS = "Success"
    FAILED = "Failed"
    SUPPRESSED = "Suppressed"
    SKIPPED = "Skipped"


class Cause(StrEnum):
    """Why a delivery was suppressed (the first two) or skipped."""

    MAINTENANCE = "maintenance"
    SILENCE = "silence"
    COOLDOWN = "cooldown"
    REPETITION = "repetition"
    WATCH = "watch"
    MIN_SEVERITY = "minSeverity"
    NOTIFY_ON_OPEN = "notifyOnOpen"
    NOTIFY_ON_ESCALATE = "notifyOnEscalate"
    NOTIFY_ON_CLOSE = "notifyOnClose"
    DISABLED_INTEGRATION = "disabledIntegration"
    OPENING_NOT_DELIVERED = "openingNotDelivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A row of the outbox.

    Args:
        transition: What is told.
        traced: The transition whose explanation shows it: an escalation may be told as an opening.
        integration_id: 0: the deployment's fallback target.
        severity: The alert's, as it is told.
        cooldown_key: What an opening shares with those within whose cooldown it would be skipped.
        is_active: Whether the alert was active when the routing last heard of it.
        attempts: All that were made.
        failures: Those that count towards giving up.
        next_attempt_time: From when on it may be sent; None unless `Pending`.
        lease_owner: The process that sends it, until `lease_time`.
        content: The alert and its incident as they were, as JSON; None unless it is to be sent.
    """

    id: int
    organization_id: int
    alert_id: int
    transition: Transition
    traced: Transition
    profile_id: int | None
    integration_id: int
    incident_id: int | None
    severity: Severity
    cooldown_key: str | None
    is_active: bool
    status: DeliveryStatus
    attempts: int
    failures: int
    status_code: int | None
    last_error: str | None
    reason: Cause | None
    record: Record | None
    next_attempt_time: datetime | None
    lease_owner: str | None
    lease_time: datetime | None
    create_time: datetime
    deliver_time: datetime | None
    content: bytes | None

    @property
    def is_told(self) -> bool:
        """Whether it was delivered or still will be, unless its attempts fail."""
        return self.status in (DeliveryStatus.SUCCESS, DeliveryStatus.PENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries; None keeps all. The range of `create_time` is inclusive."""

    alert_id: int | None = None
    integration_id: int | None = None
    status: DeliveryStatus | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    limit: int = 500


@dataclass(frozen=True, slots=True)
class Lane:
    """How an integration's receiver has been lately.

    Args:
        failures: Attempts that failed since the last one that succeeded.
        outage_time: Since when it cannot be reached; None: it can.
        probe_time: When the next attempt is due during an outage.
        probes: Attempts during the outage.
        strict_through: Deliveries up to this one waited for the end of an outage and are sent one after the other; 0: none.
    """

    organization_id: int
    integration_id: int
    failures: int = 0
    outage_time: datetime | None = None
    probe_time: datetime | None = None
    probes: int = 0
    strict_through: int = 0

    @property
    def is_strict(self) -> bool:
        """Whether its deliveries are sent strictly one after the other."""
        return self.outage_time is not None or self.strict_through > 0
