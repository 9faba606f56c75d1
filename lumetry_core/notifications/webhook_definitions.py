"""What people write of webhooks, checked (contract monitoring 12.1, 12.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from yarl import URL

from lumetry_core.notifications.channel_definitions import DestinationFaults, check_name
from lumetry_core.notifications.destination_drafts import WebhookDraft
from lumetry_core.notifications.destinations import ALL, WEBHOOK_EVENTS, Webhook
from lumetry_core.runtime.addresses import Policy
from lumetry_core.runtime.errors import Faults

SECRET_LENGTHS = (8, 256)
CHAT_HOSTS = {
    "hooks.slack.com": "slack",
    "hooks.slack-gov.com": "slack",
    "discord.com": "discord",
    "discordapp.com": "discord",
    "webhook.office.com": "teams",
    "outlook.office.com": "teams",
    "outlook.office365.com": "teams",
    "logic.azure.com": "teams",
    "api.powerplatform.com": "teams",
}
"""Hosts, with everything below them, that do not understand events, and the type of channel that they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDefinition:
    """The writable part of a webhook, but for its secret."""

    name: str
    url: str
    event_types: tuple[str, ...]
    is_active: bool


def check_webhook(draft: WebhookDraft, before: Webhook | None, policy: Policy, noted: DestinationFaults) -> WebhookDefinition:
    """Reads a webhook: what is sent, and what is kept of the one before. To be used only when nothing was noted."""
    faults = noted.faults
    if draft.secret is not None:
        least, most = SECRET_LENGTHS
        faults.check(least <= len(draft.secret) <= most, "secret", f"must have between {least} and {most} characters")
        faults.check("\0" not in draft.secret, "secret", "must not contain the character NUL")
    types = draft.event_types if draft.event_types is not None else (ALL,) if before is None else before.event_types
    return WebhookDefinition(
        name=check_name(draft.name if draft.name is not None or before is None else before.name, faults),
        url=check_receiver(draft.url if draft.url is not None or before is None else before.url, policy, noted),
        event_types=read_types(types, faults),
        is_active=draft.is_active if draft.is_active is not None else before is None or before.is_active,
    )


def check_receiver(url: str | None, policy: Policy, noted: DestinationFaults) -> str:
    """Reads where events go."""
    checked = noted.check_url(url or "", policy)
    kind = find_chat(checked)
    if kind is not None:
        noted.faults.add("url", f"leads to a chat that does not understand events: use a channel of type {kind}")
    return checked


def find_chat(url: str) -> str | None:
    """The type of channel that a host is one of; None: of none."""
    try:
        host = (URL(url, encoded=True).host or "").rstrip(".").lower()
    except ValueError:
        return None
    return next((kind for known, kind in CHAT_HOSTS.items() if host == known or host.endswith(f".{known}")), None)


def read_types(types: Sequence[str], faults: Faults) -> tuple[str, ...]:
    """The wanted events, each once."""
    faults.check(bool(types), "event_types", "must have at least one item")
    for place, event in enumerate(types):
        faults.check(event == ALL or event in WEBHOOK_EVENTS, f"event_types[{place}]", f"must be one of {ALL}, {', '.join(WEBHOOK_EVENTS)}")
    return tuple(dict.fromkeys(types))
