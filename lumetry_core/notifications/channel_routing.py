"""Which channels are told of what happens to an alert (contract monitoring 9.4, 10.3, 11). Pure.

Channels are told by rules of their own, beside what routing decides for integrations; storms, cooldowns and profiles do not concern them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lumetry_core.access.model import name_key
from lumetry_core.notifications.destinations import Channel, ChannelRule, ChannelType
from lumetry_core.notifications.news import ACKNOWLEDGED, FIRED, RESOLVED

LOG_SOURCE = "log"


class Happening(StrEnum):
    """What happens to an alert, by the kinds of the routing queue's items."""

    OPEN = "open"
    ESCALATE = "escalate"
    RENEW = "renew"
    RELEASE = "release"
    CLOSE = "close"
    ACKNOWLEDGE = "acknowledge"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFacts:
    """All that decides about one happening.

    Args:
        source: A word of contract 9.1, as `severity` is.
        channel_names: The channels to which the alert's container narrows it; of a log alert rule also numbers and types.
        is_active: Whether it is open or acknowledged now.
        is_covered: Whether a maintenance window or a silence keeps it from being told.
        was_held: Whether its opening was kept from being told until now.
        offered: Channels that were told that it fired.
    """

    source: str
    severity: str
    channel_names: Sequence[int | str] = ()
    is_active: bool = True
    is_covered: bool = False
    was_held: bool = False
    offered: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told, and to which channels. Nobody: nothing."""

    event: str
    channels: tuple[Channel, ...]


def route_to_channels(happening: Happening, facts: ChannelFacts, channels: Sequence[Channel]) -> Telling:
    """Whom to tell what."""
    enabled = [channel for channel in channels if channel.is_enabled]
    told = tuple(channel for channel in enabled if channel.id in facts.offered)
    match happening:
        case Happening.CLOSE:
            return Telling(RESOLVED, told)
        case Happening.ACKNOWLEDGE:
            return Telling(ACKNOWLEDGED, tuple(channel for channel in told if channel.type is ChannelType.PAGERDUTY))
        case Happening.RELEASE if not (facts.was_held and facts.is_active) or facts.offered:
            return Telling(FIRED, ())
    if facts.is_covered:
        return Telling(FIRED, ())
    if facts.source == LOG_SOURCE and facts.channel_names:
        return Telling(FIRED, tuple(choose(enabled, channels, facts.channel_names)))
    return Telling(FIRED, tuple(channel for channel in narrow(enabled, channels, facts.channel_names) if is_wanted(channel, facts)))


def choose(enabled: Sequence[Channel], known: Sequence[Channel], choices: Sequence[int | str]) -> Sequence[Channel]:
    """The channels that a log alert rule names, in the place of their own routing (contract logs 8.1). A name comes before a type."""
    ids = {choice for choice in choices if isinstance(choice, int)}
    names = {name_key(choice.strip()) for choice in choices if isinstance(choice, str)}
    types = names - {name_key(channel.name) for channel in known}
    return [channel for channel in enabled if channel.id in ids or name_key(channel.name) in names or channel.type in types]


def find_unknown(known: Sequence[Channel], choices: Sequence[int | str]) -> set[int | str]:
    """The choices that stand for no channel and no type."""
    good = {channel.id for channel in known} | {name_key(channel.name) for channel in known} | set(ChannelType)
    return {choice for choice in choices if (name_key(choice.strip()) if isinstance(choice, str) else choice) not in good}


def narrow(enabled: Sequence[Channel], known: Sequence[Channel], choices: Sequence[int | str]) -> Sequence[Channel]:
    """The channels that an alert is narrowed to; all when it names none that is known."""
    wanted = {choice.strip().lower() for choice in choices if isinstance(choice, str)}
    if not any(channel.name.lower() in wanted for channel in known):
        return enabled
    return [channel for channel in enabled if channel.name.lower() in wanted]


def is_wanted(channel: Channel, facts: ChannelFacts) -> bool:
    """Whether a channel's rules let an alert through; without one all do."""
    return not channel.rules or any(is_matched(rule, facts) for rule in channel.rules)


def is_matched(rule: ChannelRule, facts: ChannelFacts) -> bool:
    """Whether an alert fulfils both filters of a rule; an empty one matches all."""
    return (not rule.sources or facts.source in rule.sources) and (not rule.severities or facts.severity in rule.severities)
