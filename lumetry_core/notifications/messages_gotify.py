"""Messages for Gotify."""

from lumetry_core.notifications.messages_webhook import post_news
from lumetry_core.notifications.news import News, Place
from lumetry_core.runtime.outbound import OutboundRequest

PRIORITIES = {"critical": 8, "warning": 5, "info": 2}


def tell_gotify(place: Place, news: News) -> OutboundRequest:
    """The request of a message of an application."""
    configured = place.config.priority
    priority = PRIORITIES.get(news.severity, PRIORITIES["info"]) if configured is None else configured
    there = Place(f"{place.url.rstrip('/')}/message", place.secrets, place.config)
    return post_news(there, {"title": news.title, "message": news.text, "priority": priority}, {"X-Gotify-Key": place.secrets.secret or ""})
