from dataclasses import replace

from sqlalchemy import select

from lumetry_core.logs.model import Settings
from lumetry_core.logs.store.blocks import log_blocks
from lumetry_core.logs.store.receipts import log_receipts
from lumetry_core.logs.worker import LogKeeper, LogSealer
from lumetry_core.projects.model import LogSettings, Project
from lumetry_core.projects.model import Settings as ProjectSettings
from lumetry_core.projects.store.projects import save
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.logs.building import Find, Send, make_entry, read_all


async def test_sealer_merges_what_is_due(database: Database, send: Send, find: Find, project: Project, clock: FakeClock) -> None:
    """Many small blocks become one, level after level, until nothing is due."""
    sealer = LogSealer(database)
    for number in range(128):
        await send(make_entry(str(number), number))
        if number % 16 == 15:
            assert not await sealer.tick(clock.now())  # what is still to be read stays
            await read_all(database, project.organization_id)
            assert await sealer.tick(clock.now())
    while await sealer.tick(clock.now()):
        pass
    async with database.read() as tx:
        levels = (await tx.execute(select(log_blocks.c.level))).scalars().all()
    assert levels == [2]
    assert [entry.message for entry in await find(order="asc")] == [str(number) for number in range(128)]


async def test_keeper_drops_what_is_old(database: Database, send: Send, find: Find, project: Project, clock: FakeClock) -> None:
    """Each project by its own retention, by the entries' time; blocks go when all their entries are too old."""
    keeper = LogKeeper(database, Settings(retention_days=30))
    async with database.write() as tx:
        await save(tx, replace(project, settings=ProjectSettings(LogSettings(retention_days=2))))
    key = Caller(project.organization_id, CredentialKind.LOG_KEY, credential_id=1, project_id="gone")
    for days in (1, 3, 29, 31):
        await send(make_entry(f"default {days}", -86_400 * days))
        await send(make_entry(f"other {days}", -86_400 * days), by=key)
    while await keeper.tick(clock.now()):
        pass
    assert sorted(entry.message for entry in await find()) == ["default 1", "other 1", "other 29", "other 3"]


async def test_keeper_drops_receipts(database: Database, send: Send, clock: FakeClock) -> None:
    """Keys are forgotten after a day; the work is done once an hour."""
    keeper = LogKeeper(database, Settings())
    await send(make_entry(), idempotency_key="k")
    for hours, left in ((0, 1), (23, 1), (0.5, 1), (0.5, 0)):
        clock.advance(hours=hours)
        await keeper.tick(clock.now())
        async with database.read() as tx:
            assert len((await tx.execute(select(log_receipts.c.digest))).all()) == left


async def test_keeper_enforces_the_cap(database: Database, send: Send, find: Find, clock: FakeClock) -> None:
    """Above the cap the oldest blocks of the deployment go, and no more of them than it takes."""
    for hours in (5, 1, 3):
        await send(make_entry(f"{hours} hours ago", -3600 * hours))
    async with database.read() as tx:
        sizes = (await tx.execute(select(log_blocks.c.byte_count).order_by(log_blocks.c.last_ns.desc()))).scalars().all()
    keeper = LogKeeper(database, Settings(), max_bytes=sizes[0] + sizes[1])
    assert not await keeper.tick(clock.now())
    assert [entry.message for entry in await find()] == ["1 hours ago", "3 hours ago"]
