"""Notices (contract workspace 9)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

MAX_TITLE = 300
MAX_BODY = 2000
MAX_PER_USER = 1000
KEPT = timedelta(days=90)


class NoticeKind(StrEnum):
    """What a notice tells of."""

    INCIDENT_OPENED = "incident_opened"
    INCIDENT_REOPENED = "incident_reopened"
    INCIDENT_RESOLVED = "incident_resolved"
    ALERT_FIRED = "alert_fired"
    MENTION = "mention"
    LOG_GROUP_REGRESSED = "log_group_regressed"
    QUOTA_EXHAUSTED = "quota_exhausted"
    BUDGET_THRESHOLD = "budget_threshold"
    CHANNEL_FAILING = "channel_failing"
    WEBHOOK_DISABLED = "webhook_disabled"
    AGENT_OFFLINE = "agent_offline"
    COLLECTOR_OFFLINE = "collector_offline"
    API_KEY_CREATED = "api_key_created"
    API_KEY_REVOKED = "api_key_revoked"
    ENTERPRISE_INQUIRY = "enterprise_inquiry"
    SYSTEM = "system"


class NoticeSeverity(StrEnum):
    """How grave what happened is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeDraft:
    """A notice to be written."""

    kind: NoticeKind
    severity: NoticeSeverity
    title: str
    body: str = ""
    resource_type: str | None = None
    resource_id: str | None = None
    project_id: str | None = None
    link: str | None = None
    """A path of the console."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A stored notice of one user. `id` is a UUID."""

    id: str
    user_id: int
    draft: NoticeDraft
    create_time: datetime
    read_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Inbox:
    """The notices that one user sees. `hidden` are the projects about which they see none."""

    organization_id: int
    user_id: int
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NoticeFilter:
    """Which notices are listed; empty: whatever they are."""

    only_unread: bool = False
    kinds: frozenset[NoticeKind] = frozenset()
    severity: NoticeSeverity | None = None


@dataclass(frozen=True, slots=True)
class NoticePage:
    """A page of an inbox, newest first."""

    notices: tuple[Notice, ...]
    next_cursor: str
    unread_count: int
    """Of the whole inbox."""
