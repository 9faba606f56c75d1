"""Agents and what is decided about them (contract workspace 3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

DEFAULT_NAME = "Lumetry"
"""Reserved for the default agent."""
DEFAULT_SLUG = "lumetry"
FALLBACK_SLUG = "agent"
RESTRICTIONS = frozenset({"allowed_tools", "allowed_peers", "allowed_connectors"})
"""The fields that only people change."""
WRITABLE_OF_HOSTS = frozenset({"description", "avatar", "metadata", "is_active"})
"""The fields of an image of a host agent that can be written here."""
FIXED = ("name", "slug", "model", "is_active")
"""The fields of the default agent that stay as they are."""


class Kind(StrEnum):
    """What an agent is; those of kind `host` stand for agents that are enrolled on hosts."""

    AUTOMATION = "automation"
    HOST = "host"


class Status(StrEnum):
    """How an agent is; only those of kind `host` can be offline."""

    ONLINE = "online"
    OFFLINE = "offline"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a host agent that is the image of this said of itself."""

    status: Status
    version: str
    time: datetime | None
    """Its newest heartbeat."""
    transport: str
    queue_depth: int
    dropped_count: int


@dataclass(frozen=True, slots=True)
class Agent:
    """An identity under which programs write, or the image of a host agent. `id` is a UUID; optional texts are None when there are none."""

    organization_id: int
    id: str
    slug: str
    name: str
    create_time: datetime
    update_time: datetime
    description: str | None = None
    avatar: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    allowed_tools: tuple[str, ...] = ()
    """Scopes; empty: all that whoever acts has."""
    allowed_peers: tuple[str, ...] = ()
    allowed_connectors: tuple[str, ...] = ()
    is_active: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_default: bool = False
    last_message_time: datetime | None = None
    kind: Kind = Kind.AUTOMATION
    machine: str | None = None
    """Host id; None for automations."""
    heard: Heard | None = None
    """None for automations."""

    @property
    def status(self) -> Status:
        """How it is."""
        if self.heard is not None:
            return self.heard.status
        return Status.ONLINE if self.is_active else Status.DISABLED

    @property
    def last_seen_time(self) -> datetime | None:
        """The newest heartbeat of a host agent, the newest message of an automation."""
        return self.last_message_time if self.heard is None else self.heard.time


def is_reserved(name: str) -> bool:
    """Whether a name, whose white space is collapsed, is the default agent's."""
    return name.casefold() == DEFAULT_NAME.casefold()


def audited(agent: Agent) -> Mapping[str, object]:
    """What the audit keeps, under the contract's names."""
    return {
        "id": agent.id,
        "slug": agent.slug,
        "name": agent.name,
        "description": agent.description,
        "avatar": agent.avatar,
        "model": agent.model,
        "systemPrompt": agent.system_prompt,
        "allowedTools": list(agent.allowed_tools),
        "allowedPeers": list(agent.allowed_peers),
        "allowedConnectors": list(agent.allowed_connectors),
        "isActive": agent.is_active,
        "settings": agent.settings,
        "metadata": agent.metadata,
    }
