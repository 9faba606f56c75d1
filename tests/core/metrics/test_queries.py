from datetime import timedelta

import numpy as np
import pytest

from lumetry_core.metrics.columns import Columns
from lumetry_core.metrics.definition import define
from lumetry_core.metrics.dictionary import SeriesDictionary
from lumetry_core.metrics.senders import PLAIN
from lumetry_core.metrics.service.append import Submission
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.catalog import list_metrics
from lumetry_core.metrics.service.queries import SeriesPoints, query_series
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.metrics.defining import Desk
from tests.core.metrics.feeding import Send, make_caller

A, B = {"host.id": "a"}, {"host.id": "b"}


async def query(
    database: Database,
    clock: FakeClock,
    key: str = "m",
    *,
    seconds: tuple[float, float] | None = None,
    dimension_key: str | None = None,
    step: float | None = None,
    organization_id: int = 7,
) -> SeriesPoints:
    start, end = seconds or (None, None)
    async with database.read() as tx:
        return await query_series(
            tx,
            make_caller(organization_id),
            key,
            None if start is None else clock.now() + timedelta(seconds=start),
            None if end is None else clock.now() + timedelta(seconds=end),
            dimension_key=dimension_key,
            step=None if step is None else timedelta(seconds=step),
            now=clock.now(),
        )


def rows(found: SeriesPoints, clock: FakeClock) -> list[tuple[str, float, float]]:
    return [
        (found.dimension_keys[member], (time - to_ms(clock.now())) / 1000, value)
        for member, time, value in zip(found.members.tolist(), found.times_ms.tolist(), found.values.tolist(), strict=True)
    ]


async def test_query_of_a_single_metric(database: Database, clock: FakeClock, send: Send) -> None:
    """Ascending by time over the last 24 hours, both ends included."""
    await send(("m", {}, 0, 1.0), ("m", {}, -86_400, 2.0), ("m", {}, -86_400.001, 3.0), ("m", {}, 0.001, 4.0), ("m", {}, -5, 5.0))
    found = await query(database, clock)
    assert found.multidimensional is False
    assert rows(found, clock) == [("", -86_400.0, 2.0), ("", -5.0, 5.0), ("", 0.0, 1.0)]


async def test_query_of_members(database: Database, clock: FakeClock, send: Send) -> None:
    """All members come, or the one asked for; points without any dimension have an empty key."""
    await send(("m", B, 0, 1.0), ("m", A, 0, 2.0), ("m", {"host.name": "n"}, 0, 3.0), ("m", A, -1, 4.0))
    found = await query(database, clock)
    assert found.multidimensional is True
    assert rows(found, clock) == [("host.id=a", -1.0, 4.0), ("", 0.0, 3.0), ("host.id=a", 0.0, 2.0), ("host.id=b", 0.0, 1.0)]
    assert rows(await query(database, clock, dimension_key="host.id=b"), clock) == [("host.id=b", 0.0, 1.0)]
    assert rows(await query(database, clock, dimension_key=""), clock) == [("", 0.0, 3.0)]
    assert rows(await query(database, clock, dimension_key="host.id=z"), clock) == []


async def test_query_keeps_points_whose_labels_differ(database: Database, clock: FakeClock, send: Send) -> None:
    """Two series of one member are both stored; a step takes their mean."""
    await send(("m", {**A, "host.name": "x"}, 0, 1.0), ("m", {**A, "host.name": "y"}, 0, 3.0))
    assert rows(await query(database, clock), clock) == [("host.id=a", 0.0, 1.0), ("host.id=a", 0.0, 3.0)]
    assert rows(await query(database, clock, step=60), clock) == [("host.id=a", 0.0, 2.0)]


async def test_query_with_a_step_gives_means_stamped_with_bucket_starts(database: Database, clock: FakeClock, send: Send) -> None:
    """Buckets are aligned to multiples of the step since the epoch, per member."""
    await send(("m", A, -61, 10.0), ("m", A, -60, 1.0), ("m", A, -1, 2.0), ("m", A, 0, 7.0), ("m", B, -30, 5.0))
    assert rows(await query(database, clock, step=60), clock) == [
        ("host.id=a", -120.0, 10.0),
        ("host.id=a", -60.0, 1.5),
        ("host.id=b", -60.0, 5.0),
        ("host.id=a", 0.0, 7.0),
    ]


async def test_query_of_huge_values_stays_finite(database: Database, clock: FakeClock, send: Send) -> None:
    """A mean whose sum overflows is the largest number, never infinity."""
    await send(("m", {}, 0, 1.7e308), ("m", {}, 1, 1.7e308))
    found = await query(database, clock, seconds=(-10, 10), step=60)
    assert np.isfinite(found.values).all()


async def test_query_of_an_unknown_metric(database: Database, clock: FakeClock, send: Send) -> None:
    """Also one of another organization is unknown."""
    await send(("m", {}, 0, 1.0))
    for key, organization_id in (("other", 7), ("m", 8), ("m\0", 7)):
        with pytest.raises(LumetryError) as caught:
            await query(database, clock, key, organization_id=organization_id)
        assert caught.value.reason is Reason.NOT_FOUND


async def test_query_with_one_end_of_the_range(database: Database, clock: FakeClock, send: Send) -> None:
    """Without a start it is a day before the end, without an end it is now."""
    await send(("m", {}, -90_000, 1.0), ("m", {}, -86_400, 2.0), ("m", {}, -3600, 3.0), ("m", {}, 60, 4.0))

    async def read(start: float | None, end: float | None) -> list[float]:
        times = [None if at is None else clock.now() + timedelta(seconds=at) for at in (start, end)]
        async with database.read() as tx:
            found = await query_series(tx, make_caller(), "m", *times, dimension_key=None, step=None, now=clock.now())
        return found.values.tolist()

    assert await read(None, None) == [2.0, 3.0]
    assert await read(None, -3600) == [1.0, 2.0, 3.0]
    assert await read(-86_399, None) == [3.0]
    assert await read(-90_000, 60) == [1.0, 2.0, 3.0, 4.0]


async def test_query_refuses_bad_ranges_and_steps(database: Database, clock: FakeClock, send: Send) -> None:
    """All faults are named."""
    await send(("m", {}, 0, 1.0))
    with pytest.raises(LumetryError) as caught:
        await query(database, clock, seconds=(1, 0), step=0.5)
    assert [fault.path for fault in caught.value.faults] == ["from", "stepSeconds"]


async def test_query_refuses_more_than_fifty_thousand_elements(database: Database, clock: FakeClock, appender: Appender) -> None:
    """Exactly the limit is answered; one more asks for a shorter range or a step."""
    dictionary = SeriesDictionary()
    dictionary.add(define("m", [], "", ""))
    count = 50_001
    columns = Columns(
        np.zeros(count, np.int64),
        to_ms(clock.now()) - np.arange(count, dtype=np.int64) * 1000,
        np.ones(count),
        np.array([10_000] * 5 + [1], np.int64),
    )
    await appender.append(Submission(make_caller(), dictionary.resolution(7, PLAIN), columns))
    assert len((await query(database, clock, seconds=(-49_999, 0))).values) == 50_000
    assert len((await query(database, clock, seconds=(-50_000, 0), step=2)).values) == 25_001
    with pytest.raises(LumetryError) as caught:
        await query(database, clock, seconds=(-50_000, 0))
    assert caught.value.reason is Reason.VALIDATION_FAILED


async def test_list_metrics_by_name_with_search_and_pages(database: Database, send: Send) -> None:
    """Ascending, ignoring case in search; a percent sign means itself."""
    await send(("b.Load", {}, 0, 1.0), ("a.load", {}, 0, 1.0), ("_c", {}, 0, 1.0))

    async def read(query_text: str = "", *, is_evaluable: bool | None = None, page: int = 0, size: int = 0) -> tuple[list[str], int]:
        async with database.read() as tx:
            found, total = await list_metrics(tx, make_caller(), query_text, is_evaluable=is_evaluable, page=page, page_size=size)
        return [metric.metric_key for metric in found], total

    assert await read() == (["_c", "a.load", "b.Load"], 3)
    assert await read(" LOAD ") == (["a.load", "b.Load"], 2)
    assert await read("%") == ([], 0)
    assert await read(page=2, size=2) == (["b.Load"], 3)
    assert await read(page=9, size=2) == ([], 3)
    assert await read(is_evaluable=True) == (["_c", "a.load", "b.Load"], 3)
    assert await read(is_evaluable=False) == ([], 0)
    assert await read("x" * 60_000) == ([], 0)
    with pytest.raises(LumetryError) as caught:
        await read("\0", page=-1, size=201)
    assert [fault.path for fault in caught.value.faults] == ["q", "page", "pageSize"]


async def test_list_metrics_by_display_names_and_states(database: Database, clock: FakeClock, send: Send) -> None:
    """The display name is searched and sorted by as well; what has no data, or is switched off, is not evaluable."""
    await send(("sys.cpu", {}, 0, 1.0), ("sys.disk", {}, 0, 1.0), ("app.load", {}, 0, 1.0))
    desk = Desk(database, clock)
    for key, fields in (("sys.disk", {"display_name": "Änderungen der Platte"}), ("app.load", {"is_active": False})):
        metric = await desk.find(key)
        assert metric is not None
        await desk.update(metric.id, **fields)
    await desk.create(metric_key="zeta")

    async def read(query_text: str = "", *, is_evaluable: bool | None = None) -> list[str]:
        async with database.read() as tx:
            found, total = await list_metrics(tx, make_caller(), query_text, is_evaluable=is_evaluable, page=1, page_size=200)
        assert total == len(found)
        return [metric.display_name for metric in found]

    assert await read() == ["app.load", "sys.cpu", "zeta", "Änderungen der Platte"]
    assert await read("SYS") == ["sys.cpu", "Änderungen der Platte"]
    assert await read("äNDER") == ["Änderungen der Platte"]
    assert await read(is_evaluable=True) == ["sys.cpu", "Änderungen der Platte"]
    assert await read(is_evaluable=False) == ["app.load", "zeta"]
    assert await read("e", is_evaluable=False) == ["zeta"]
