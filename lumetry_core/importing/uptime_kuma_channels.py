"""Notifications of Uptime Kuma as channels."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from lumetry_core.importing.plan import ChannelPlan, Plan
from lumetry_core.importing.values import is_set, number_of, text_of

Config = Mapping[str, Any]
OWN_TEXT = "messages have Lumetry's own text"


def plan_channel(plan: Plan, notification: Mapping[str, Any]) -> None:
    """Plans a channel, or says why there is none."""
    config = read_config(notification.get("config"))
    channel_type = text_of(config.get("type")) or text_of(notification.get("type"))
    name = text_of(notification.get("name")) or text_of(config.get("name"))
    title = f"{name or 'a notification without name'} ({channel_type or 'no type'})"
    make = MAKERS.get(channel_type)
    if make is None:
        plan.leave(title, "there is no channel of this type; `webhook` tells any receiver")
        return
    fields = make(config)
    missing = [what for what in REQUIRED.get(channel_type, ("url",)) if not fields.get(what)]
    if not name or missing:
        plan.leave(title, f"it has no {', '.join(missing) or 'name'}")
        return
    plan.add(ChannelPlan(name=name[:100], is_enabled=is_set(notification.get("active"), default=True), **fields))


def read_config(config: object) -> Config:
    """The settings of a notification, which backups hold as a text."""
    try:
        found = json.loads(config) if isinstance(config, str) else config
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def make_webhook(config: Config) -> dict[str, Any]:
    """A webhook."""
    fields: dict[str, Any] = {"type": "webhook", "url": text_of(config.get("webhookURL")), "remarks": ("the body is Lumetry's own",)}
    headers = read_config(config.get("webhookAdditionalHeaders"))
    return fields | {"headers": {str(key): text_of(value) for key, value in headers.items()}}


def make_slack(config: Config) -> dict[str, Any]:
    """A channel of Slack."""
    is_styled = any(text_of(config.get(name)) for name in ("slackusername", "slackchannel", "slackiconemo"))
    remarks = ("user, channel and icon are those of the webhook",) if is_styled else ()
    return {"type": "slack", "url": text_of(config.get("slackwebhookURL")), "remarks": remarks}


def make_discord(config: Config) -> dict[str, Any]:
    """A channel of Discord."""
    remarks = (OWN_TEXT,) if text_of(config.get("discordPrefixMessage")) else ()
    return {"type": "discord", "url": text_of(config.get("discordWebhookUrl")), "remarks": remarks}


def make_teams(config: Config) -> dict[str, Any]:
    """A channel of Teams."""
    return {"type": "teams", "url": text_of(config.get("webhookUrl"))}


def make_email(config: Config) -> dict[str, Any]:
    """Mail, to all who get a copy too."""
    lists = (text_of(config.get(name)) for name in ("smtpTo", "smtpCC", "smtpBCC"))
    recipients = [part.strip() for each in lists for part in each.replace(";", ",").split(",") if part.strip()]
    remarks = ("the mail server is set for all mail by LUMETRY_SMTP_HOST and the variables beside it",)
    return {"type": "email", "url": ",".join(dict.fromkeys(recipients)), "remarks": remarks}


def make_ntfy(config: Config) -> dict[str, Any]:
    """A topic of ntfy."""
    server, topic = text_of(config.get("ntfyserverurl")).rstrip("/"), text_of(config.get("ntfytopic"))
    way = text_of(config.get("ntfyAuthenticationMethod"))
    remarks = ("it does not log in with user and password: an access token can be set",) if way == "usernamePassword" else ()
    return {
        "type": "ntfy",
        "url": f"{server}/{topic}" if server and topic else "",
        "secret": text_of(config.get("ntfyaccesstoken")),
        "priority": within(config.get("ntfyPriority"), 1, 5),
        "remarks": remarks,
    }


def make_gotify(config: Config) -> dict[str, Any]:
    """An application of Gotify."""
    return {
        "type": "gotify",
        "url": text_of(config.get("gotifyserverurl")),
        "secret": text_of(config.get("gotifyapplicationToken")),
        "priority": within(config.get("gotifyPriority"), 0, 10),
    }


def make_telegram(config: Config) -> dict[str, Any]:
    """A chat of Telegram."""
    return {
        "type": "telegram",
        "url": text_of(config.get("telegramServerUrl")).rstrip("/"),
        "secret": text_of(config.get("telegramBotToken")),
        "chat_id": text_of(config.get("telegramChatID")),
        "thread_id": number_of(config.get("telegramMessageThreadID")) or None,
        "remarks": (OWN_TEXT,) if is_set(config.get("telegramUseTemplate")) else (),
    }


def make_pagerduty(config: Config) -> dict[str, Any]:
    """A service of PagerDuty."""
    return {
        "type": "pagerduty",
        "url": text_of(config.get("pagerdutyIntegrationUrl")),
        "secret": text_of(config.get("pagerdutyIntegrationKey")),
    }


def within(value: object, least: int, most: int) -> int | None:
    """A number within bounds; None for none."""
    number = number_of(value)
    return None if number is None else min(max(number, least), most)


MAKERS: Mapping[str, Callable[[Config], dict[str, Any]]] = {
    "webhook": make_webhook,
    "slack": make_slack,
    "discord": make_discord,
    "teams": make_teams,
    "smtp": make_email,
    "ntfy": make_ntfy,
    "gotify": make_gotify,
    "telegram": make_telegram,
    "PagerDuty": make_pagerduty,
    "pagerduty": make_pagerduty,
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "gotify": ("url", "secret"),
    "telegram": ("secret", "chat_id"),
    "PagerDuty": ("secret",),
    "pagerduty": ("secret",),
}
"""What a channel cannot do without, where it is more or less than an address."""
