"""Integrations and profiles as people send them, before anything is checked. None: left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationDraft:
    """An integration as sent. A header whose value is masked keeps what is stored; an empty `secret` takes the stored one away."""

    name: str
    type: str
    endpoint_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    config: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = field(default=None, repr=False)
    is_enabled: bool | None = None
    collector_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileDraft:
    """A profile as sent."""

    name: str
    is_default: bool | None = None
    is_enabled: bool | None = None
    cooldown_minutes: int | None = None
    notify_on_open: bool | None = None
    notify_on_escalate: bool | None = None
    notify_on_close: bool | None = None
    min_severity: str | None = None
    integration_ids: Sequence[int] = ()
