"""How long it takes from a point to the page that it causes: points one by one, each with an alert of its own."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.report import Latency, summarize_latency

GOLDEN = 0.6180339887498949
"""Steps of this share of a unit fill it evenly whatever their number."""


@dataclass(frozen=True, slots=True)
class Sent:
    """When a point left and when the answer to it came."""

    left: float
    accepted: float


@dataclass(frozen=True, slots=True)
class Delays:
    """One measurement of one side."""

    side: str
    answer: Latency
    """From sending to the answer."""
    from_accepted: Latency
    """From the answer to the arrival of the page."""
    from_sent: Latency
    repetitions: int
    """Pages beyond the first of each point."""
    cpu_seconds: float
    """Of the server's processes, from the first point to the last page."""
    foreign_share: float
    seconds: Sequence[float] = field(default=(), repr=False)
    """From the answer to the arrival, for every point."""


def due_times(count: int, per_second: float) -> list[float]:
    """Seconds from the start at which points leave: one in each slot of equal length, each elsewhere in it.

    A strict rhythm would always meet the same phase of anything that happens at an interval.
    """
    return [(number + number * GOLDEN % 1) / per_second for number in range(count)]


def send_apart(send: Callable[[str], None], names: Sequence[str], per_second: float) -> dict[str, Sent]:
    """Sends the points of these names one after another at a low rate."""
    sent = {}
    begin = time.perf_counter()
    for name, due in zip(names, due_times(len(names), per_second), strict=True):
        time.sleep(max(0.0, begin + due - time.perf_counter()))
        left = time.perf_counter()
        send(name)
        sent[name] = Sent(left, time.perf_counter())
    return sent


def match_pages(
    side: str, sent: Mapping[str, Sent], pages: Iterable[tuple[str, float]], *, cpu_seconds: float, foreign_share: float
) -> Delays:
    """Joins points with the first page of each.

    Args:
        pages: Name of the point and time of arrival, in order.

    Raises:
        BenchError: Points caused no page.
    """
    first: dict[str, float] = {}
    count = 0
    for name, arrived in pages:
        if name in sent:
            count += 1
            first.setdefault(name, arrived)
    if missing := sent.keys() - first.keys():
        raise BenchError(f"{side}: {len(missing)} of {len(sent)} points caused no page, {min(missing)} for one")
    seconds = [first[name] - moment.accepted for name, moment in sent.items()]
    return Delays(
        side=side,
        answer=summarize_latency([moment.accepted - moment.left for moment in sent.values()]),
        from_accepted=summarize_latency(seconds),
        from_sent=summarize_latency([first[name] - moment.left for name, moment in sent.items()]),
        repetitions=count - len(first),
        cpu_seconds=cpu_seconds,
        foreign_share=foreign_share,
        seconds=seconds,
    )
