import json
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import default
from typing import Any

import pytest

from lumetry_core.notifications.destination_sender import TELL
from lumetry_core.notifications.destinations import ChannelConfig, ChannelType
from lumetry_core.notifications.messages_email import write_email
from lumetry_core.notifications.model import Secrets
from lumetry_core.notifications.news import News, Place, make_test_alert, read_news, write_content
from lumetry_core.runtime.outbound import OutboundRequest

NOW = datetime(2026, 6, 1, 8, 40, tzinfo=UTC)
NASTY = "shop <!channel> @everyone [x](http://evil) & co\r\nX-Evil: 1"
ALERT = make_test_alert(NOW) | {
    "id": 12,
    "alert_type": "consecutive_failure",
    "severity": "critical",
    "message": "3 checks in a row failed: <http://evil|click>",
    "entity_id": 3,
    "entity_name": NASTY,
    "details": {"target": "http://shop/", "failures": 3},
}
ONE_LINE = "shop <!channel> @everyone [x](http://evil) & co X-Evil: 1"


def render(kind: ChannelType, event: str = "alert.fired", config: ChannelConfig | None = None, **alert: Any) -> tuple[OutboundRequest, Any]:
    """The request of a channel, and its body decoded."""
    news = read_news(write_content(event, ALERT | alert, NOW))
    place = Place("https://host.example/path", Secrets("the-secret", {"X-Own": "1"}), config or ChannelConfig())
    request = TELL[kind](place, news)
    return request, request.body.decode() if kind is ChannelType.NTFY else json.loads(request.body)


def test_slack_has_two_sections_without_mentions() -> None:
    """Icon and bold title; then source, severity, entity and message."""
    request, body = render(ChannelType.SLACK)
    escaped = "shop &lt;!channel&gt; @everyone [x](http://evil) &amp; co X-Evil: 1"
    assert (request.method, request.url) == ("POST", "https://host.example/path")
    assert request.headers == {"Content-Type": "application/json", "X-Own": "1"}
    assert body == {
        "text": f"Alert: {escaped}",
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": f":red_circle: *Alert: {escaped}*"}},
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": f"*Source:* endpoint\n*Severity:* critical\n*Entity:* {escaped}\n"
                    "*Message:* 3 checks in a row failed: &lt;http://evil|click&gt;",
                },
            },
        ],
    }
    assert ":white_check_mark: *Resolved: " in render(ChannelType.SLACK, "alert.resolved")[1]["blocks"][0]["text"]["text"]


def test_discord_mentions_nobody() -> None:
    """One embed in the color of its severity, which a resolved alert keeps."""
    body = render(ChannelType.DISCORD, "alert.resolved")[1]
    [embed] = body["embeds"]
    assert body["allowed_mentions"] == {"parse": []}
    assert (embed["color"], embed["timestamp"]) == (0xEF4444, "2026-06-01T08:40:00Z")
    assert embed["title"].startswith("Resolved: shop ")
    assert [(field["name"], field["inline"]) for field in embed["fields"]] == [("Source", True), ("Severity", True), ("Entity", True)]
    assert "@everyone" not in json.dumps(body)
    assert render(ChannelType.DISCORD, severity="warning")[1]["embeds"][0]["color"] == 0xF59E0B
    assert render(ChannelType.DISCORD, severity="info")[1]["embeds"][0]["color"] == 0x22C55E


def test_teams_gets_the_card_that_its_host_takes() -> None:
    """Connectors a MessageCard, workflows an Adaptive Card of version 1.4."""
    news = News("alert.fired", ALERT, "2026-06-01T08:40:00Z")
    tell = TELL[ChannelType.TEAMS]
    for host in ("x.webhook.office.com", "outlook.office.com"):
        card = json.loads(tell(Place(f"https://{host}/a"), news).body)
        assert (card["@type"], card["themeColor"]) == ("MessageCard", "EF4444")
        assert [fact["name"] for fact in card["sections"][0]["facts"]] == ["Source", "Severity", "Entity", "Type"]
    message = json.loads(tell(Place("https://prod.logic.azure.com/a"), news).body)
    [attachment] = message["attachments"]
    assert (message["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    assert (attachment["content"]["type"], attachment["content"]["version"]) == ("AdaptiveCard", "1.4")


@pytest.mark.parametrize(("severity", "priority"), [("critical", "5"), ("warning", "4"), ("info", "3")])
def test_ntfy_puts_everything_but_the_text_into_headers(severity: str, priority: str) -> None:
    """Each in one line; the token is sent as a bearer's."""
    request, text = render(ChannelType.NTFY, severity=severity)
    assert request.headers["Title"] == f"Alert: {ONE_LINE}"
    assert (request.headers["Priority"], request.headers["Authorization"]) == (priority, "Bearer the-secret")
    assert request.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert text.startswith("3 checks in a row failed")
    assert all("\r" not in value and "\n" not in value for value in request.headers.values())


def test_ntfy_encodes_titles_and_takes_a_configured_priority() -> None:
    """What is not ASCII stands in a header as its standard says."""
    request, _ = render(ChannelType.NTFY, config=ChannelConfig(priority=1), entity_name="Lädchen ✓")
    assert request.headers["Priority"] == "1"
    assert request.headers["Title"].isascii()
    assert str(make_header(decode_header(request.headers["Title"]))) == "Alert: Lädchen ✓"


@pytest.mark.parametrize(("severity", "priority"), [("critical", 8), ("warning", 5), ("info", 2)])
def test_gotify_posts_a_message_with_the_token_in_a_header(severity: str, priority: int) -> None:
    """A configured priority wins, 0 too."""
    request, body = render(ChannelType.GOTIFY, severity=severity)
    assert (request.url, request.headers["X-Gotify-Key"]) == ("https://host.example/path/message", "the-secret")
    assert (body["title"], body["priority"], sorted(body)) == (f"Alert: {ONE_LINE}", priority, ["message", "priority", "title"])
    assert render(ChannelType.GOTIFY, config=ChannelConfig(priority=0))[1]["priority"] == 0


def test_telegram_sends_plain_text() -> None:
    """To the chat, and its topic when there is one."""
    request, body = render(ChannelType.TELEGRAM, config=ChannelConfig(chat_id="-100", thread_id=7))
    assert request.url == "https://host.example/path/botthe-secret/sendMessage"
    assert body["text"].startswith(f"Alert: {ONE_LINE}\n\n3 checks")
    assert {name: body[name] for name in body if name != "text"} == {
        "chat_id": "-100",
        "message_thread_id": 7,
        "disable_web_page_preview": True,
    }
    assert "message_thread_id" not in render(ChannelType.TELEGRAM, config=ChannelConfig(chat_id="1"))[1]


@pytest.mark.parametrize(
    ("event", "action"), [("alert.fired", "trigger"), ("alert.resolved", "resolve"), ("alert.acknowledged", "acknowledge")]
)
def test_pagerduty_follows_one_incident(event: str, action: str) -> None:
    """Under the same key from beginning to end; only a trigger says what is wrong."""
    _, body = render(ChannelType.PAGERDUTY, event)
    assert (body["routing_key"], body["event_action"], body["dedup_key"]) == ("the-secret", action, "lumetry-alert-12")
    assert ("payload" in body) is (action == "trigger")
    if action == "trigger":
        assert body["payload"] == {
            "summary": f"Alert: {ONE_LINE}: 3 checks in a row failed: <http://evil|click>",
            "source": ONE_LINE,
            "severity": "critical",
            "timestamp": "2026-06-01T08:40:00Z",
            "component": ONE_LINE,
            "group": "endpoint",
            "class": "consecutive_failure",
            "custom_details": {"target": "http://shop/", "failures": 3},
        }


@pytest.mark.parametrize(("event", "mark"), [("alert.fired", "ALERT"), ("alert.resolved", "RESOLVED"), ("test", "TEST")])
def test_email_says_in_its_subject_what_happened(event: str, mark: str) -> None:
    """In one line, whatever a monitored system is called; repetitions have the same identity."""
    raw = write_email(News(event, ALERT, "2026-06-01T08:40:00Z"), "lumetry@example.com", ["a@b.c", "d@e.f"], "key-1", NOW)
    mail = message_from_bytes(raw, policy=default)
    assert mail["Subject"] == f"[Lumetry] {mark}: {ONE_LINE}"
    assert (mail["To"], mail["From"], mail["Message-ID"]) == ("a@b.c, d@e.f", "lumetry@example.com", "<key-1@example.com>")
    assert "X-Evil" not in mail
    assert mail.get_content().startswith("3 checks in a row failed")
