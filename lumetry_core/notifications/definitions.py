"""What people write of integrations and profiles, checked (contract lumetry 14.2, 14.3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lumetry_core.access.redaction import SECRET_KEYS, plain
from lumetry_core.notifications.drafts import IntegrationDraft, ProfileDraft
from lumetry_core.notifications.model import MASK, IntegrationType
from lumetry_core.rules.model import SEVERITIES, Severity
from lumetry_core.rules.scalars import check_name, read_count, read_exact
from lumetry_core.runtime.addresses import PRIVATE_TOO, Policy, find_url_fault
from lumetry_core.runtime.errors import Faults

MAX_URL = 2048
MAX_HEADERS = 50
MAX_HEADER_VALUE = 4096
MAX_SECRET = 4096
MAX_SETTINGS = 20
MAX_SETTING = 500
MAX_INTEGRATIONS = 100
COOLDOWN_MINUTES = (0, 1440)

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
"""What a header's name may be (RFC 9110 5.6.2)."""
OWN_HEADERS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "idempotency-key",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-lumetry-signature",
    }
)
"""Headers that tell what the sender itself has to say, with all that start with `proxy-`."""
NEEDS_SECRET = {IntegrationType.PAGERDUTY: "the routing key", IntegrationType.SERVICENOW: "the user's password"}
USER_NAME = "userName"
AT_COLLECTOR = PRIVATE_TOO
"""Where collectors may be told to send: they are there for what only their network reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationDefinition:
    """The writable part of an integration, but for what is sealed."""

    name: str
    type: IntegrationType
    endpoint_url: str | None
    header_names: tuple[str, ...]
    config: Mapping[str, str] = field(default_factory=dict)
    is_enabled: bool = True
    collector_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileDefinition:
    """The writable part of a profile, every default filled in."""

    name: str
    is_default: bool = False
    is_enabled: bool = True
    cooldown_minutes: int = 0
    notify_on_open: bool = True
    notify_on_escalate: bool = True
    notify_on_close: bool = True
    min_severity: Severity = Severity.WARNING
    integration_ids: tuple[int, ...] = ()


def check_integration(draft: IntegrationDraft, policy: Policy, faults: Faults) -> IntegrationDefinition:
    """Reads an integration. The definition is to be used only when no fault was noted.

    Whether masked headers and the secret have something stored to keep, and whether the collector exists, is checked by the caller, who can
    look it up.
    """
    known = draft.type in set(IntegrationType)
    kind = read_exact(IntegrationType, draft.type, "type", faults)
    check_headers(draft.headers, kind if known else None, faults)
    check_config(draft.config, faults)
    if known and kind is IntegrationType.SERVICENOW:
        check_user_name(draft.config.get(USER_NAME, ""), faults)
    if draft.secret is not None:
        check_plain(draft.secret, MAX_SECRET, "secret", faults)
    if draft.collector_id is not None:
        is_webhook = not known or kind is IntegrationType.WEBHOOK
        faults.check(is_webhook, "collectorId", "must be null: collectors deliver a Webhook only")
        policy = AT_COLLECTOR
    return IntegrationDefinition(
        name=check_name(draft.name, "name", faults),
        type=kind,
        endpoint_url=check_endpoint(draft.endpoint_url, kind if known else None, policy, faults),
        header_names=tuple(sorted(draft.headers, key=str.lower)),
        config=dict(draft.config),
        is_enabled=draft.is_enabled is not False,
        collector_id=draft.collector_id,
    )


def check_endpoint(url: str | None, kind: IntegrationType | None, policy: Policy, faults: Faults) -> str | None:
    """Reads where messages go. Without a known kind nobody can tell whether it is required."""
    trimmed = (url or "").strip()
    if not trimmed:
        faults.check(kind in (None, IntegrationType.PAGERDUTY), "endpointUrl", "is required")
        return None
    fault = find_url_fault(trimmed, policy) if len(trimmed) <= MAX_URL else f"must have at most {MAX_URL} characters"
    if fault is not None:
        faults.add("endpointUrl", fault)
    elif kind is IntegrationType.SERVICENOW:
        faults.check("?" not in trimmed and "#" not in trimmed, "endpointUrl", "must be the instance's address without a query")
    return trimmed


def check_headers(headers: Mapping[str, str], kind: IntegrationType | None, faults: Faults) -> None:
    """Notes headers that cannot be sent, or are not one's own to set."""
    if headers and kind not in (None, IntegrationType.WEBHOOK):
        faults.add("headers", "must be empty: only a Webhook has headers")
        return
    faults.check(len(headers) <= MAX_HEADERS, "headers", f"must have at most {MAX_HEADERS} members")
    seen = set()
    for name, value in headers.items():
        path, lower = f"headers.{name}", name.lower()
        if not TOKEN.fullmatch(name):
            faults.add("headers", "must have names of 1 to 100 letters, digits and !#$%&'*+.^_`|~-")
        elif lower in OWN_HEADERS or lower.startswith("proxy-"):
            faults.add(path, "is set by the sender alone")
        elif lower in seen:
            faults.add(path, "is named twice, ignoring case")
        elif value != MASK:
            faults.check(len(value) <= MAX_HEADER_VALUE, path, f"must have at most {MAX_HEADER_VALUE} characters")
            faults.check(
                value.isascii() and value.isprintable() and value == value.strip(), path, "must be printable ASCII without outer blanks"
            )
        seen.add(lower)


def check_config(config: Mapping[str, str], faults: Faults) -> None:
    """Notes settings that are too many or too long, and secrets among them, which everybody could read."""
    faults.check(len(config) <= MAX_SETTINGS, "config", f"must have at most {MAX_SETTINGS} members")
    for key, value in config.items():
        if not TOKEN.fullmatch(key):
            faults.add("config", "must have names of 1 to 100 letters, digits and !#$%&'*+.^_`|~-")
        elif plain(key).endswith(SECRET_KEYS):
            faults.add(f"config.{key}", "must not hold a secret: config is readable, send it as secret")
        else:
            check_plain(value, MAX_SETTING, f"config.{key}", faults)


def check_user_name(name: str, faults: Faults) -> None:
    """Notes a user name that basic authentication cannot carry."""
    path = f"config.{USER_NAME}"
    faults.check(bool(name.strip()), path, "is required")
    faults.check(":" not in name, path, "must not contain a colon")


def check_plain(text: str, longest: int, path: str, faults: Faults) -> None:
    """Notes a text that is too long or cannot be stored."""
    faults.check(len(text) <= longest, path, f"must have at most {longest} characters")
    faults.check("\0" not in text, path, "must not contain the character NUL")


def check_profile(draft: ProfileDraft, faults: Faults) -> ProfileDefinition:
    """Reads a profile. The definition is to be used only when no fault was noted.

    The name's uniqueness and whether the integrations exist are checked by the caller, who can look them up.
    """
    count = len(draft.integration_ids)
    faults.check(1 <= count <= MAX_INTEGRATIONS, "integrationIds", f"must have between 1 and {MAX_INTEGRATIONS} items")
    for place, number in enumerate(draft.integration_ids):
        faults.check(number not in draft.integration_ids[:place], f"integrationIds[{place}]", f"names integration {number} twice")
    return ProfileDefinition(
        name=check_name(draft.name, "name", faults),
        is_default=draft.is_default is True,
        is_enabled=draft.is_enabled is not False,
        cooldown_minutes=read_count(draft.cooldown_minutes, COOLDOWN_MINUTES, COOLDOWN_MINUTES[0], "cooldownMinutes", faults),
        notify_on_open=draft.notify_on_open is not False,
        notify_on_escalate=draft.notify_on_escalate is not False,
        notify_on_close=draft.notify_on_close is not False,
        min_severity=read_exact(SEVERITIES, draft.min_severity, "minSeverity", faults, default=Severity.WARNING),
        integration_ids=tuple(draft.integration_ids),
    )
