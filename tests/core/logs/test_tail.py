import numpy as np
import pytest

from lumetry_core.logs.columns import Batch, join_frames, pack_entries, unpack
from lumetry_core.logs.entry_id import IdSource
from lumetry_core.logs.tail import Allowance, Floor, SeenRuns, run_of, runs_of
from tests.core.logs.building import NOW_MS, make_entry


def pack(source: IdSource, ms: int, count: int) -> tuple[bytes, Batch]:
    """Entries that arrived together, and the identity of the first."""
    part = pack_entries([make_entry() for _ in range(count)], None, "p")
    run = source.take(ms, count)
    [batch] = unpack("p", run.first_id, join_frames([part.frame]))
    return run.first_id, batch


def test_run_of_first_identity_is_the_run_of_all() -> None:
    """An identity tells its run, however many entries that has."""
    first_id, batch = pack(IdSource(), NOW_MS, 5000)
    assert set(runs_of(batch).tolist()) == {run_of(first_id)}


def test_find_unseen_tells_runs_apart() -> None:
    """What has been seen, or arrived before the start, is not unseen; all else is, in order of arrival."""
    source = IdSource()
    _, early = pack(source, NOW_MS - 1, 2)
    _, seen = pack(source, NOW_MS, 3)
    _, other = pack(source, NOW_MS, 2)
    runs = SeenRuns(NOW_MS)
    runs.note(seen)
    together = Batch(
        "p",
        seen.columns,
        np.concatenate([seen.times, other.times, early.times]),
        np.concatenate([seen.levels, other.levels, early.levels]),
        np.concatenate([seen.highs, other.highs[::-1], early.highs]),
        np.concatenate([seen.lows, other.lows[::-1], early.lows]),
    )
    assert runs.find_unseen(together).tolist() == [4, 3]
    runs.forget_before(NOW_MS + 1)
    assert (runs.times, runs.find_unseen(together).tolist()) == ({}, [])


@pytest.mark.parametrize(("lookback", "floors"), [(0.0, [5, 5, 9]), (15.0, [0, 5, 5])])
def test_floor_rises_when_no_lower_number_can_appear(lookback: float, floors: list[int]) -> None:
    """A number is settled once every commit that could have taken a lower one is over."""
    floor = Floor(0, lookback)
    risen = []
    for highest, steady in ((5, 100.0), (0, 115.0), (9, 116.0)):
        floor.rise(highest, steady)
        risen.append(floor.number)
    assert risen == floors


def test_allowance_is_by_the_second() -> None:
    """Two hundred in a second, then the next ones a second later."""
    allowance = Allowance()
    granted = [allowance.take(150, 10.0), allowance.take(150, 10.9), allowance.take(1, 10.95), allowance.take(300, 11.0)]
    assert granted == [150, 50, 0, 200]
