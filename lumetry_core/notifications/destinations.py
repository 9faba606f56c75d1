"""Channels and webhooks: what is told of alerts and events beside the integrations (contract monitoring 10, 12)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

from lumetry_core.notifications.model import MASK
from lumetry_core.runtime.clock import spell_time

SOURCES = ("container", "endpoint", "heartbeat", "certificate", "resource", "update", "metric", "external", "log")
SEVERITIES = ("critical", "warning", "info")


class ChannelType(StrEnum):
    """How a channel is told."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    DISCORD = "discord"
    TEAMS = "teams"
    EMAIL = "email"
    NTFY = "ntfy"
    GOTIFY = "gotify"
    TELEGRAM = "telegram"
    PAGERDUTY = "pagerduty"


DEFAULT_URLS: Mapping[ChannelType, str] = {
    ChannelType.TELEGRAM: "https://api.telegram.org",
    ChannelType.PAGERDUTY: "https://events.pagerduty.com/v2/enqueue",
}


class TargetKind(StrEnum):
    """What a dispatch is for."""

    CHANNEL = "channel"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class TargetKey:
    """A channel or webhook; the number of a channel is spelled out."""

    organization_id: int
    kind: TargetKind
    id: str


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """What a type wants beside address and secret; None: nothing is set."""

    priority: int | None = None
    chat_id: str | None = None
    thread_id: int | None = None


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """Which alerts a channel is told; an empty tuple is every word."""

    id: int
    channel_id: int
    sources: tuple[str, ...]
    severities: tuple[str, ...]
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel. `sealed` holds the secret and the values of headers; nothing but the sender opens it.

    Args:
        url: The recipients, for e-mail.
        is_failing: Whether its most recent delivery failed or is retried for long.
    """

    id: int
    organization_id: int
    name: str
    type: ChannelType
    url: str
    header_names: tuple[str, ...] = ()
    config: ChannelConfig = field(default_factory=ChannelConfig)
    has_secret: bool = False
    sealed: bytes | None = field(default=None, repr=False)
    is_enabled: bool = True
    rules: tuple[ChannelRule, ...] = ()
    is_failing: bool = False
    last_delivery_time: datetime | None = None
    last_error: str | None = None
    create_time: datetime
    update_time: datetime

    @property
    def key(self) -> TargetKey:
        """What dispatches know it by."""
        return TargetKey(self.organization_id, TargetKind.CHANNEL, str(self.id))

    @property
    def is_active(self) -> bool:
        """Whether it is told of anything."""
        return self.is_enabled

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses of an e-mail channel."""
        return split_words(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook. `sealed` holds its secret, `previous_sealed` the one before, which signs too until `previous_end_time`.

    Args:
        event_types: As written; `*` is everything.
        last_status: Where its most recent delivery stands: a word of `DispatchStatus`.
        failure_count: Deliveries in a row that failed in the end.
    """

    id: str
    organization_id: int
    name: str
    url: str
    event_types: tuple[str, ...]
    sealed: bytes = field(repr=False)
    previous_sealed: bytes | None = field(default=None, repr=False)
    previous_end_time: datetime | None = None
    is_active: bool = True
    last_status: str | None = None
    last_delivery_time: datetime | None = None
    failure_count: int = 0
    create_time: datetime
    update_time: datetime

    @property
    def key(self) -> TargetKey:
        """What dispatches know it by."""
        return TargetKey(self.organization_id, TargetKind.WEBHOOK, self.id)


Target = Channel | Webhook

ALL = "*"
FOLDED: Mapping[str, str] = {
    "container.discovered": "container.state_changed",
    "container.archived": "container.state_changed",
    "endpoint.discovered": "endpoint.status_changed",
    "endpoint.removed": "endpoint.status_changed",
}
"""Events of the feed that webhooks get under the name of another (12.2)."""
WEBHOOK_EVENTS = (
    "container.state_changed",
    "endpoint.status_changed",
    "heartbeat.status_changed",
    "certificate.status_changed",
    "alert.fired",
    "alert.resolved",
    "alert.silenced",
    "alert.acknowledged",
    "update.detected",
    "incident.opened",
    "incident.acknowledged",
    "incident.resolved",
    "incident.reopened",
)


def fold(event: str) -> str:
    """The name under which webhooks know an event of the feed."""
    return FOLDED.get(event, event)


def feed_types(event_types: Collection[str]) -> set[str]:
    """The events of the feed that somebody needs who wants these; everything is spelled out, so that checks and pings are not."""
    wanted = set(WEBHOOK_EVENTS) if ALL in event_types else set(event_types)
    return wanted | {source for source, name in FOLDED.items() if name in wanted}


def wants(webhook: Webhook, event: str) -> bool:
    """Whether a webhook is told an event, by the name that webhooks know."""
    return webhook.is_active and (ALL in webhook.event_types or event in webhook.event_types)


def split_words(text: str) -> tuple[str, ...]:
    """The words of a list that commas separate, each once."""
    return tuple(dict.fromkeys(word for part in text.split(",") if (word := part.strip())))


def mask_url(channel: Channel) -> str:
    """A channel's address for those who do not manage it: chats keep their secret in the path."""
    scheme, separator, rest = channel.url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}/{MASK}" if separator else MASK


def spell_channel(channel: Channel) -> dict[str, object]:
    """A channel as the event feed tells it, with nothing that not everybody may see (10.1)."""
    return {
        "id": channel.id,
        "name": channel.name,
        "type": channel.type.value,
        "url": mask_url(channel),
        "headers": spell_headers(channel.header_names),
        "enabled": channel.is_enabled,
        "routing_rules": [spell_rule(rule) for rule in channel.rules],
        "health": "failing" if channel.is_failing else "healthy",
        "created_at": spell_time(channel.create_time),
        "updated_at": spell_time(channel.update_time),
        "config": spell_config(channel.config),
        "has_secret": channel.has_secret,
        "last_delivery_at": None if channel.last_delivery_time is None else spell_time(channel.last_delivery_time),
        "last_error": channel.last_error,
    }


def spell_headers(names: tuple[str, ...]) -> str | None:
    """Headers as a JSON text without their values; None: none."""
    return msgspec.json.encode(dict.fromkeys(names, MASK)).decode() if names else None


def spell_config(config: ChannelConfig) -> dict[str, object]:
    """What is set, by name."""
    values = {name: getattr(config, name) for name in ChannelConfig.__slots__}
    return {name: value for name, value in values.items() if value is not None}


def spell_rule(rule: ChannelRule) -> dict[str, object]:
    """A rule; what it does not filter by is null."""
    return {
        "id": rule.id,
        "channel_id": rule.channel_id,
        "source_filter": ",".join(rule.sources) or None,
        "severity_filter": ",".join(rule.severities) or None,
        "created_at": spell_time(rule.create_time),
    }
