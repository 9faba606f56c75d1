"""From when on a silence counts: not while nobody here could have heard a ping, and not because the clock was moved.

A silence is judged by the server's clock, but three things are no fault of the job's. After a start of ours, or a pause in which we did
nothing for a while, a ping that was due before we were back may still be on its way: it is waited for, for as long as the job may be
silent, at most two minutes. When the clock jumps ahead, deadlines that were set before move along. When it is set back, no deadline is
farther away than the job may be silent.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.heartbeats.model import Heartbeat

LONGEST_WAIT = timedelta(minutes=2)
PAUSE = timedelta(seconds=10)
"""Rounds lie a second apart; when none succeeded for so long, pings may have been refused."""
TOLERANCE = timedelta(seconds=2)
"""The clock is steered by less all the time."""
KEPT_JUMPS = 50


@dataclass(frozen=True, slots=True)
class Jump:
    """The clock jumped ahead by so much, to a time."""

    time: datetime
    length: timedelta


class Watch:
    """What this process knows of its own pauses and of the clock's jumps. Steady seconds never jump."""

    def __init__(self) -> None:
        self._back_time: datetime | None = None
        self._last: tuple[datetime, float] | None = None
        self._last_success = 0.0
        self._jumps: list[Jump] = []

    def begin_round(self, now: datetime, steady: float) -> bool:
        """Notes a round that begins; True when the clock was set back since the one before."""
        if self._last is None:
            self._last, self._last_success, self._back_time = (now, steady), steady, now
            return True
        last_time, last_steady = self._last
        self._last = (now, steady)
        if timedelta(seconds=steady - self._last_success) > PAUSE:
            self._back_time = now
            self._last_success = steady
        length = now - last_time - timedelta(seconds=steady - last_steady)
        if length > TOLERANCE:
            self._jumps = [*self._jumps[1 - KEPT_JUMPS :], Jump(now, length)]
        elif length < -TOLERANCE:
            self._jumps = [jump for jump in self._jumps if jump.time <= now]
            self._back_time = min(self._back_time or now, now)
            return True
        return False

    def end_round(self, steady: float) -> None:
        """Notes that the round succeeded."""
        self._last_success = steady

    def find_judgement(self, heartbeat: Heartbeat) -> datetime:
        """When the silence of a heartbeat that has a deadline counts: at its deadline, or later for our sake."""
        if heartbeat.deadline is None:
            raise ValueError("nothing is expected of this heartbeat")
        set_time = heartbeat.deadline - heartbeat.span
        time = heartbeat.deadline + sum((jump.length for jump in self._jumps if set_time < jump.time), timedelta())
        expected = set_time if heartbeat.open_run is not None else heartbeat.deadline - timedelta(seconds=heartbeat.grace_seconds)
        if self._back_time is not None and expected < self._back_time:
            time = max(time, self._back_time + min(heartbeat.span, LONGEST_WAIT))
        return time
