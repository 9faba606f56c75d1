from datetime import timedelta

import pytest
from sqlalchemy import select

from lumetry_core.logs.model import BlockGroup, BlocksChanged
from lumetry_core.logs.service import sealing
from lumetry_core.logs.store.blocks import log_blocks
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.logs.building import Find, Send, make_entry, make_error, read_all, seal_all


async def list_blocks(database: Database) -> list[tuple[int, int, int]]:
    """Level, day relative to the first one, and entries of each block."""
    columns = log_blocks.c
    async with database.read() as tx:
        rows = (await tx.execute(select(columns.level, columns.day, columns.entry_count).order_by(columns.day, columns.id))).all()
    return [(level, day - rows[0].day, count) for level, day, count in rows]


async def test_seal_keeps_every_entry(database: Database, send: Send, find: Find, organization_id: int) -> None:
    """Whatever an entry has survives sealing and merging, ids included; entries stand by day."""
    error = make_error(type="E", message="m", stack_trace=["s"], context=b'{"c":1}', fingerprint="f")
    await send(
        make_entry("a", 0, 4, {"k": 1}, environment="eu", error=error, traces=("t", "s", None)),
        make_entry("password=x", -86_400, privacy_mode=True),
    )
    await send(make_entry("late", 90_000), make_entry("b" * 10_240, 1, project_id="x" * 200))
    await read_all(database, organization_id)
    before = await find()
    for _ in range(3):
        await seal_all(database, organization_id)
        assert await find() == before
    assert await list_blocks(database) == [(3, 0, 1), (3, 1, 3)]


async def test_seal_cuts_full_blocks(
    database: Database, send: Send, find: Find, organization_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks hold so many entries at most; full ones are not merged again."""
    monkeypatch.setattr(sealing, "FULL_ENTRIES", 10)
    for _ in range(5):
        await send(*[make_entry(str(number), number) for number in range(5)])
    await seal_all(database, organization_id)
    assert await list_blocks(database) == [(9, 0, 10), (9, 0, 10), (9, 0, 5)]
    assert len(await find()) == 25


async def test_seal_what_another_process_has_sealed(
    database: Database, send: Send, find: Find, organization_id: int, clock: FakeClock
) -> None:
    """Nothing is doubled: the slower process's work is dropped."""
    await send(make_entry("a"))
    await send(make_entry("b"))
    await read_all(database, organization_id)
    clock.advance(seconds=20)
    async with database.read() as tx:
        (group,) = await sealing.find_due(tx, organization_id, clock.now())
        sealed = sealing.merge(await sealing.read_sources(tx, group))
    async with database.write() as tx:
        await sealing.replace_blocks(tx, sealed)
    with pytest.raises(BlocksChanged):
        async with database.write() as tx:
            await sealing.replace_blocks(tx, sealed)
    assert len(await find()) == 2


@pytest.mark.parametrize(
    ("level", "blocks", "entries", "age", "due"),
    [
        (0, 1, 1, 0, False),
        (0, 1, 1, 20, True),
        (0, 16, 16, 0, True),
        (0, 2, 8192, 0, True),
        (-2, 1, 1, 0, False),
        (-2, 1, 1, 20, True),
        (1, 7, 7, 1000, False),
        (1, 8, 8, 0, True),
    ],
)
def test_due(level: int, blocks: int, entries: int, age: int, due: bool, clock: FakeClock) -> None:
    """Fresh blocks by number, size or age; sealed ones by number."""
    group = BlockGroup(1, "p", level, 0, blocks, entries, clock.now() - timedelta(seconds=age))
    assert sealing.is_due(group, clock.now()) is due
