"""Sessions and messages (contract workspace 5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

DEFAULT_LABEL = "New investigation"


class SessionStatus(StrEnum):
    """How a session goes."""

    ACTIVE = "active"
    AWAITING_PEER = "awaiting_peer"
    IDLE = "idle"
    CLOSED = "closed"


class Role(StrEnum):
    """Who speaks."""

    USER = "user"
    AGENT = "agent"
    SYSTEM = "system"


class ReferenceType(StrEnum):
    """What a message can point to."""

    INCIDENT = "incident"
    ALERT = "alert"
    LOG_GROUP = "log_group"
    LOG_ENTRY = "log_entry"
    METRIC = "metric"
    MONITOR = "monitor"
    TOPOLOGY_NODE = "topology_node"
    PROJECT = "project"
    URL = "url"


@dataclass(frozen=True, slots=True)
class Session:
    """A thread of messages. `id` is a UUID."""

    organization_id: int
    id: str
    owner_id: int
    label: str
    create_time: datetime
    update_time: datetime
    project_id: str | None = None
    incident_id: int | None = None
    agent_id: str | None = None
    status: SessionStatus = SessionStatus.ACTIVE
    metadata: Mapping[str, Any] = field(default_factory=dict)
    message_count: int = 0
    last_message_time: datetime | None = None

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more messages."""
        return self.status is SessionStatus.CLOSED


@dataclass(frozen=True, slots=True)
class Reference:
    """What a message points to; `id` is an address for a URL, else whatever names it, such as `endpoint:12`."""

    type: ReferenceType
    id: str
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What somebody said; never changed. `id` is a UUID."""

    organization_id: int
    id: str
    session_id: str
    role: Role
    author_name: str
    content: str
    create_time: datetime
    author_user_id: int | None = None
    """The user whose credential wrote it; None: the product wrote it."""
    agent_id: str | None = None
    attachments: tuple[str, ...] = ()
    """UUIDs of files."""
    references: tuple[Reference, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


def audited(session: Session) -> Mapping[str, object]:
    """What the audit keeps, under the contract's names."""
    return {
        "id": session.id,
        "label": session.label,
        "status": session.status.value,
        "projectId": session.project_id,
        "incidentId": session.incident_id,
        "agentId": session.agent_id,
        "metadata": session.metadata,
    }
