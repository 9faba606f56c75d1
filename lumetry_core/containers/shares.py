"""Shares of time that a container was up (contract monitoring 4.4). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.containers.model import Container, Transition, is_up
from lumetry_core.uptime.model import DayCount

WINDOWS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}
DAY = timedelta(days=1)
MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Share:
    """Milliseconds: of so many in total so many were up."""

    good: int = 0
    total: int = 0

    def add(self, span: timedelta, *, is_good: bool) -> "Share":
        """With a span more."""
        milliseconds = max(span // MS, 0)
        return Share(self.good + (milliseconds if is_good else 0), self.total + milliseconds)


def measure(container: Container, transitions: Sequence[Transition], start: datetime, now: datetime) -> Share:
    """What a container was from a time until now, as its transitions tell.

    Args:
        container: As it is now; what was before it was first seen, and after it was archived, does not count.
        transitions: Those since the start, newest first; earlier ones do no harm.
        start: Where the window begins.
        now: Where it ends.
    """
    start = max(start, container.first_seen_time)
    end = min(container.archive_time or now, now)
    state, health = container.state, container.health
    share = Share()
    for transition in transitions:
        moment = max(transition.time, start)
        share = share.add(end - moment, is_good=is_up(state, health))
        end = min(end, moment)
        if transition.time <= start:
            return share
        if transition.absent_since is not None:
            end = max(min(end, transition.absent_since), start)
        state, health = transition.previous_state, transition.previous_health
    return share.add(end - start, is_good=is_up(state, health))


def count_seconds(container: Container, until: datetime) -> tuple[list[DayCount], datetime]:
    """The whole seconds since a container was counted last, by UTC day, in the state that it is in; and up to when they reach."""
    counts: list[DayCount] = []
    moment = container.counted_time
    until = moment + timedelta(seconds=max((until - moment) // timedelta(seconds=1), 0))
    while moment < until:
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
        end = min(until, midnight)
        # A second that crosses midnight is the old day's.
        seconds = -((moment - end) // timedelta(seconds=1))
        end = min(moment + timedelta(seconds=seconds), until)
        counts.append(DayCount(container.id, moment.date(), seconds if container.is_up else 0, seconds))
        moment = end
    return counts, until
