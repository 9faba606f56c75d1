"""Notices when this process did not keep up: then a check that got no answer in time says nothing of its endpoint."""

import asyncio

BEAT_SECONDS = 0.25
LATE_SECONDS = 1.0
"""A beat that is later than so is a stall: answers may have waited for us as long."""


class LagGuard:
    """Beats, and remembers when a beat was late. Without its loop running nothing is known, and nothing is excused."""

    def __init__(self) -> None:
        self._last_beat: float | None = None
        self._last_stall: float | None = None

    async def run(self) -> None:
        """Beats until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self.beat(loop.time())
                await asyncio.sleep(BEAT_SECONDS)
        finally:
            self._last_beat = None

    def beat(self, now: float) -> None:
        """Takes a beat."""
        if self.is_late(now):
            self._last_stall = now
        self._last_beat = now

    def is_late(self, now: float) -> bool:
        """Whether a beat is overdue: whoever asks may run before the late beat does."""
        return self._last_beat is not None and now - self._last_beat > BEAT_SECONDS + LATE_SECONDS

    def stalled_since(self, start: float) -> bool:
        """Whether the loop stood still at some time since then."""
        if self.is_late(asyncio.get_running_loop().time()):
            return True
        return self._last_stall is not None and self._last_stall >= start
