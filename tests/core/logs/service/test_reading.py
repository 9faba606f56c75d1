from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.access.service.organizations import create_organization
from lumetry_core.logs.cursor import Position, digest, read_cursor, write_cursor
from lumetry_core.logs.query import Query, Request
from lumetry_core.logs.service import reading
from lumetry_core.logs.service.reading import get_log, search_logs
from lumetry_core.projects.draft import Draft as ProjectDraft
from lumetry_core.projects.model import Project
from lumetry_core.projects.service import create
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.logs.building import NOW_MS, Find, Send, make_caller, make_entry, seal_all

NS = 1_000_000


async def read_page(database: Database, organization_id: int, request: Request) -> tuple[list[str], str]:
    async with database.read() as tx:
        page = await search_logs(tx, organization_id, request)
    return [entry.message for entry in page.entries], page.next_cursor


@pytest.mark.parametrize("sealed", [False, True])
async def test_search_by_every_filter(
    database: Database, send: Send, find: Find, project: Project, caller: Caller, clock: FakeClock, sealed: bool
) -> None:
    """Each filter finds its entries, in fresh and in sealed blocks alike."""
    async with database.write() as tx:
        shop = await create(tx, caller, ProjectDraft(name="Shop"), clock.now())
    await send(
        make_entry("Payment failed", 0, 4, {"order": {"id": 7}}, environment="eu", traces=("t-1", None, None)),
        make_entry("payment done", 1, 2, {"trace_id": "t-1", "tags": ["a", "b"]}, project_id="shop"),
        make_entry("other", 2, 6, {"traceId": "t-1", "order.id": 7, "none": None}, project_id="elsewhere"),
    )
    if sealed:
        await seal_all(database, caller.organization_id)

    async def names(q: str = "", **parameters: object) -> list[str]:
        return [entry.message for entry in await find(q, order="asc", **parameters)]

    start = NOW_MS * NS
    every = ["Payment failed", "payment done", "other"]
    assert await names() == every
    assert await names("payment") == every[:2]
    assert await names("payment -done") == every[:1]
    assert await names('"payment failed"') == every[:1]
    assert await names("PAY* level:info") == every[1:2]
    assert await names(levels=("info", "panic")) == every[1:]
    assert await names(min_level="error") == ["Payment failed", "other"]
    assert await names(environments=("eu", "us")) == every[:1]
    assert await names(project_id="shop") == await names(project_id=shop.id) == every[1:2]
    assert await names(project_id="elsewhere") == ["other"]
    assert await names(project_id="default") == await names(project_id=project.id) == ["Payment failed", "other"]
    assert await names(trace_id="t-1") == await names("trace_id:t-1") == every
    assert await names(trace_id="t") == []
    assert await names(group_id=7) == []
    assert await names(metadata=[("order.id", "7")]) == ["Payment failed", "other"]
    assert await names(metadata=[("tags", "b")]) == every[1:2]
    assert await names(metadata=[("none", "null")]) == ["other"]
    assert await names(start_ns=start + 1, end_ns=start + 2_000 * NS) == every[1:2]
    assert await names(start_ns=start, end_ns=start) == []


async def test_search_pages_while_entries_arrive(database: Database, send: Send, clock: FakeClock, organization_id: int) -> None:
    """No entry that was there at the first page is skipped or repeated, through sealing and arrivals before and after."""
    for number in range(6):
        await send(*[make_entry(f"{number}.{entry}", entry % 3) for entry in range(5)])
    seen: list[str] = []
    cursor = ""
    for step in range(100):
        page, cursor = await read_page(database, organization_id, Request(limit=4, cursor=cursor))
        seen += page
        if not cursor:
            break
        await send(make_entry(f"late {step}", step % 4))
        if step % 2:
            await seal_all(database, organization_id)
    there = [name for name in seen if not name.startswith("late")]
    assert len(there) == len(set(there)) == 30
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
async def test_search_orders_by_time_then_id(send: Send, find: Find, order: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over pages, blocks read few at a time, a spent budget and equal times the order is total."""
    monkeypatch.setattr(reading, "BLOCKS_AT_ONCE", 1)
    monkeypatch.setattr(reading, "HEADS_AT_ONCE", 2)
    monkeypatch.setattr(reading, "MAX_READ_BYTES", 1)
    for number in range(5):
        await send(*[make_entry(f"{number}", seconds) for seconds in (number, number + 1, 3)])
    found = await find(order=order, limit=limit)
    keys = [(entry.time_ns, entry.id) for entry in found]
    assert keys == sorted(keys, reverse=order == "desc")
    assert len(set(keys)) == len(keys) == 15


async def test_search_answers_before_it_has_read_everything(
    database: Database, send: Send, find: Find, organization_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search for what is rare gives an empty page and a cursor rather than reading on and on."""
    for number in range(10):
        await send(make_entry("needle" if number == 0 else "hay", number))
    monkeypatch.setattr(reading, "BLOCKS_AT_ONCE", 1)
    monkeypatch.setattr(reading, "MAX_READ_BYTES", 1)
    page, cursor = await read_page(database, organization_id, Request(q="needle"))
    assert (page, bool(cursor)) == ([], True)
    assert [entry.message for entry in await find("needle")] == ["needle"]


async def test_search_ends_pages_of_large_entries(
    database: Database, send: Send, organization_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page ends when it has become large, with at least one entry."""
    await send(*[make_entry(str(number) * 100, number) for number in range(4)])
    monkeypatch.setattr(reading, "MAX_PAGE_BYTES", 250)
    page, cursor = await read_page(database, organization_id, Request(order="asc"))
    rest, end = await read_page(database, organization_id, Request(order="asc", cursor=cursor))
    assert ([text[0] for text in page], [text[0] for text in rest], end) == (["0", "1"], ["2", "3"], "")
    monkeypatch.setattr(reading, "MAX_PAGE_BYTES", 1)
    assert len((await read_page(database, organization_id, Request()))[0]) == 1


async def test_search_with_a_foreign_cursor(database: Database, send: Send, organization_id: int) -> None:
    """A cursor belongs to its filters, its order and its organization; the limit may change."""
    await send(*[make_entry(str(number), number) for number in range(3)])
    _, cursor = await read_page(database, organization_id, Request(limit=1))
    assert (await read_page(database, organization_id, Request(limit=2, cursor=cursor)))[0] == ["1", "0"]
    for wrong in (Request(q="x", cursor=cursor), Request(order="asc", cursor=cursor), Request(cursor="x"), Request(cursor=cursor + "é")):
        with pytest.raises(LumetryError) as caught:
            await read_page(database, organization_id, wrong)
        assert caught.value.faults == (Fault("cursor", "is not one of this search"),)
    with pytest.raises(LumetryError):
        await read_page(database, organization_id + 1, Request(cursor=cursor))


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_search_with_a_wrong_limit(database: Database, organization_id: int, limit: int) -> None:
    """Outside its range a limit is a fault of its own kind."""
    with pytest.raises(LumetryError) as caught:
        await read_page(database, organization_id, Request(limit=limit))
    assert (caught.value.reason, caught.value.faults) == (Reason.OUT_OF_RANGE, (Fault("limit", "must be between 1 and 1000"),))


async def test_search_and_get_stay_within_the_organization(
    database: Database, send: Send, find: Find, clock: FakeClock, organization_id: int
) -> None:
    """Another organization finds nothing, with the very id or project."""
    async with database.write() as tx:
        other = (await create_organization(tx, "Other", clock.now())).id
    await send(make_entry("ours"))
    await send(make_entry("theirs"), by=make_caller(other))
    (ours,) = await find()
    assert ours.message == "ours"
    for seal in (False, True):
        if seal:
            await seal_all(database, organization_id)
        async with database.read() as tx:
            assert await get_log(tx, organization_id, ours.id) == ours
            with pytest.raises(LumetryError) as caught:
                await get_log(tx, other, ours.id)
        assert caught.value.reason is Reason.NOT_FOUND
    assert (await read_page(database, other, Request(project_id=ours.key_project_id)))[0] == []


async def test_get_every_entry(database: Database, send: Send, find: Find, organization_id: int, clock: FakeClock) -> None:
    """Each id finds its entry, fresh and sealed, among entries whose times have nothing to do with their arrival."""
    for number in range(4):
        await send(*[make_entry(f"{number}.{entry}", -86_400 * (entry % 3) + number) for entry in range(6)])
        clock.advance(milliseconds=1)
        if number == 2:
            await seal_all(database, organization_id)
    every = await find()
    assert len(every) == 24
    async with database.read() as tx:
        assert [await get_log(tx, organization_id, entry.id) for entry in every] == every


@pytest.mark.parametrize(
    ("entry_id", "reason"), [("x", Reason.VALIDATION_FAILED), ("0197283f-7a00-7000-8000-000000000000", Reason.NOT_FOUND)]
)
async def test_get_what_is_not_there(database: Database, send: Send, organization_id: int, entry_id: str, reason: Reason) -> None:
    """No UUID, and one of no entry."""
    await send(make_entry())
    async with database.read() as tx:
        with pytest.raises(LumetryError) as caught:
            await get_log(tx, organization_id, entry_id)
    assert caught.value.reason is reason


async def test_traces_come_from_metadata(send: Send, find: Find) -> None:
    """Fields that are absent are taken from texts of the same name in metadata."""
    metadata = {"trace_id": "m", "span_id": "s", "parent_span_id": 5}
    await send(make_entry("a", 0, metadata=metadata), make_entry("b", 1, metadata=metadata, traces=("f", None, None)))
    assert [(entry.trace_id, entry.span_id, entry.parent_span_id) for entry in await find(order="asc")] == [
        ("m", "s", None),
        ("f", "s", None),
    ]


@given(st.integers(-(2**63) + 1, 2**63 - 1), st.binary(min_size=16, max_size=16))
@settings(max_examples=50)
def test_cursor_round_trip(time_ns: int, identity: bytes) -> None:
    """A position survives, for its own search only."""
    query = Query(is_ascending=True)
    cursor = write_cursor(Position(time_ns, identity), digest(1, query))
    assert read_cursor(cursor, digest(1, query)) == Position(time_ns, identity)
    assert read_cursor(cursor, digest(2, query)) is None
    assert read_cursor(cursor, digest(1, replace(query, is_ascending=False))) is None


async def test_found_as_soon_as_answered(send: Send, find: Find, clock: FakeClock) -> None:
    """An entry is found right after its push, and its arrival is the time of the commit."""
    clock.advance(milliseconds=7)
    await send(make_entry("new"))
    (found,) = await find("new")
    assert found.receive_time - clock.now() == timedelta()
