import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from lumetry_core.access.vault import Vault
from lumetry_core.alerts.decisions import Transition
from lumetry_core.notifications.model import IntegrationType, Secrets, SendResult
from lumetry_core.notifications.payload import spell_alert
from lumetry_core.notifications.sender import Sender, judge
from lumetry_core.runtime.addresses import GLOBAL_ONLY, PRIVATE_TOO
from lumetry_core.runtime.outbound import OutboundAnswer, OutboundClient
from tests.core.notifications.integrating import (
    ALERT,
    INCIDENT,
    NOW,
    VAULT,
    Receiver,
    always,
    make_integration,
    make_message,
    receiving,
)

WEBHOOK, SLACK, TEAMS = IntegrationType.WEBHOOK, IntegrationType.SLACK, IntegrationType.MICROSOFT_TEAMS
PAGERDUTY, SERVICENOW = IntegrationType.PAGERDUTY, IntegrationType.SERVICENOW
HOSTILE = replace(ALERT, alert_name="<!channel> & [x](https://evil.example) <https://evil.example|ok>")


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    client = OutboundClient(PRIVATE_TOO, total_seconds=5)
    yield Sender(client, VAULT)
    await client.close()


def body_of(receiver: Receiver, place: int = 0) -> Any:
    """What a receiver got, decoded."""
    return json.loads(receiver.asked[place][3])


async def test_webhook_carries_the_documented_body_signed(sender: Sender) -> None:
    """Whoever has the secret can check every byte; own headers come along."""
    secrets = Secrets("s\u00e9cret", {"X-Team": "ops", "Authorization": "Bearer abc"})
    async with receiving(always(202)) as receiver:
        integration = make_integration(WEBHOOK, f"{receiver.url}/in?a=b", secrets)
        result = await sender.send(integration, make_message(Transition.ESCALATE))
    [(method, path, headers, body)] = receiver.asked
    assert (result, method, path) == (SendResult(ok=True, status_code=202), "POST", "/in?a=b")
    assert json.loads(body) == {
        "event": "alert.escalated",
        "alert": spell_alert(ALERT),
        "incident": INCIDENT,
        "sentAt": "2026-06-01T08:00:00Z",
    }
    expected = hmac.new("s\u00e9cret".encode(), body, hashlib.sha256).hexdigest()
    wanted = ("x-lumetry-signature", "idempotency-key", "content-type", "x-team", "authorization")
    assert [headers[name] for name in wanted] == [f"sha256={expected}", "9012:escalate", "application/json", "ops", "Bearer abc"]


async def test_webhook_without_secret_is_not_signed(sender: Sender) -> None:
    """A header that looks like a signature would only mislead; its own content type wins."""
    async with receiving(always(200)) as receiver:
        await sender.send(make_integration(WEBHOOK, receiver.url, Secrets(None, {"content-type": "application/x+json"})), make_message())
    headers = receiver.asked[0][2]
    assert ("x-lumetry-signature" in headers, headers["content-type"]) == (False, "application/x+json")


async def test_slack_shows_title_and_facts_and_mentions_nobody(sender: Sender) -> None:
    """What alerts are called is shown as written, not understood."""
    async with receiving(always(200)) as receiver:
        await sender.send(make_integration(SLACK, receiver.url), make_message(alert=HOSTILE))
    shown = body_of(receiver)
    title = "Opened: &lt;!channel&gt; &amp; [x](https://evil.example) &lt;https://evil.example|ok&gt;"
    assert shown["text"] == title
    [attachment] = shown["attachments"]
    assert (attachment["color"], attachment["blocks"][0]["text"]) == ("#e01e5a", {"type": "mrkdwn", "text": f"*{title}*"})
    assert [field["text"] for field in attachment["blocks"][1]["fields"]] == [
        "*Severity*\nCritical",
        "*Service*\nMobile Banking",
        "*CI*\nDB1",
        "*Metric*\nDatabase CPU",
        "*Dimension*\nhost=db1",
        "*Reason*\n11 violations within 10 minutes",
        "*Started*\n2026-06-01T08:00:00Z",
        "*Incident*\nINC-000005",
    ]


async def test_teams_gets_an_adaptive_card(sender: Sender) -> None:
    """A link with another name than its own is not one."""
    async with receiving(always(202)) as receiver:
        await sender.send(make_integration(TEAMS, receiver.url), make_message(Transition.CLOSE, alert=HOSTILE))
    shown = body_of(receiver)
    [attachment] = shown["attachments"]
    card = attachment["content"]
    assert (shown["type"], attachment["contentType"], card["type"]) == (
        "message",
        "application/vnd.microsoft.card.adaptive",
        "AdaptiveCard",
    )
    title, facts = card["body"]
    assert title["text"] == "Closed: <!channel> & \\[x\\](https://evil.example) <https://evil.example|ok>"
    assert title["color"] == "Good"
    assert facts["facts"][:2] == [{"title": "Severity", "value": "Critical"}, {"title": "Service", "value": "Mobile Banking"}]


@pytest.mark.parametrize("path", ["", "/", "/v2/enqueue"])
async def test_pagerduty_triggers_and_resolves_one_incident(sender: Sender, path: str) -> None:
    """All transitions of an alert have one key there; an escalation triggers again."""
    async with receiving(always(202)) as receiver:
        integration = make_integration(PAGERDUTY, receiver.url + path, Secrets("routing"))
        for transition in Transition:
            assert (await sender.send(integration, make_message(transition))).ok
    assert receiver.methods == ["POST /v2/enqueue"] * 3
    events = [body_of(receiver, place) for place in range(3)]
    assert [(event["event_action"], event["dedup_key"], event["routing_key"]) for event in events] == [
        ("trigger", "lumetry-alert-9012", "routing"),
        ("trigger", "lumetry-alert-9012", "routing"),
        ("resolve", "lumetry-alert-9012", "routing"),
    ]
    assert events[0]["payload"]["summary"] == "Opened: Database health"
    assert (events[0]["payload"]["severity"], events[0]["payload"]["source"]) == ("critical", "DB1")
    assert "payload" not in events[2]


PAIR = base64.b64encode("lumetry:p\u00e4ss".encode()).decode()


class Table:
    """ServiceNow's table of incidents."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Lists, creates and changes incidents for whoever has the password."""
        if request.headers.get("Authorization") != f"Basic {PAIR}":
            return web.json_response({"error": {}}, status=401)
        if request.method == "GET":
            wanted = request.query["sysparm_query"].removeprefix("correlation_id=")
            found = [{"sys_id": row["sys_id"], "state": row["state"]} for row in self.rows if row["correlation_id"] == wanted]
            return web.json_response({"result": found})
        if request.method == "POST":
            self.rows.append({"sys_id": f"{len(self.rows):032x}", "state": "1"} | json.loads(body))
            return web.json_response({"result": self.rows[-1]}, status=201)
        [row] = [row for row in self.rows if request.path.endswith(f"/{row['sys_id']}")]
        row.update(json.loads(body))
        return web.json_response({"result": row})


def servicenow(url: str, password: str = "p\u00e4ss", **config: str) -> Any:
    return make_integration(SERVICENOW, f"{url}/", Secrets(password), config={"userName": "lumetry"} | config)


async def test_servicenow_creates_raises_and_resolves_one_incident(sender: Sender) -> None:
    """Found by its correlation; a repetition creates no second one, and what is resolved is left alone."""
    table = Table()
    async with receiving(table.answer) as receiver:
        integration = servicenow(receiver.url, assignmentGroup="Network", closeCode="Solution provided")
        for transition in (Transition.OPEN, Transition.OPEN, Transition.ESCALATE, Transition.CLOSE, Transition.CLOSE):
            assert (await sender.send(integration, make_message(transition))).ok
    assert [method.partition("?")[0] for method in receiver.methods] == [
        "GET /api/now/table/incident",
        "POST /api/now/table/incident",
        "GET /api/now/table/incident",
        "GET /api/now/table/incident",
        f"PATCH /api/now/table/incident/{0:032x}",
        "GET /api/now/table/incident",
        f"PATCH /api/now/table/incident/{0:032x}",
        "GET /api/now/table/incident",
    ]
    [row] = table.rows
    names = ("correlation_id", "short_description", "urgency", "assignment_group", "state", "close_code")
    assert [row[name] for name in names] == ["lumetry-alert-9012", "Opened: Database health", "1", "Network", "6", "Solution provided"]


async def test_servicenow_with_a_wrong_password_is_final(sender: Sender) -> None:
    """Trying again cannot help; the password is not told."""
    async with receiving(Table().answer) as receiver:
        result = await sender.send(servicenow(receiver.url, "hidden"), make_message())
    assert result == SendResult(ok=False, status_code=401, error="answered 401 Unauthorized", is_final=True)


@pytest.mark.parametrize("text", ["<html>login</html>", "{}", '{"result": [{"sys_id": "../user"}]}'])
async def test_servicenow_that_answers_something_else_is_tried_again(sender: Sender, text: str) -> None:
    """An instance that sleeps shows a page; nothing of an answer becomes part of an address."""
    async with receiving(always(200, text=text)) as receiver:
        result = await sender.send(servicenow(receiver.url), make_message(Transition.CLOSE))
    assert result == SendResult(ok=False, status_code=200, error="the answer is not one of ServiceNow's table of incidents")
    assert len(receiver.asked) == 1


async def test_servicenow_takes_no_longer_than_one_message_may() -> None:
    """However many requests a message takes."""
    table = Table()
    never = asyncio.Event()

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        if request.method == "POST":
            await never.wait()
        return await table.answer(request, body)

    client = OutboundClient(PRIVATE_TOO, total_seconds=5)
    async with receiving(answer) as receiver:
        result = await Sender(client, VAULT, total_seconds=0.3).send(servicenow(receiver.url), make_message())
        never.set()
    await client.close()
    assert result == SendResult(ok=False, error="no answer within 0.3 s")


@pytest.mark.parametrize(
    ("status", "headers", "error", "final", "after"),
    [
        (199, {}, "answered 199", False, None),
        (302, {"location": "http://169.254.169.254/"}, "answered 302 Found; redirects are not followed", False, None),
        (400, {}, "answered 400 Bad Request", True, None),
        (404, {}, "answered 404 Not Found", True, None),
        (408, {}, "answered 408 Request Timeout", False, None),
        (410, {}, "answered 410 Gone", True, None),
        (429, {"retry-after": "30"}, "answered 429 Too Many Requests", False, 30.0),
        (429, {"retry-after": "99999999"}, "answered 429 Too Many Requests", False, 3600.0),
        (429, {"retry-after": "-1"}, "answered 429 Too Many Requests", False, None),
        (429, {"retry-after": "soon"}, "answered 429 Too Many Requests", False, None),
        (500, {}, "answered 500 Internal Server Error", False, None),
        (
            503,
            {"retry-after": "Mon, 01 Jun 2026 08:00:40 GMT", "date": "Mon, 01 Jun 2026 08:00:00 GMT"},
            "answered 503 Service Unavailable",
            False,
            40.0,
        ),
        (503, {"retry-after": "Mon, 01 Jun 2026 08:00:40 GMT"}, "answered 503 Service Unavailable", False, None),
        (503, {"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, "answered 503 Service Unavailable", False, None),
        (599, {}, "answered 599", False, None),
    ],
)
def test_judge_tells_what_may_be_tried_again(status: int, headers: dict[str, str], error: str, final: bool, after: float | None) -> None:
    """Only 4xx is final, but for 408 and 429; nothing of the answer's text is repeated."""
    answer = OutboundAnswer(status, headers, b"hidden")
    assert judge(answer) == SendResult(ok=False, status_code=status, error=error, is_final=final, retry_after_seconds=after)


async def test_send_tells_a_receiver_that_redirects_to_metadata(sender: Sender) -> None:
    """The redirect is not followed."""
    async with receiving(always(307, {"Location": "http://169.254.169.254/latest"})) as receiver:
        result = await sender.send(make_integration(WEBHOOK, receiver.url), make_message())
    assert (result.ok, result.status_code, result.is_final, len(receiver.asked)) == (False, 307, False, 1)


async def test_send_tells_whether_the_receiver_may_have_got_it(sender: Sender) -> None:
    """Nobody listens, or somebody takes it and hangs up."""

    async def hang_up(request: web.Request, _body: bytes) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with receiving(hang_up) as receiver:
        taken = await sender.send(make_integration(WEBHOOK, f"{receiver.url}/?token=hidden"), make_message())
    nobody = await sender.send(make_integration(WEBHOOK, f"{receiver.url}/?token=hidden"), make_message())
    assert taken == SendResult(ok=False, error="the connection was closed before an answer came", reached=True)
    assert nobody == SendResult(ok=False, error="the connection was refused", reached=False)


async def test_send_refuses_a_private_receiver_for_good() -> None:
    """Where only global addresses may be reached, trying again is useless."""
    client = OutboundClient(GLOBAL_ONLY)
    result = await Sender(client, VAULT).send(make_integration(WEBHOOK, "https://127.0.0.1/hidden"), make_message())
    await client.close()
    error = "the address must not lead to 127.0.0.1: it is a loopback address"
    assert result == SendResult(ok=False, error=error, is_final=True, reached=False)


async def test_send_tells_of_another_key(sender: Sender) -> None:
    """Another key file is no crash, and nothing is sent without its secret."""
    integration = make_integration(WEBHOOK, "http://127.0.0.1:9/", Secrets("s"), Vault(bytes(range(32))))
    error = "The stored secret cannot be opened: it was sealed with another key than the one in the key file."
    assert await sender.send(integration, make_message()) == SendResult(ok=False, error=error, reached=False)


async def test_send_test_marks_its_message(sender: Sender) -> None:
    """In the body for machines and in the title for people."""
    async with receiving(always(200)) as receiver:
        for kind in (WEBHOOK, SLACK):
            assert (await sender.send_test(make_integration(kind, receiver.url), NOW)).ok
    webhook, slack = body_of(receiver, 0), body_of(receiver, 1)
    assert (webhook["test"], webhook["event"], webhook["alert"]["alertName"]) == (True, "alert.opened", "Lumetry test message")
    assert list(webhook["alert"]) == list(spell_alert(ALERT))
    assert slack["text"] == "[Test] Opened: Lumetry test message"
    assert receiver.asked[0][2]["idempotency-key"] == "test-4-1780300800000:open"


async def test_send_test_leaves_no_incident_open(sender: Sender) -> None:
    """What a test opens it resolves, under a key that no alert has."""
    table = Table()
    async with receiving(always(202)) as events, receiving(table.answer) as instance:
        assert (await sender.send_test(make_integration(PAGERDUTY, events.url, Secrets("routing")), NOW)).ok
        assert (await sender.send_test(servicenow(instance.url), NOW)).ok
    seen = [(event["event_action"], event["dedup_key"]) for event in (body_of(events, 0), body_of(events, 1))]
    assert seen == [("trigger", "lumetry-test-4-1780300800000"), ("resolve", "lumetry-test-4-1780300800000")]
    assert [(row["correlation_id"], row["state"]) for row in table.rows] == [("lumetry-test-4-1780300800000", "6")]


async def test_send_test_tells_the_first_failure(sender: Sender) -> None:
    """What did not open is not resolved."""
    async with receiving(always(400)) as receiver:
        result = await sender.send_test(make_integration(PAGERDUTY, receiver.url, Secrets("routing")), NOW)
    assert (result.status_code, len(receiver.asked)) == (400, 1)
