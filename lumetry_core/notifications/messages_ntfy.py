"""Messages for topics of ntfy: the text is the body, everything else stands in headers."""

from email.header import Header

from lumetry_core.notifications.messages_webhook import post_bytes
from lumetry_core.notifications.news import News, Place
from lumetry_core.runtime.outbound import OutboundRequest

PRIORITIES = {"critical": 5, "warning": 4, "info": 3}
TAGS = {"critical": "rotating_light", "warning": "warning", "info": "information_source"}
RESOLVED_TAG = "white_check_mark"
MAX_TITLE = 250


def write_header(text: str) -> str:
    """A text as the value of a header: one line, and encoded (RFC 2047) where it is not ASCII."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())[:MAX_TITLE]
    return line if line.isascii() else Header(line, "utf-8", maxlinelen=10_000).encode(linesep="")


def tell_ntfy(place: Place, news: News) -> OutboundRequest:
    """The request of a topic."""
    priority = place.config.priority or PRIORITIES.get(news.severity, PRIORITIES["info"])
    tag = RESOLVED_TAG if news.is_resolved else TAGS.get(news.severity, TAGS["info"])
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Title": write_header(news.title),
        "Priority": str(priority),
        "Tags": tag,
    }
    if place.secrets.secret is not None:
        headers["Authorization"] = f"Bearer {place.secrets.secret}"
    return post_bytes(place, news.text.encode(), headers)
