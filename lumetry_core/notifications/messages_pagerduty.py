"""Messages as events of PagerDuty (Events API v2)."""

from urllib.parse import urlsplit

from lumetry_core.alerts.decisions import Transition
from lumetry_core.notifications.messages import Message
from lumetry_core.notifications.messages_webhook import post_json, post_news
from lumetry_core.notifications.model import Integration, Secrets
from lumetry_core.notifications.news import ACKNOWLEDGED, RESOLVED, News, Place
from lumetry_core.runtime.outbound import OutboundRequest

EVENTS_HOST = "https://events.pagerduty.com"
EVENTS_PATH = "/v2/enqueue"
ACTIONS = {RESOLVED: "resolve", ACKNOWLEDGED: "acknowledge"}
"""Everything else triggers."""
MAX_SUMMARY = 1024


def events_url(override: str | None) -> str:
    """Where events go: to the region that the integration names, at the usual path unless it names one too."""
    base = override or EVENTS_HOST
    return base.rstrip("/") + EVENTS_PATH if urlsplit(base).path in ("", "/") else base


def render_pagerduty(integration: Integration, secrets: Secrets, message: Message) -> OutboundRequest:
    """The request of an event. An escalation triggers again: the same incident there becomes critical."""
    resolves = message.transition is Transition.CLOSE
    document: dict[str, object] = {
        "routing_key": secrets.secret or "",
        "event_action": "resolve" if resolves else "trigger",
        "dedup_key": message.correlation,
    }
    if not resolves:
        alert = message.alert_json
        document |= {
            "client": "Lumetry",
            "payload": {
                "summary": message.title,
                "source": alert["relatedCiName"] or alert["relatedServiceName"] or alert["dimensionKey"] or alert["metricId"] or "Lumetry",
                "severity": "info" if message.is_test else message.severity.lower(),
                "timestamp": alert["eventStartTime"],
                "component": alert["relatedCiName"],
                "group": alert["relatedServiceName"],
                "custom_details": dict(message.facts),
            },
        }
    return post_json(events_url(integration.endpoint_url), message, document)


def tell_pagerduty(place: Place, news: News) -> OutboundRequest:
    """The request of a channel for an event. A test belongs to no alert and resolves itself nowhere, so it is only informative."""
    alert = news.alert
    document: dict[str, object] = {
        "routing_key": place.secrets.secret or "",
        "event_action": ACTIONS.get(news.event, "trigger"),
        "dedup_key": f"lumetry-test-{news.timestamp}" if news.is_test else f"lumetry-alert-{alert['id']}",
    }
    if news.event not in ACTIONS:
        document["payload"] = {
            "summary": f"{news.title}: {news.message}"[:MAX_SUMMARY],
            "source": news.entity,
            "severity": news.severity,
            "timestamp": alert["fired_at"],
            "component": news.entity,
            "group": alert["source"],
            "class": alert["alert_type"],
            "custom_details": dict(alert["details"]),
        }
    place = Place(events_url(place.url), place.secrets, place.config)
    return post_news(place, document)
