"""Messages as embeds of Discord."""

import re

from lumetry_core.notifications.messages_webhook import post_news
from lumetry_core.notifications.news import News, Place
from lumetry_core.runtime.outbound import OutboundRequest

MAX_TITLE = 256
MAX_FIELD = 1024
MARKUP = re.compile(r"([\\*_~`|>\[\]()#-])")
ZERO_WIDTH_SPACE = "\u200b"


def escape_discord(text: str) -> str:
    """A text in which nothing is a mention, a link or markup."""
    escaped = MARKUP.sub(r"\\\1", text)
    return escaped.replace("@", f"@{ZERO_WIDTH_SPACE}").replace("<", f"<{ZERO_WIDTH_SPACE}")


def tell_discord(place: Place, news: News) -> OutboundRequest:
    """The request of a webhook of Discord."""
    embed = {
        "title": escape_discord(news.title)[:MAX_TITLE],
        "description": escape_discord(news.message),
        "color": news.color,
        "timestamp": news.timestamp,
        "fields": [{"name": name, "value": escape_discord(value)[:MAX_FIELD], "inline": True} for name, value in news.facts],
    }
    return post_news(place, {"embeds": [embed], "allowed_mentions": {"parse": []}})
