from dataclasses import replace

import pytest

from lumetry_core.feed.service import TOPIC
from lumetry_core.notifications.destination_drafts import ChannelDraft, WebhookDraft
from lumetry_core.notifications.destinations import ChannelConfig, ChannelType, feed_types
from lumetry_core.notifications.event_bodies import MAX_BODY, write_event
from lumetry_core.notifications.model import Secrets
from lumetry_core.notifications.sealing import open_channel, open_webhook
from lumetry_core.notifications.service import channels, webhooks
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.events import read_after
from tests.conftest import FakeClock
from tests.core.notifications.integrating import CALLER, OTHER, RULES, VAULT

URL = "https://hooks.example.com/in"
HEADERS = '{"X-Key": "v", "Authorization": "Bearer t"}'


def faults_of(error: LumetryError) -> list[tuple[str, str]]:
    """What is wrong, by path."""
    return [(fault.path, fault.message) for fault in error.faults]


async def test_create_seals_what_is_secret(database: Database, clock: FakeClock) -> None:
    """Readers see names of headers; what is stored opens in its own organization only; the feed hears of it masked."""
    draft = ChannelDraft(name=" Ops ", url=URL, headers=HEADERS, secret="s")
    async with database.write() as tx:
        made = await channels.create_channel(tx, CALLER, draft, RULES, clock.now())
        assert await channels.list_channels(tx, OTHER.organization_id) == []
    async with database.read() as tx:
        [event] = await read_after(tx, CALLER.organization_id, 0, [TOPIC], 10)
    assert (made.name, made.type, made.header_names, made.has_secret, made.is_enabled) == (
        "Ops",
        "webhook",
        ("Authorization", "X-Key"),
        True,
        True,
    )
    assert open_channel(VAULT, made) == Secrets("s", {"X-Key": "v", "Authorization": "Bearer t"})
    with pytest.raises(Exception, match="cannot be opened"):
        open_channel(VAULT, replace(made, organization_id=8))
    assert event.kind == "channel.created"
    assert b"Bearer t" not in event.subject
    assert b"hooks.example.com/in" not in event.subject


async def test_update_keeps_what_is_left_out(database: Database, clock: FakeClock) -> None:
    """Masked headers, the secret and everything else; empty texts take away."""
    async with database.write() as tx:
        made = await channels.create_channel(tx, CALLER, ChannelDraft(name="Ops", url=URL, headers=HEADERS, secret="s"), RULES, clock.now())
        kept = ChannelDraft(headers='{"x-key": "•••", "New": "n"}')
        changed = await channels.update_channel(tx, CALLER, made.id, kept, RULES, clock.now())
        assert open_channel(VAULT, changed) == Secrets("s", {"x-key": "v", "New": "n"})
        bare = await channels.update_channel(tx, CALLER, made.id, ChannelDraft(headers="", secret=""), RULES, clock.now())
    assert (bare.sealed, bare.header_names, bare.has_secret) == (None, (), False)
    assert (bare.name, bare.url) == ("Ops", URL)


@pytest.mark.parametrize(
    ("draft", "faults"),
    [
        (ChannelDraft(url=URL), [("name", "must have between 1 and 100 characters")]),
        (
            ChannelDraft(name="a", type="fax", url=URL),
            [("type", f"must be one of {', '.join(ChannelType)}")],
        ),
        (ChannelDraft(name="a", url=""), [("url", "is required")]),
        (ChannelDraft(name="a", url="http://x.example/"), [("url", "must be an https URL")]),
        (ChannelDraft(name="a", url=URL, headers="[]"), [("headers", "must be the text of a JSON object with strings as values")]),
        (ChannelDraft(name="a", url=URL, headers='{"webhook-id": "1"}'), [("headers.webhook-id", "is set by the sender alone")]),
        (ChannelDraft(name="a", url=URL, headers='{"X": "•••"}'), [("headers.X", "has no stored value to keep")]),
        (ChannelDraft(name="a", type="slack", url=URL, secret="s"), [("secret", "must be empty: slack has none")]),
        (ChannelDraft(name="a", type="gotify", url=URL), [("secret", "is required: the application's token")]),
        (ChannelDraft(name="a", type="telegram", secret="1:a"), [("config.chat_id", "is required")]),
        (
            ChannelDraft(name="a", type="ntfy", url=URL, config=ChannelConfig(priority=6)),
            [("config.priority", "must be between 1 and 5")],
        ),
        (ChannelDraft(name="a", type="email", url="a@b.c, nobody"), [("url", "holds 'nobody', which is no e-mail address")]),
        (ChannelDraft(name="a", type="email", url=","), [("url", "must list between 1 and 20 e-mail addresses")]),
    ],
)
async def test_create_names_every_fault(database: Database, clock: FakeClock, draft: ChannelDraft, faults: list[tuple[str, str]]) -> None:
    """And stores nothing."""
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await channels.create_channel(tx, CALLER, draft, RULES, clock.now())
    assert faults_of(failure.value) == faults
    assert "code" not in failure.value.metadata
    async with database.read() as tx:
        assert await channels.list_channels(tx, CALLER.organization_id) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "localhost", "2130706433"])
async def test_address_that_policy_refuses_has_its_own_code(database: Database, clock: FakeClock, host: str) -> None:
    """When nothing else is wrong; on every change too."""
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await channels.create_channel(tx, CALLER, ChannelDraft(name="a", url=f"https://{host}/"), RULES, clock.now())
    assert (failure.value.metadata["code"], failure.value.faults[0].path) == ("url_not_allowed", "url")
    async with database.write() as tx:
        made = await channels.create_channel(tx, CALLER, ChannelDraft(name="a", url=URL), RULES, clock.now())
        with pytest.raises(LumetryError) as failure:
            await channels.update_channel(tx, CALLER, made.id, ChannelDraft(url=f"https://{host}/"), RULES, clock.now())
    assert failure.value.metadata["code"] == "url_not_allowed"


async def test_names_are_taken_once(database: Database, clock: FakeClock) -> None:
    """Whatever their case; not by another organization; a channel keeps its own."""
    async with database.write() as tx:
        made = await channels.create_channel(tx, CALLER, ChannelDraft(name="Ops", url=URL), RULES, clock.now())
        await channels.create_channel(tx, OTHER, ChannelDraft(name="Ops", url=URL), RULES, clock.now())
        await channels.update_channel(tx, CALLER, made.id, ChannelDraft(name="OPS"), RULES, clock.now())
        with pytest.raises(LumetryError) as failure:
            await channels.create_channel(tx, CALLER, ChannelDraft(name="ops", url=URL), RULES, clock.now())
    assert failure.value.reason is Reason.DUPLICATE_NAME


async def test_rules_belong_to_their_channel(database: Database, clock: FakeClock) -> None:
    """Unknown words are named; a rule of another channel, or organization, is not found."""
    async with database.write() as tx:
        first = await channels.create_channel(tx, CALLER, ChannelDraft(name="a", url=URL), RULES, clock.now())
        second = await channels.create_channel(tx, CALLER, ChannelDraft(name="b", url=URL), RULES, clock.now())
        rule = await channels.add_rule(tx, CALLER, first.id, "endpoint, heartbeat,", "", clock.now())
        assert (rule.sources, rule.severities) == (("endpoint", "heartbeat"), ())
        with pytest.raises(LumetryError) as failure:
            await channels.add_rule(tx, CALLER, first.id, "fax", "bad", clock.now())
        assert [fault.path for fault in failure.value.faults] == ["source_filter", "severity_filter"]
        for caller, channel in ((CALLER, second), (OTHER, first)):
            with pytest.raises(LumetryError) as failure:
                await channels.remove_rule(tx, caller, channel.id, rule.id, clock.now())
            assert failure.value.reason is Reason.NOT_FOUND
        await channels.remove_rule(tx, CALLER, first.id, rule.id, clock.now())
        assert (await channels.get_channel(tx, CALLER.organization_id, first.id)).rules == ()


async def test_webhook_without_a_secret_gets_one_and_keeps_the_old_for_a_day(database: Database, clock: FakeClock) -> None:
    """It is answered once; after a change both sign until the day is over."""
    async with database.write() as tx:
        made = await webhooks.create_webhook(tx, CALLER, WebhookDraft(name="w", url=URL), RULES, clock.now())
        assert made.secret is not None
        assert (made.secret.startswith("whsec_"), made.webhook.event_types) == (True, ("*",))
        changed = await webhooks.update_webhook(tx, CALLER, made.webhook.id, WebhookDraft(secret="another secret"), RULES, clock.now())
    assert open_webhook(VAULT, changed, clock.now()) == ["another secret", made.secret]
    clock.advance(seconds=24 * 3600)
    assert open_webhook(VAULT, changed, clock.now()) == ["another secret"]


@pytest.mark.parametrize(
    ("draft", "path"),
    [
        (WebhookDraft(name="w", url="http://x.example/"), "url"),
        (WebhookDraft(name="w", url="no address"), "url"),
        (WebhookDraft(name="w", url="https://hooks.slack.com/services/x"), "url"),
        (WebhookDraft(name="w", url="https://discord.com/api/webhooks/x"), "url"),
        (WebhookDraft(name="w", url="https://x.webhook.office.com/x"), "url"),
        (WebhookDraft(name="w", url=URL, secret="short"), "secret"),
        (WebhookDraft(name="w", url=URL, event_types=()), "event_types"),
        (WebhookDraft(name="w", url=URL, event_types=("alert.fired", "nope")), "event_types[1]"),
    ],
)
async def test_webhook_faults_have_their_paths(database: Database, clock: FakeClock, draft: WebhookDraft, path: str) -> None:
    """Each alone, as validation errors."""
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await webhooks.create_webhook(tx, CALLER, draft, RULES, clock.now())
    assert ([fault.path for fault in failure.value.faults], failure.value.metadata) == ([path], {})


def test_everything_is_not_every_check() -> None:
    """Who wants `*` wants what webhooks know, with the events that are folded into it."""
    wanted = feed_types(["*"])
    assert {"container.archived", "endpoint.removed", "alert.fired", "incident.reopened"} <= wanted
    assert wanted.isdisjoint({"endpoint.check_result", "heartbeat.pinged", "resource.snapshot"})
    assert feed_types(["endpoint.status_changed"]) == {"endpoint.status_changed", "endpoint.discovered", "endpoint.removed"}


def test_bodies_that_are_too_large_are_cut() -> None:
    """Long texts first; the data say so."""
    body = write_event("alert.fired", "t", {"alert": {"id": 1, "message": "é" * MAX_BODY, "details": {"log": ["x" * MAX_BODY]}}})
    assert len(body) <= MAX_BODY
    assert body.endswith(b'"truncated":true}}')
    assert write_event("test", "t", {"message": "m"}) == b'{"type":"test","timestamp":"t","data":{"message":"m"}}'
