"""What people write of channels and their rules, checked (contract monitoring 10.1 to 10.3)."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import msgspec

from lumetry_core.notifications.definitions import MAX_SECRET, MAX_URL, check_headers, check_plain
from lumetry_core.notifications.destination_drafts import ChannelDraft
from lumetry_core.notifications.destinations import (
    DEFAULT_URLS,
    SEVERITIES,
    SOURCES,
    Channel,
    ChannelConfig,
    ChannelType,
    split_words,
)
from lumetry_core.notifications.model import IntegrationType, Secrets
from lumetry_core.notifications.signing import SIGNED_HEADERS
from lumetry_core.rules.choices import check_text
from lumetry_core.runtime.addresses import Policy, find_url_fault
from lumetry_core.runtime.errors import Faults, LumetryError, Reason

MAX_NAME = 100
MAX_RECIPIENTS = 20
MAX_CHAT_ID = 100
MAX_TEXT = 16_384
PRIORITIES = {ChannelType.NTFY: (1, 5), ChannelType.GOTIFY: (0, 10)}
NEEDS_SECRET = {
    ChannelType.GOTIFY: "the application's token",
    ChannelType.TELEGRAM: "the bot's token",
    ChannelType.PAGERDUTY: "the routing key",
}
TAKES_SECRET = frozenset({*NEEDS_SECRET, ChannelType.WEBHOOK, ChannelType.NTFY})
ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
BOT_TOKEN = re.compile(r"[0-9A-Za-z:_-]{1,200}", re.ASCII)
"""It becomes a part of the path."""
NOT_ALLOWED = ("must not name", "must not lead")
"""How faults of addresses begin that are the address policy's."""

headers_decoder = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDefinition:
    """The writable part of a channel, but for what is sealed."""

    name: str
    type: ChannelType
    url: str
    header_names: tuple[str, ...] = ()
    config: ChannelConfig = field(default_factory=ChannelConfig)
    is_enabled: bool = True


class DestinationFaults:
    """Collects the faults of a channel or webhook, and apart from them that the address policy refuses what is a URL."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.refusal: str | None = None

    def raise_if_any(self) -> None:
        """Fails with VALIDATION_FAILED; the code says when nothing is wrong but where the address leads."""
        if self.refusal is not None:
            is_alone = not self.faults
            self.faults.add("url", self.refusal)
            if is_alone:
                try:
                    self.faults.raise_if_any()
                except LumetryError as error:
                    raise LumetryError(Reason.VALIDATION_FAILED, error.message, faults=error.faults, code="url_not_allowed") from None
        self.faults.raise_if_any()

    def check_url(self, url: str, policy: Policy) -> str:
        """Notes what is wrong with the address of a receiver."""
        trimmed = url.strip()
        if not trimmed:
            self.faults.add("url", "is required")
        elif len(trimmed) > MAX_URL:
            self.faults.add("url", f"must have at most {MAX_URL} characters")
        elif (fault := find_url_fault(trimmed, policy)) is not None:
            if fault.startswith(NOT_ALLOWED):
                self.refusal = fault
            else:
                self.faults.add("url", fault)
        return trimmed


def check_channel(draft: ChannelDraft, before: Channel | None, policy: Policy, noted: DestinationFaults) -> ChannelDefinition:
    """Reads a channel: what is sent, and what is kept of the one before. To be used only when nothing was noted.

    The name's uniqueness, and whether masked headers and the secret have something stored to keep, are checked by the caller.
    """
    faults = noted.faults
    kind = read_type(draft, before, faults)
    headers = read_headers(draft.headers, kind, faults)
    names = before.header_names if draft.headers is None and before is not None else tuple(sorted(headers, key=str.lower))
    if draft.secret is not None:
        check_secret(draft.secret, kind, faults)
    config = draft.config or (before.config if before is not None else ChannelConfig())
    check_config(config, kind, faults)
    return ChannelDefinition(
        name=check_name(draft.name if draft.name is not None or before is None else before.name, faults),
        type=kind,
        url=check_place(draft.url if draft.url is not None or before is None else before.url, kind, policy, noted),
        header_names=names,
        config=config,
        is_enabled=draft.is_enabled if draft.is_enabled is not None else before is None or before.is_enabled,
    )


def read_type(draft: ChannelDraft, before: Channel | None, faults: Faults) -> ChannelType:
    """The type, which never changes."""
    if before is not None:
        faults.check(draft.type in (None, before.type), "type", f"must stay {before.type}")
        return before.type
    if draft.type is None:
        return ChannelType.WEBHOOK
    if draft.type not in set(ChannelType):
        faults.add("type", f"must be one of {', '.join(ChannelType)}")
        return ChannelType.WEBHOOK
    return ChannelType(draft.type)


def check_name(name: str | None, faults: Faults) -> str:
    """Reads the name of a channel or webhook."""
    trimmed = (name or "").strip()
    faults.check(1 <= len(trimmed) <= MAX_NAME, "name", f"must have between 1 and {MAX_NAME} characters")
    check_text(trimmed, "name", faults)
    return trimmed


def check_place(url: str | None, kind: ChannelType, policy: Policy, noted: DestinationFaults) -> str:
    """Reads where a channel's messages go."""
    trimmed = (url or "").strip()
    if kind is ChannelType.EMAIL:
        recipients = split_words(trimmed)
        noted.faults.check(1 <= len(recipients) <= MAX_RECIPIENTS, "url", f"must list between 1 and {MAX_RECIPIENTS} e-mail addresses")
        for recipient in recipients[:MAX_RECIPIENTS]:
            noted.faults.check(ADDRESS.fullmatch(recipient) is not None, "url", f"holds {recipient[:100]!r}, which is no e-mail address")
        return ", ".join(recipients)
    if not trimmed and kind in DEFAULT_URLS:
        return DEFAULT_URLS[kind]
    checked = noted.check_url(trimmed, policy)
    if kind in (ChannelType.GOTIFY, ChannelType.TELEGRAM):
        noted.faults.check("?" not in checked and "#" not in checked, "url", "must be the server's address without a query")
    return checked


def read_headers(text: str | None, kind: ChannelType, faults: Faults) -> Mapping[str, str]:
    """The headers of a JSON text; those of signatures and of the sender are nobody's to set."""
    if not text or not text.strip():
        return {}
    try:
        headers = headers_decoder.decode(text) if len(text) <= MAX_TEXT else None
    except (msgspec.MsgspecError, RecursionError):
        headers = None
    if headers is None:
        faults.add("headers", "must be the text of a JSON object with strings as values")
        return {}
    if headers and kind is ChannelType.EMAIL:
        faults.add("headers", "must be empty: an e-mail has none of one's own")
        return {}
    check_headers(headers, IntegrationType.WEBHOOK, faults)
    for name in headers:
        if name.lower() in SIGNED_HEADERS - {"x-lumetry-signature"}:
            faults.add(f"headers.{name}", "is set by the sender alone")
    return headers


def check_secret(secret: str, kind: ChannelType, faults: Faults) -> None:
    """Notes a secret that the type does not know, or cannot send."""
    check_plain(secret, MAX_SECRET, "secret", faults)
    if secret:
        faults.check(kind in TAKES_SECRET, "secret", f"must be empty: {kind} has none")
        faults.check(secret.isascii() and secret.isprintable(), "secret", "must be printable ASCII")
        if kind is ChannelType.TELEGRAM:
            faults.check(BOT_TOKEN.fullmatch(secret) is not None, "secret", "must be a bot's token")


def check_config(config: ChannelConfig, kind: ChannelType, faults: Faults) -> None:
    """Notes settings outside their ranges, and those of other types."""
    bounds = PRIORITIES.get(kind)
    if config.priority is not None:
        if bounds is None:
            faults.add("config.priority", f"must be absent: {kind} has none")
        else:
            faults.check(bounds[0] <= config.priority <= bounds[1], "config.priority", f"must be between {bounds[0]} and {bounds[1]}")
    if kind is ChannelType.TELEGRAM:
        faults.check(bool((config.chat_id or "").strip()), "config.chat_id", "is required")
        check_plain(config.chat_id or "", MAX_CHAT_ID, "config.chat_id", faults)
    else:
        faults.check(config.chat_id is None, "config.chat_id", f"must be absent: {kind} has none")
        faults.check(config.thread_id is None, "config.thread_id", f"must be absent: {kind} has none")


def require_secret(kind: ChannelType, secrets: Secrets, faults: Faults) -> None:
    """Notes a secret that is missing in the end."""
    if kind in NEEDS_SECRET:
        faults.check(secrets.secret is not None, "secret", f"is required: {NEEDS_SECRET[kind]}")


def read_filter(text: str, allowed: Collection[str], path: str, faults: Faults) -> tuple[str, ...]:
    """The words of a rule's filter."""
    words = split_words(text)
    for word in words:
        if word not in allowed:
            faults.add(path, f"holds {word[:40]!r}, which is none of {', '.join(allowed)}")
    return words


def read_rule(source_filter: str, severity_filter: str, faults: Faults) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sources and severities of a rule."""
    return read_filter(source_filter, SOURCES, "source_filter", faults), read_filter(severity_filter, SEVERITIES, "severity_filter", faults)
