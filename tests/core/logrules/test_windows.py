import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.logrules.matching import LATE_NS, MINUTE_NS
from lumetry_core.logrules.windows import KEPT, NOTHING, Limits, advance, pack_times, unpack_times

FIVE = 5 * MINUTE_NS
START = 1_780_000_000 * 1_000_000_000
ON_TIME = Limits(3, FIVE, LATE_NS)


def oracle(batches: list[list[int]], limits: Limits) -> list[int | None]:
    """For each batch the position of the match that opens; an alert ends after its batch."""
    counted: list[int] = []
    opened = []
    for batch in batches:
        opens = None
        for position, time in enumerate(batch):
            counted.append(time)
            width = limits.width_ns
            held = 1 if width is None else sum(time - width < other <= time for other in counted)
            if opens is None and held >= limits.threshold:
                opens = position
        opened.append(opens)
    return opened


seconds = st.integers(0, 3600).map(lambda second: START + second * 1_000_000_000)


@given(st.lists(st.lists(seconds, min_size=1, max_size=12), max_size=8), st.integers(1, 6), st.sampled_from([None, 1, 5, 30]))
def test_advance_opens_where_a_naive_count_does(batches: list[list[int]], threshold: int, minutes: int | None) -> None:
    """In whatever order matches come and however they are read together, the alert opens with the same one."""
    limits = Limits(threshold if minutes else 1, minutes and minutes * MINUTE_NS, LATE_NS)
    times, opened = NOTHING, []
    for batch in batches:
        moved = advance(times, batch, limits, START + 3600 * 1_000_000_000, is_open=False)
        times = unpack_times(pack_times(moved.times))
        opened.append(moved.opened_at)
    assert opened == oracle(batches, limits)


def test_advance_tells_how_many_the_window_held() -> None:
    """The alert opens at its threshold; when more came with it, it says so."""
    moved = advance(NOTHING, [START + second for second in range(12)], ON_TIME, START, is_open=False)
    assert (moved.opened_at, moved.opened_with, moved.peak) == (2, 3, 12)


def test_advance_excludes_the_beginning_of_the_window() -> None:
    """A match exactly one width earlier does not count; one a nanosecond later does."""
    limits = Limits(2, FIVE, LATE_NS)
    assert advance(NOTHING, [START, START + FIVE], limits, START, is_open=False).opened_at is None
    assert advance(NOTHING, [START + 1, START + FIVE], limits, START, is_open=False).opened_at == 1


def test_advance_counts_by_entry_times_not_by_arrival() -> None:
    """A match that comes late ends a window of its own, in which later ones have no place."""
    moved = advance(np.array([START + FIVE]), [START], Limits(2, FIVE, LATE_NS), START, is_open=False)
    assert (moved.opened_at, moved.times.tolist()) == (None, [START, START + FIVE])


def test_advance_while_open_only_remembers() -> None:
    """Nothing opens twice."""
    moved = advance(np.array([START]), [START + 1, START + 2, START + 3], ON_TIME, START, is_open=True)
    assert (moved.opened_at, moved.times.tolist()) == (None, [START, START + 1, START + 2, START + 3])


def test_advance_remembers_no_more_than_can_count() -> None:
    """Times are forgotten once no window reaches back to them, and beyond the larger of the threshold and a thousand."""
    old = START - LATE_NS - FIVE
    assert advance(np.array([old, old + 1]), [START], ON_TIME, START, is_open=False).times.tolist() == [old + 1, START]
    many = list(range(START, START + 3 * KEPT))
    assert advance(NOTHING, many, ON_TIME, START, is_open=True).times.tolist() == many[-KEPT:]
    assert len(advance(NOTHING, many, Limits(2 * KEPT, FIVE, LATE_NS), START, is_open=True).times) == 2 * KEPT
    assert len(advance(NOTHING, many, Limits(1, FIVE, LATE_NS), START, is_open=False).times) == 0


@given(st.lists(st.integers(-(2**62), 2**62)).map(sorted))
def test_packed_times_are_the_same_again(times: list[int]) -> None:
    """What is stored is what was counted."""
    assert unpack_times(pack_times(np.array(times, "<i8"))).tolist() == times
