"""Messages for people in chats: Slack and Microsoft Teams."""

from urllib.parse import urlsplit

from lumetry_core.alerts.decisions import Transition
from lumetry_core.notifications.messages import Message
from lumetry_core.notifications.messages_webhook import post_json, post_news
from lumetry_core.notifications.model import Integration, Secrets
from lumetry_core.notifications.news import News, Place
from lumetry_core.runtime.outbound import OutboundRequest

MAX_FIELDS = 10
"""Slack shows no more in one section."""
GREEN = "#2eb67d"
SLACK_COLORS = {"Warning": "#ecb22e", "Critical": "#e01e5a"}
TEAMS_COLORS = {"Warning": "Warning", "Critical": "Attention"}
CARD_TYPE = "application/vnd.microsoft.card.adaptive"
CONNECTOR_HOSTS = ("webhook.office.com", "outlook.office.com")
"""Hosts, with everything below them, that take MessageCards."""
ICONS = {"critical": ":red_circle:", "warning": ":warning:", "info": ":information_source:"}
RESOLVED_ICON = ":white_check_mark:"


def escape_slack(text: str) -> str:
    """A text in which nothing is a mention, a link or an entity."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_teams(text: str) -> str:
    """A text in which nothing is a link with another name than its own."""
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def render_slack(integration: Integration, _secrets: Secrets, message: Message) -> OutboundRequest:
    """The request of an incoming webhook of Slack."""
    title = escape_slack(message.title)
    fields = [{"type": "mrkdwn", "text": f"*{name}*\n{escape_slack(value)}"} for name, value in message.facts[:MAX_FIELDS]]
    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": f"*{title}*"}},
        {"type": "section", "fields": fields},
    ]
    color = GREEN if message.transition is Transition.CLOSE else SLACK_COLORS.get(message.severity, GREEN)
    document = {"text": title, "attachments": [{"color": color, "fallback": title, "blocks": blocks}]}
    return post_json(integration.endpoint_url or "", message, document)


def render_teams(integration: Integration, _secrets: Secrets, message: Message) -> OutboundRequest:
    """The request of a workflow of Microsoft Teams: a message that is one Adaptive Card."""
    color = "Good" if message.transition is Transition.CLOSE else TEAMS_COLORS.get(message.severity, "Default")
    title = {"type": "TextBlock", "text": escape_teams(message.title), "weight": "Bolder", "size": "Medium", "wrap": True, "color": color}
    facts = [{"title": name, "value": escape_teams(value)} for name, value in message.facts]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [title, {"type": "FactSet", "facts": facts}],
    }
    document = {"type": "message", "attachments": [{"contentType": CARD_TYPE, "contentUrl": None, "content": card}]}
    return post_json(integration.endpoint_url or "", message, document)


def tell_slack(place: Place, news: News) -> OutboundRequest:
    """The request of a channel for an incoming webhook of Slack."""
    icon = RESOLVED_ICON if news.is_resolved else ICONS.get(news.severity, ICONS["info"])
    lines = [f"*{name}:* {escape_slack(value)}" for name, value in news.facts]
    texts = (f"{icon} *{escape_slack(news.title)}*", "\n".join([*lines, f"*Message:* {escape_slack(news.message)}"]))
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text}} for text in texts]
    return post_news(place, {"text": escape_slack(news.title), "blocks": blocks})


def tell_teams(place: Place, news: News) -> OutboundRequest:
    """The request of a channel for Microsoft Teams: the older connectors take another card than workflows."""
    facts = (*news.facts, ("Type", str(news.alert["alert_type"])))
    host = (urlsplit(place.url).hostname or "").lower()
    if any(host == known or host.endswith(f".{known}") for known in CONNECTOR_HOSTS):
        card: dict[str, object] = {
            "@type": "MessageCard",
            "@context": "http://schema.org/extensions",
            "themeColor": f"{news.color:06X}",
            "summary": escape_teams(news.title),
            "title": escape_teams(news.title),
            "sections": [
                {
                    "activityTitle": escape_teams(news.message),
                    "facts": [{"name": name, "value": escape_teams(value)} for name, value in facts],
                }
            ],
        }
        return post_news(place, card)
    color = "Good" if news.is_resolved else TEAMS_COLORS.get(news.severity.capitalize(), "Default")
    title = {"type": "TextBlock", "text": escape_teams(news.title), "weight": "Bolder", "size": "Medium", "wrap": True, "color": color}
    body = [
        title,
        {"type": "TextBlock", "text": escape_teams(news.message), "wrap": True},
        {"type": "FactSet", "facts": [{"title": name, "value": escape_teams(value)} for name, value in facts]},
    ]
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    return post_news(place, {"type": "message", "attachments": [{"contentType": CARD_TYPE, "contentUrl": None, "content": content}]})
