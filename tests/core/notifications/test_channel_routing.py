from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lumetry_core.notifications.channel_routing import ChannelFacts, Happening, find_unknown, route_to_channels
from lumetry_core.notifications.destinations import Channel, ChannelRule, ChannelType

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FACTS = ChannelFacts(source="endpoint", severity="critical")


def a_channel(number: int, *rules: tuple[str, str], **changes: Any) -> Channel:
    """A channel named after its number, with rules."""
    made = tuple(
        ChannelRule(place, number, tuple(sources.split()), tuple(severities.split()), NOW)
        for place, (sources, severities) in enumerate(rules, 1)
    )
    values: dict[str, Any] = {"id": number, "organization_id": 7, "name": f"C{number}", "type": ChannelType.WEBHOOK, "url": "https://x"}
    return Channel(**values | {"rules": made, "create_time": NOW, "update_time": NOW} | changes)


def told(happening: Happening, facts: ChannelFacts, *channels: Channel) -> tuple[str, list[int]]:
    """The event and the numbers of those who are told it."""
    telling = route_to_channels(happening, facts, channels)
    return telling.event, [channel.id for channel in telling.channels]


def test_open_reaches_every_enabled_channel_whose_rules_match() -> None:
    """Without rules all; else one rule is enough, whose filters both hold; an empty filter matches all."""
    channels = [
        a_channel(1),
        a_channel(2, is_enabled=False),
        a_channel(3, ("heartbeat", ""), ("endpoint container", "warning critical")),
        a_channel(4, ("endpoint", "info")),
        a_channel(5, ("", "critical")),
        a_channel(6, ("metric", "critical")),
    ]
    assert told(Happening.OPEN, FACTS, *channels) == ("alert.fired", [1, 3, 5])


def test_names_of_a_container_narrow_its_alerts() -> None:
    """Rules still apply; names that nobody has are ignored, and when none is known all channels are told."""
    channels = [a_channel(1), a_channel(2, ("metric", "")), a_channel(3), a_channel(4, is_enabled=False)]
    assert told(Happening.OPEN, replace(FACTS, channel_names=("c1", " C2", "nobody")), *channels) == ("alert.fired", [1])
    assert told(Happening.OPEN, replace(FACTS, channel_names=("nobody",)), *channels) == ("alert.fired", [1, 3])
    assert told(Happening.OPEN, replace(FACTS, channel_names=("C4",)), *channels) == ("alert.fired", [])


@pytest.mark.parametrize("happening", [Happening.OPEN, Happening.ESCALATE, Happening.RENEW, Happening.RELEASE])
def test_what_is_covered_is_not_told(happening: Happening) -> None:
    """However it came about."""
    assert told(happening, replace(FACTS, is_covered=True, was_held=True), a_channel(1))[1] == []


def test_release_tells_what_was_held_and_still_lasts() -> None:
    """Nothing that was told already, that is over, or that was never held."""
    held = replace(FACTS, was_held=True)
    assert told(Happening.RELEASE, held, a_channel(1)) == ("alert.fired", [1])
    assert told(Happening.RELEASE, FACTS, a_channel(1))[1] == []
    assert told(Happening.RELEASE, replace(held, is_active=False), a_channel(1))[1] == []
    assert told(Happening.RELEASE, replace(held, offered={1}), a_channel(1), a_channel(2))[1] == []


def test_recovery_reaches_those_who_were_told() -> None:
    """Whatever their rules say now, and also under a silence; who is disabled is told nothing."""
    channels = [a_channel(1, ("metric", "")), a_channel(2), a_channel(3, is_enabled=False)]
    assert told(Happening.CLOSE, replace(FACTS, offered={1, 3}, is_covered=True), *channels) == ("alert.resolved", [1])


def test_acknowledgement_reaches_who_keeps_incidents() -> None:
    """PagerDuty, if it was told; nobody else."""
    channels = [a_channel(1), a_channel(2, type=ChannelType.PAGERDUTY), a_channel(3, type=ChannelType.PAGERDUTY)]
    assert told(Happening.ACKNOWLEDGE, replace(FACTS, offered={1, 2}), *channels) == ("alert.acknowledged", [2])


@pytest.mark.parametrize("happening", [Happening.ESCALATE, Happening.RENEW])
def test_rises_and_renewals_are_told_again(happening: Happening) -> None:
    """Also to those whose rules did not match before."""
    assert told(happening, replace(FACTS, offered={1}), a_channel(1), a_channel(2, ("", "critical"))) == ("alert.fired", [1, 2])


def test_log_alert_rules_choose_channels_in_place_of_routing() -> None:
    """A rule's channels are told by number, name or type, whatever their own rules say, and nobody else; a name comes before a type."""
    slack, other = a_channel(1, ("metric", ""), type=ChannelType.SLACK), a_channel(2, type=ChannelType.SLACK)
    email, off = a_channel(3, type=ChannelType.EMAIL), a_channel(4, type=ChannelType.EMAIL, is_enabled=False)
    channels = (slack, other, email, off)
    of_log = replace(FACTS, source="log")
    expected: dict[tuple[int | str, ...], list[int]] = {(1,): [1], (" C2",): [2], ("slack",): [1, 2], ("email", 1): [1, 3]}
    expected |= {(4,): [], (99,): [], (): [2, 3]}
    for choices, ids in expected.items():
        assert told(Happening.OPEN, replace(of_log, channel_names=choices), *channels) == ("alert.fired", ids)
    named = (replace(slack, name="email"), email)
    assert told(Happening.OPEN, replace(of_log, channel_names=("email",)), *named) == ("alert.fired", [1])
    assert find_unknown(channels, [1, 99, "c3", "Slack", "nix"]) == {99, "nix"}
