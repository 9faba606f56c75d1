"""Alerting providers of Gatus as channels."""

from collections.abc import Callable, Mapping
from typing import Any

from lumetry_core.importing.plan import ChannelPlan, Plan
from lumetry_core.importing.values import number_of, record_of, text_of

Provider = Mapping[str, Any]
NTFY = "https://ntfy.sh"


def plan_channels(plan: Plan, alerting: Mapping[str, Any]) -> None:
    """Plans a channel for each provider, or says why there is none."""
    for key, value in alerting.items():
        provider, provider_type = record_of(value), text_of(key)
        title = f"Gatus {provider_type} (alerting)"
        make = MAKERS.get(provider_type)
        fields = make(provider) if make else {}
        missing = [what for what in REQUIRED.get(provider_type, ("url",)) if not fields.get(what)]
        if make is None:
            plan.leave(title, "there is no channel of this type; `webhook` tells any receiver")
        elif missing:
            plan.leave(title, f"it has no {', '.join(missing)}")
        elif any("${" in text for text in (*texts_of(fields), *fields.get("headers", {}).values())):
            plan.leave(title, "it refers to a variable that is not set")
        else:
            remarks = [*fields.pop("remarks", ()), *(("what it overrides for groups is left out",) if provider.get("overrides") else ())]
            plan.add(ChannelPlan(name=f"Gatus {provider_type}", **fields, remarks=tuple(remarks)))


def texts_of(fields: Mapping[str, Any]) -> list[str]:
    """The texts of a channel."""
    return [value for value in fields.values() if isinstance(value, str)]


def make_custom(provider: Provider) -> dict[str, Any]:
    """A webhook."""
    headers = {str(key): text_of(value) for key, value in record_of(provider.get("headers")).items()}
    remarks = ("method and body are Lumetry's own",)
    return {"type": "webhook", "url": text_of(provider.get("url")), "headers": headers, "remarks": remarks}


def make_hook(channel_type: str) -> Callable[[Provider], dict[str, Any]]:
    """Makes a channel that has nothing but an address."""
    return lambda provider: {"type": channel_type, "url": text_of(provider.get("webhook-url"))}


def make_email(provider: Provider) -> dict[str, Any]:
    """Mail."""
    recipients = [part.strip() for part in text_of(provider.get("to")).replace(";", ",").split(",") if part.strip()]
    remarks = ("the mail server is set for all mail by LUMETRY_SMTP_HOST and the variables beside it",)
    return {"type": "email", "url": ",".join(recipients), "remarks": remarks}


def make_ntfy(provider: Provider) -> dict[str, Any]:
    """A topic of ntfy."""
    server, topic = text_of(provider.get("url")).rstrip("/") or NTFY, text_of(provider.get("topic"))
    priority = number_of(provider.get("priority"))
    return {
        "type": "ntfy",
        "url": f"{server}/{topic}" if topic else "",
        "secret": text_of(provider.get("token")),
        "priority": min(max(priority, 1), 5) if priority else None,
    }


def make_gotify(provider: Provider) -> dict[str, Any]:
    """An application of Gotify."""
    priority = number_of(provider.get("priority"))
    return {
        "type": "gotify",
        "url": text_of(provider.get("server-url")),
        "secret": text_of(provider.get("token")),
        "priority": None if priority is None else min(max(priority, 0), 10),
    }


def make_telegram(provider: Provider) -> dict[str, Any]:
    """A chat of Telegram."""
    return {
        "type": "telegram",
        "url": text_of(provider.get("api-url")).rstrip("/"),
        "secret": text_of(provider.get("token")),
        "chat_id": text_of(provider.get("id")),
        "thread_id": number_of(provider.get("topic-id")) or None,
    }


def make_pagerduty(provider: Provider) -> dict[str, Any]:
    """A service of PagerDuty."""
    return {"type": "pagerduty", "secret": text_of(provider.get("integration-key"))}


MAKERS: Mapping[str, Callable[[Provider], dict[str, Any]]] = {
    "custom": make_custom,
    "slack": make_hook("slack"),
    "discord": make_hook("discord"),
    "teams": make_hook("teams"),
    "teams-workflows": make_hook("teams"),
    "email": make_email,
    "ntfy": make_ntfy,
    "gotify": make_gotify,
    "telegram": make_telegram,
    "pagerduty": make_pagerduty,
}
REQUIRED: Mapping[str, tuple[str, ...]] = {"gotify": ("url", "secret"), "telegram": ("secret", "chat_id"), "pagerduty": ("secret",)}
"""What a channel cannot do without, where it is more or less than an address."""
