"""Integrations, profiles and what became of a message (contract lumetry 14.1 to 14.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lumetry_core.rules.model import Severity

MASK = "•••"
"""What readers see of a header's value; sent back, it keeps what is stored."""
EVENTS = frozenset({"channel.created", "channel.updated", "channel.deleted"})
"""What the area tells the event feed."""
FALLBACK_ID = 0
"""The number of the deployment's fallback target, which is no stored integration."""


class IntegrationType(StrEnum):
    """How a target is told."""

    WEBHOOK = "Webhook"
    SLACK = "Slack"
    MICROSOFT_TEAMS = "MicrosoftTeams"
    PAGERDUTY = "PagerDuty"
    SERVICENOW = "ServiceNow"


class LastStatus(StrEnum):
    """How an integration's newest delivery ended."""

    SUCCESS = "Success"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """A target. `sealed` holds the secret and the values of headers; nothing but the sender opens it."""

    id: int
    organization_id: int
    name: str
    type: IntegrationType
    endpoint_url: str | None
    header_names: tuple[str, ...] = ()
    config: Mapping[str, str] = field(default_factory=dict)
    has_secret: bool = False
    sealed: bytes | None = field(default=None, repr=False)
    is_enabled: bool = True
    collector_id: str | None = None
    create_time: datetime
    update_time: datetime
    last_tested_time: datetime | None = None
    last_delivery_status: LastStatus | None = None
    last_delivery_error: str | None = None

    @property
    def is_fallback(self) -> bool:
        """Whether the operator set it for the whole deployment."""
        return self.id == FALLBACK_ID


@dataclass(frozen=True, slots=True)
class Secrets:
    """What an integration keeps sealed, opened."""

    secret: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A routing policy. `integration_ids` is never empty and in the order that was written."""

    id: int
    organization_id: int
    name: str
    is_default: bool
    is_enabled: bool
    cooldown_minutes: int
    notify_on_open: bool
    notify_on_escalate: bool
    notify_on_close: bool
    min_severity: Severity
    integration_ids: tuple[int, ...]
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of one attempt.

    `error` is a short text without secrets; None when it succeeded. `is_final` says that trying again is useless. `reached` is False when
    the receiver cannot have got the message, since no connection came about. `retry_after_seconds` is what the receiver asks for.
    """

    ok: bool
    status_code: int | None = None
    error: str | None = None
    is_final: bool = False
    retry_after_seconds: float | None = None
    reached: bool = True
