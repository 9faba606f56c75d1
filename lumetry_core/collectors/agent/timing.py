"""The product's clock, as far as this machine can know it.

A machine's clock may be hours off and may jump; a *steady* clock runs from boot to boot and never jumps. Each answered heartbeat ties the
product's clock to the steady one: an *anchor*. Points that were made before the first anchor of their boot carry a *stamp*, what both
clocks of the machine showed, from which the anchor makes the product's time later on. That anchor is kept on disk: every delivery of a
point, also by another process, gives it the same time.
"""

import struct
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from lumetry_core.runtime.clock import Clock, from_ms, to_ms

log = structlog.get_logger(__name__)

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
TOLERANCE_MS = 2_000
"""A machine's clock that is closer to the product's is taken as it is."""
PRECISE_MS = 1_000
STALE_MS = 600_000
STAMP = struct.Struct("<16sqq")
"""The boot, the steady clock and the machine's clock in milliseconds."""


class Anchor(msgspec.Struct, frozen=True):
    """What the product's clock showed when the steady one showed `steady_ms`, give or take `uncertainty_ms`."""

    boot_id: str
    steady_ms: int
    server_ms: int
    uncertainty_ms: int

    def correct(self, steady_ms: int, wall_ms: int) -> int:
        """The product's time, in milliseconds, when the machine's clocks showed these."""
        server_ms = self.server_ms + steady_ms - self.steady_ms
        return server_ms if abs(server_ms - wall_ms) > TOLERANCE_MS + self.uncertainty_ms else wall_ms


@dataclass(frozen=True, slots=True)
class Moment:
    """A time to put on points. `note` is empty when it is the product's; else `ServerClock.shift` tells later how far it is off."""

    time: datetime
    note: bytes


def read_steady() -> float:
    """Seconds on a clock that never jumps and runs on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def read_boot_id() -> str:
    """The UUID of this boot; a fresh one where the system does not tell, so that nothing from before this process is corrected."""
    try:
        return str(uuid.UUID(BOOT_ID_FILE.read_text().strip()))
    except (OSError, ValueError):
        return str(uuid.uuid4())


class ServerClock:
    """The product's clock. Also a `runtime.clock.Clock`."""

    def __init__(
        self,
        clock: Clock,
        first_anchor: Anchor | None = None,
        keep: Callable[[Anchor], None] = lambda _anchor: None,
        steady: Callable[[], float] = read_steady,
        boot_id: str | None = None,
    ) -> None:
        """Starts from what is known.

        Args:
            clock: The machine's.
            first_anchor: The one kept last, of whatever boot.
            keep: Stores the first anchor of a boot durably.
            steady: Seconds since boot, from a clock that never jumps.
            boot_id: UUID of this boot; None: as the system tells it.
        """
        self._clock = clock
        self._steady = steady
        self._boot_id = boot_id or read_boot_id()
        self._keep = keep
        self._first = first_anchor if first_anchor is not None and first_anchor.boot_id == self._boot_id else None
        self._newest = self._first

    @property
    def is_known(self) -> bool:
        """Whether an answer has told the product's time since the machine was started."""
        return self._newest is not None

    def steady_ms(self) -> int:
        """The steady clock."""
        return int(self._steady() * 1000)

    def now(self) -> datetime:
        """The product's time as far as it is known, else the machine's."""
        return self.stamp(self._clock.now()).time

    def stamp(self, wall: datetime) -> Moment:
        """The time of what has just happened, when the machine's clock showed `wall`, with the note to keep with points of this time."""
        steady_ms, wall_ms = self.steady_ms(), to_ms(wall)
        if self._newest is not None:
            return Moment(from_ms(self._newest.correct(steady_ms, wall_ms)), b"")
        return Moment(wall, STAMP.pack(uuid.UUID(self._boot_id).bytes, steady_ms, wall_ms))

    def observe(self, sent_ms: int, server_time: datetime) -> None:
        """Learns from an answer that has just come to a question sent at `sent_ms` of the steady clock."""
        received_ms = self.steady_ms()
        half = max(0, received_ms - sent_ms) // 2
        anchor = Anchor(self._boot_id, received_ms, to_ms(server_time) + half, half)
        known = self._newest
        if known is None or half <= max(PRECISE_MS, known.uncertainty_ms) or received_ms - known.steady_ms > STALE_MS:
            self._newest = anchor
        if self._first is None:
            self._first = anchor
            try:
                self._keep(anchor)
            except OSError as error:
                log.warning("the anchor of the clock could not be saved", error=str(error))

    def is_correctable(self, note: bytes) -> bool:
        """Whether points with the note can have the product's time, now or once it is known."""
        return len(note) == STAMP.size and STAMP.unpack(note)[0] == uuid.UUID(self._boot_id).bytes

    def shift(self, note: bytes) -> timedelta:
        """What to add to the time of points with the note; nothing when they are right or nobody can know."""
        if self._first is None or not self.is_correctable(note):
            return timedelta(0)
        _, steady_ms, wall_ms = STAMP.unpack(note)
        return timedelta(milliseconds=self._first.correct(steady_ms, wall_ms) - wall_ms)
