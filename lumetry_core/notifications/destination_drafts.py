"""Channels and webhooks as people send them, before anything is checked. None: left out, which keeps what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from lumetry_core.notifications.destinations import ChannelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDraft:
    """A channel as sent. `headers` is the text of a JSON object; an empty one, like an empty secret, takes away what is stored."""

    name: str | None = None
    type: str | None = None
    url: str | None = None
    headers: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    config: ChannelConfig | None = None
    is_enabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDraft:
    """A webhook as sent."""

    name: str | None = None
    url: str | None = None
    secret: str | None = field(default=None, repr=False)
    event_types: Sequence[str] | None = None
    is_active: bool | None = None
