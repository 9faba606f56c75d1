import time
from dataclasses import replace

import pytest

from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.delay import Delays, Sent, due_times, match_pages, send_apart
from lumetry_core.bench.report import Latency


def test_due_times_meet_every_phase_of_a_second() -> None:
    """One point to each slot, and over a run points fall evenly into all tenths of a second."""
    times = due_times(200, 10.0)
    assert [int(due * 10) for due in times] == list(range(200))
    phases = [int(due * 100) % 10 for due in times]
    assert all(18 <= phases.count(phase) <= 22 for phase in range(10))


def test_send_apart_notes_when_each_point_left() -> None:
    """In order, each answered before the next one leaves, none before it is due."""
    order: list[str] = []
    begin = time.perf_counter()
    sent = send_apart(order.append, ["a", "b", "c"], 1000.0)
    assert order == list(sent) == ["a", "b", "c"]
    assert sent["a"].left <= sent["a"].accepted <= sent["b"].left <= sent["b"].accepted
    assert all(moment.left - begin >= due for moment, due in zip(sent.values(), due_times(3, 1000.0), strict=True))


def test_match_pages_measures_to_the_first_page_of_each_point() -> None:
    """Later pages of a point are repetitions; pages of other points do not count."""
    sent = {"a": Sent(10.0, 10.5), "b": Sent(20.0, 20.25)}
    pages = [("warm", 9.0), ("a", 10.75), ("a", 11.0), ("b", 20.5)]
    found = match_pages("lumetry", sent, pages, cpu_seconds=0.5, foreign_share=0.1)
    assert replace(found, seconds=()) == Delays(
        side="lumetry",
        answer=Latency(2, 250.0, 500.0, 500.0, 500.0),
        from_accepted=Latency(2, 250.0, 250.0, 250.0, 250.0),
        from_sent=Latency(2, 500.0, 750.0, 750.0, 750.0),
        repetitions=1,
        cpu_seconds=0.5,
        foreign_share=0.1,
    )
    assert found.seconds == [0.25, 0.25]


def test_match_pages_fails_when_one_is_missing() -> None:
    """A median over those that arrived would hide the ones that did not."""
    sent = {"a": Sent(10.0, 10.5), "b": Sent(20.0, 20.25)}
    with pytest.raises(BenchError, match="1 of 2 points caused no page, b for one"):
        match_pages("lumetry", sent, [("a", 10.75)], cpu_seconds=0.0, foreign_share=0.0)
