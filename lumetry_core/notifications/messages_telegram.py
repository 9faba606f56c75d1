"""Messages of a bot of Telegram, in plain text: nothing in it is markup."""

from lumetry_core.notifications.messages_webhook import post_news
from lumetry_core.notifications.news import News, Place
from lumetry_core.runtime.outbound import OutboundRequest

MAX_TEXT = 4096


def tell_telegram(place: Place, news: News) -> OutboundRequest:
    """The request of a message; the bot's token is a part of the address."""
    document: dict[str, object] = {"chat_id": place.config.chat_id or ""}
    if place.config.thread_id is not None:
        document["message_thread_id"] = place.config.thread_id
    document |= {"text": f"{news.title}\n\n{news.text}"[:MAX_TEXT], "disable_web_page_preview": True}
    there = Place(f"{place.url.rstrip('/')}/bot{place.secrets.secret or ''}/sendMessage", place.secrets, place.config)
    return post_news(there, document)
