from types import SimpleNamespace
from typing import Any

import numpy as np

from lumetry_core.baselines.candidates import join, make_candidates, no_candidates
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.service import keeping
from lumetry_core.baselines.service.reading import read_learned
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock

METRIC: Any = SimpleNamespace(id=5, partition=3)


async def test_read_learned_gives_the_hours_and_what_waits(database: Database, clock: FakeClock) -> None:
    """The hours that pools draw from are loaded; points evaluated since the state was stored are pending; nothing of others is seen."""
    learned = Learned(["m=0", "m=1"])
    learned.add(np.array([0, 1, 0]), np.array([59, 60, 600]), np.array([59, 60, 600]), np.array([1.0, 2.0, 3.0]))
    waiting = make_candidates([0], [1], [5_000], [4.0], [0])
    async with database.write() as tx:
        baseline = await keeping.create(tx, 7, 1, METRIC, learned, waiting, 0, clock.now())
        other = await keeping.create(tx, 7, 2, METRIC, Learned(), no_candidates(), 0, clock.now())
        chunk = join([make_candidates([other.id], [0], [6_000], [9.0], [0]), make_candidates([baseline.id], [0], [7_000], [5.0], [1])])
        await keeping.journal(tx, 7, 3, chunk, (), clock.now())
    async with database.read() as tx:
        found = await read_learned(tx, 7, 1, 5, np.array([61]), 2)
        missing = [await read_learned(tx, *key, np.array([61]), 2) for key in ((8, 1, 5), (7, 3, 5), (7, 1, 6))]
    assert found is not None
    assert (found.id, found.profile_id, found.metric_id, found.learned.members) == (baseline.id, 1, 5, ["m=0", "m=1"])
    assert (found.learned.loaded_hours, found.learned.missing_hours({0, 1, 10})) == ({0, 1}, {10})
    assert found.learned.pool(np.array([0, 1]), np.array([61, 61]), 2).counts.tolist() == [1.0, 1.0]
    pending = found.pending
    assert [column.tolist() for column in (pending.times_ms, pending.values, pending.breached)] == [[5_000, 7_000], [4.0, 5.0], [0, 1]]
    assert missing == [None, None, None]
