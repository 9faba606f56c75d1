"""Items of the activity feed (contract workspace 11.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lumetry_core.runtime.caller import Caller, CredentialKind

MAX_TITLE = 300
MAX_SUMMARY = 1000
BLOCK_ITEMS = 512
"""Items with numbers in a row that are packed together: 1 to 512, 513 to 1024 …"""

ACTIONS: Mapping[str, frozenset[str]] = {
    "alert": frozenset({"fired", "escalated", "acknowledged", "resolved", "closed", "silenced"}),
    "incident": frozenset(
        {"opened", "alert_correlated", "severity_changed", "acknowledged", "resolved", "reopened", "follow_up_created"},
    ),
    "log_group": frozenset({"new", "regressed", "resolved", "ignored", "reopened"}),
    "monitor": frozenset({"created", "changed", "deleted", "down", "recovered", "paused", "resumed"}),
    "agent": frozenset({"enrolled", "online", "offline", "enabled", "disabled", "created", "changed", "deleted"}),
    "collector": frozenset({"enrolled", "online", "offline", "revoked", "config_applied", "config_rejected"}),
    "maintenance": frozenset({"scheduled", "started", "ended", "cancelled", "silence_created", "silence_ended"}),
    "rule": frozenset({"created", "changed", "disabled", "deleted"}),
    "topology": frozenset({"imported", "changed"}),
    "update": frozenset({"detected", "pinned", "unpinned", "scan_completed"}),
    "session": frozenset({"created", "message", "closed"}),
    "file": frozenset({"uploaded", "deleted"}),
    "project": frozenset({"created", "changed", "archived", "deleted"}),
    "access": frozenset({"api_key_created", "api_key_revoked", "log_key_created", "log_key_revoked", "member_changed"}),
    "billing": frozenset({"budget_threshold", "quota_exhausted", "budgets_changed"}),
    "delivery": frozenset({"channel_failing", "channel_recovered", "webhook_disabled"}),
}
"""Every kind and its actions."""
OPEN_KINDS = frozenset({"alert", "incident", "monitor"})
"""Seen by everybody even when they belong to private projects, as what they are about is; those projects are not named then."""
LOG_KINDS = frozenset({"log_group"})
"""Seen with `CanViewLogs` only."""


class ActorType(StrEnum):
    """Who can act."""

    USER = "user"
    AGENT = "agent"
    API_KEY = "api_key"
    SYSTEM = "system"


class Severity(StrEnum):
    """How grave what happened is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it. `id`: the number of a user or of a credential, the UUID of an agent; None: the system."""

    type: ActorType
    name: str
    id: str | None = None


SYSTEM = Actor(ActorType.SYSTEM, "system")


@dataclass(frozen=True, slots=True)
class Resource:
    """What an item is about, such as `endpoint` 12."""

    type: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An item to be written. Texts hold no secrets and no log message beyond a group's title."""

    kind: str
    action: str
    title: str
    actor: Actor = SYSTEM
    summary: str | None = None
    severity: Severity | None = None
    agent_id: str | None = None
    project_ids: tuple[str, ...] = ()
    """In order of their creation."""
    machine: str | None = None
    """Host id."""
    incident_id: int | None = None
    alert_id: int | None = None
    resource: Resource | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS[self.kind]:
            raise ValueError(f"{self.kind} has no action {self.action}")


@dataclass(frozen=True, slots=True)
class Item:
    """A stored item. Numbers ascend in the order of commits; each organization counts from 1."""

    id: int
    draft: Draft
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Which items; what is empty or None keeps all."""

    kinds: frozenset[str] = frozenset()
    agent_id: str | None = None
    project_id: str | None = None
    """Any of the projects of an item."""
    machine: str | None = None
    """Without case."""
    search: str = ""
    """Part of a title, summary, machine or name of an actor, without case."""

    @property
    def is_exact(self) -> bool:
        """Whether anything but the search is asked for."""
        return bool(self.kinds) or self.agent_id is not None or self.project_id is not None or self.machine is not None


@dataclass(frozen=True, slots=True)
class Sight:
    """What a reader may see of the feed."""

    hidden_projects: frozenset[str] = frozenset()
    """Private projects of others: items of which all projects are hidden are hidden themselves, unless their kind is an open one."""
    has_logs: bool = True
    """Whether items about logs are among them."""


@dataclass(frozen=True, slots=True)
class Page:
    """Items, newest first. Without a next cursor there are no older ones; with one, fewer than asked for may be on the page."""

    items: tuple[Item, ...]
    next_cursor: str


def actor_of(caller: Caller) -> Actor:
    """The caller as an actor."""
    name = caller.user_name or "system"
    if caller.kind in (CredentialKind.API_TOKEN, CredentialKind.WORKSPACE_KEY):
        return Actor(ActorType.API_KEY, name, None if caller.credential_id is None else str(caller.credential_id))
    if caller.user_id is not None:
        return Actor(ActorType.USER, name, str(caller.user_id))
    return SYSTEM
