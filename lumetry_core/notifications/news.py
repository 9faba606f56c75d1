"""What channels tell of an alert, before it takes the form that a type wants (contract monitoring 10.4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from lumetry_core.notifications.destinations import ChannelConfig
from lumetry_core.notifications.messages import cut
from lumetry_core.notifications.model import Secrets
from lumetry_core.runtime.clock import spell_time

FIRED = "alert.fired"
RESOLVED = "alert.resolved"
ACKNOWLEDGED = "alert.acknowledged"
TEST = "test"
COLORS = {"critical": 0xEF4444, "warning": 0xF59E0B, "info": 0x22C55E}
"""A resolved alert keeps the color of its severity."""
MAX_MESSAGE = 2000
"""Longest message that chats are told."""


class Content(msgspec.Struct, frozen=True):
    """The body of a channel's dispatch, which receivers of type `webhook` get as it is stored."""

    event: str
    alert: dict[str, Any]
    timestamp: str


content_decoder = msgspec.json.Decoder(Content)


@dataclass(frozen=True, slots=True)
class Place:
    """Where and with what a channel is told: its address, its secrets opened, its settings."""

    url: str
    secrets: Secrets = field(default_factory=Secrets, repr=False)
    config: ChannelConfig = field(default_factory=ChannelConfig)


@dataclass(frozen=True, slots=True)
class News:
    """One event of an alert."""

    event: str
    alert: Mapping[str, Any]
    timestamp: str

    @property
    def is_test(self) -> bool:
        """Whether nothing has happened."""
        return self.event == TEST

    @property
    def is_resolved(self) -> bool:
        """Whether it is over."""
        return self.event == RESOLVED

    @property
    def severity(self) -> str:
        """`critical`, `warning` or `info`."""
        return str(self.alert["severity"])

    @property
    def entity(self) -> str:
        """What it is about."""
        return cut(str(self.alert["entity_name"] or self.alert["message"]))

    @property
    def title(self) -> str:
        """One line for people."""
        mark = "Test" if self.is_test else "Resolved" if self.is_resolved else "Alert"
        return f"{mark}: {self.entity}"

    @property
    def message(self) -> str:
        """What is wrong, or was."""
        text = str(self.alert["message"]).strip()
        return text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 1]}…"

    @property
    def color(self) -> int:
        """The color of its severity."""
        return COLORS.get(self.severity, COLORS["info"])

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What every chat shows."""
        return ("Source", str(self.alert["source"])), ("Severity", self.severity), ("Entity", self.entity)

    @property
    def text(self) -> str:
        """All of it in plain lines, for what shows no more than text."""
        lines = [self.message, "", *(f"{name}: {value}" for name, value in self.facts), f"Since: {self.alert['fired_at']}"]
        if self.is_resolved and self.alert["resolved_at"]:
            lines.append(f"Resolved: {self.alert['resolved_at']}")
        return "\n".join(lines)


def write_content(event: str, alert: Mapping[str, Any], now: datetime) -> bytes:
    """The bytes that are stored, and that receivers of type `webhook` get."""
    return msgspec.json.encode({"event": event, "alert": alert, "timestamp": spell_time(now)})


def read_news(body: bytes) -> News:
    """What stored bytes tell."""
    content = content_decoder.decode(body)
    return News(content.event, content.alert, content.timestamp)


def make_test_alert(now: datetime) -> dict[str, Any]:
    """The alert of a test, which nobody has."""
    return {
        "id": 0,
        "source": "endpoint",
        "alert_type": "test",
        "severity": "info",
        "status": "active",
        "message": "This is a test of the channel; nothing is wrong",
        "entity_type": "endpoint",
        "entity_id": None,
        "entity_name": "Lumetry",
        "details": {},
        "resolved_by_id": None,
        "fired_at": spell_time(now),
        "created_at": spell_time(now),
        "resolved_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "escalated_at": None,
        "incident_id": None,
        "source_kind": "Monitor",
    }
