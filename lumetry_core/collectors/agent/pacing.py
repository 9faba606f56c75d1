"""How long the collector waits before it tries again."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

Share = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the process waits for what, in seconds."""

    first_sample: float = 1.0
    """Until the first points, when the interval is longer."""
    first_retry: float = 0.5
    last_retry: float = 30.0
    forbidden_retry: float = 60.0
    """After the server forbade what a collector must be able to do."""
    drain: float = 5.0
    """For delivering what waits when the process ends."""


def random_share() -> float:
    """A random factor from 0.5 to 1, so that many collectors do not return at once."""
    return 0.5 + secrets.randbelow(501) / 1000


class Backoff:
    """Pauses that double from failure to failure, each shortened at random."""

    def __init__(self, pace: Pace, share: Share) -> None:
        self._pace = pace
        self._share = share
        self.failures = 0
        """In a row."""

    def pause(self, at_least: float | None = None) -> float:
        """Seconds to wait after one more failure; a server that asks for more gets it, prolonged at random."""
        seconds = min(self._pace.last_retry, self._pace.first_retry * 2.0 ** min(self.failures, 20)) * self._share()
        self.failures += 1
        return seconds if at_least is None else max(seconds, at_least * (2 - self._share()))

    def reset(self) -> None:
        """Notes a success."""
        self.failures = 0
