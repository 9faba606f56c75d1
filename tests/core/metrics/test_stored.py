import numpy as np

from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metrics.service.stored import list_series, read_stored, read_unsealed
from lumetry_core.metrics.settings import Settings
from lumetry_core.metrics.worker import Sealer
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.metrics.feeding import ORGANIZATION, OWNER, Evaluate, Send

A, B = {"host.id": "a"}, {"host.id": "b"}


async def test_read_stored_before_an_offset(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """Sealed points and those of earlier jobs, whether unsealed ones are read there or were read before for more series and time."""
    await send(("m", A, 0, 1.0), ("m", B, 0, 2.0))
    await evaluate()
    await Sealer(database, OWNER, Settings(seal_age_seconds=0)).tick(clock.now())
    await send(("m", A, 1, 3.0), ("m", A, 50, 9.0))
    third = await send(("m", A, 2, 4.0))
    start = to_ms(clock.now())
    async with database.read() as tx:
        metric = (await find_metrics(tx, ORGANIZATION, ["m"]))["m"]
        series = await list_series(tx, ORGANIZATION, metric.id)
        assert [one.labels for one in series] == [A, B]
        ids = np.array([one.id for one in series])
        before = third.job_ids[0] // 64
        unsealed = await read_unsealed(tx, ORGANIZATION, metric.partition, ids, start, start + 60_000, before_offset=before)
        where = (ORGANIZATION, metric.id, metric.partition, ids[:1], start, start + 10_000)
        found = [
            (await read_stored(tx, *where, **chosen)).decode_raw() for chosen in ({}, {"before_offset": before}, {"unsealed": unsealed})
        ]
    assert [points.values.tolist() for points in found] == [[1.0, 3.0, 4.0], [1.0, 3.0], [1.0, 3.0]]
    assert [(points.times_ms - start).tolist() for points in found] == [[0, 1000, 2000], [0, 1000], [0, 1000]]
