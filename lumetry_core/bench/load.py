"""Runs senders against a server: as fast as it answers, or at a fixed rate whatever it answers."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

LONGEST_PAUSE_SECONDS = 1.0
"""A refused batch is sent again after this time at most, whatever the server asks for: the run itself is short."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the server said to one message."""

    accepted_points: int
    retry_after_seconds: float = 0.0


class Sender(Protocol):
    """One connection and its lane; used by one thread at a time."""

    def prepare(self) -> None:
        """Makes the next message."""

    def send(self) -> Receipt:
        """Sends the prepared message, also again, and waits for the answer. Nothing accepted: the server refused for now."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of senders did. Times are of the monotonic clock in seconds."""

    start: float
    end: float
    accepted_points: int
    accepted_messages: int
    refused_messages: int
    accepted_by_sender: Sequence[int]
    answer_seconds: Sequence[float]
    """From when a message was due to when it was answered; in no order."""
    lag_seconds: Sequence[float] = ()
    """Open loop: how much later than due a message left although its connection was free: the generator's own fault."""


@dataclass(slots=True)
class Tally:
    """What one thread did."""

    accepted_points: int = 0
    accepted_messages: int = 0
    refused_messages: int = 0
    answer_seconds: list[float] = field(default_factory=list)
    lag_seconds: list[float] = field(default_factory=list)


def run_closed_loop(senders: Sequence[Sender], seconds: float) -> Load:
    """Each sender sends its next message as soon as the last one is answered, for so long."""

    def run(sender: Sender, _position: int, begin: float, stop: threading.Event) -> Tally:
        tally = Tally()
        sender.prepare()
        while (sent := time.perf_counter()) < begin + seconds and not stop.is_set():
            receipt = sender.send()
            count(tally, receipt, time.perf_counter() - sent)
            if receipt.accepted_points:
                sender.prepare()
            else:
                stop.wait(min(receipt.retry_after_seconds, LONGEST_PAUSE_SECONDS))
        return tally

    return run_all(senders, run)


def run_open_loop(senders: Sequence[Sender], seconds: float, messages_per_second: float) -> Load:
    """Sends at fixed times, in turn over the senders.

    The answer time of a message counts from when it was due, so that messages that had to wait behind a slow one show it.
    A refused message is not sent again.
    """
    total = max(1, int(seconds * messages_per_second))

    def run(sender: Sender, position: int, begin: float, stop: threading.Event) -> Tally:
        tally = Tally()
        for number in range(position, total, len(senders)):
            sender.prepare()
            due = begin + number / messages_per_second
            ready = time.perf_counter()
            if ready < due and stop.wait(due - ready):
                break
            left = time.perf_counter()
            receipt = sender.send()
            count(tally, receipt, time.perf_counter() - due)
            tally.lag_seconds.append(left - max(due, ready))
        return tally

    return run_all(senders, run)


def count(tally: Tally, receipt: Receipt, answer_seconds: float) -> None:
    """Adds one answer to what a thread did."""
    if receipt.accepted_points:
        tally.accepted_points += receipt.accepted_points
        tally.accepted_messages += 1
    else:
        tally.refused_messages += 1
    tally.answer_seconds.append(answer_seconds)


def run_all(senders: Sequence[Sender], run: Callable[[Sender, int, float, threading.Event], Tally]) -> Load:
    """Runs one thread per sender from a common start; the first failure stops them all and is raised."""
    stop = threading.Event()

    def guarded(sender: Sender, position: int, begin: float) -> Tally:
        try:
            return run(sender, position, begin, stop)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(len(senders), "sender") as threads:
        begin = time.perf_counter() + 0.01  # all threads are up by then
        futures = [threads.submit(guarded, sender, position, begin) for position, sender in enumerate(senders)]
        try:
            tallies = [future.result() for future in futures]
        finally:
            stop.set()
    end = time.perf_counter()
    return Load(
        start=begin,
        end=end,
        accepted_points=sum(tally.accepted_points for tally in tallies),
        accepted_messages=sum(tally.accepted_messages for tally in tallies),
        refused_messages=sum(tally.refused_messages for tally in tallies),
        accepted_by_sender=[tally.accepted_messages for tally in tallies],
        answer_seconds=[seconds for tally in tallies for seconds in tally.answer_seconds],
        lag_seconds=[seconds for tally in tallies for seconds in tally.lag_seconds],
    )
