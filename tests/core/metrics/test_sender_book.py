from dataclasses import replace

import pytest

from lumetry_core.metrics.definition import define, unpack_labels
from lumetry_core.metrics.senders import Marking, Sender
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.ingestion import PointInput, ingest_points
from lumetry_core.metrics.service.senders import REMEMBERED, SenderBook, remove_sender, write_sender
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock

AGENT = Caller(7, CredentialKind.AGENT, agent_id=3)
USER = Caller(7, CredentialKind.API_TOKEN)
SENDER = Sender(7, 3, "0b8f6f3e-4c1e-4a39-9a43-5a3f6f5f5f10", "srv-1", "web", max_series=2)


async def write(database: Database, sender: Sender) -> None:
    async with database.write() as tx:
        await write_sender(tx, sender)


def group_of(marking: Marking, host_id: str) -> str | None:
    return unpack_labels(marking.mark(define("m", [("host.id", host_id)], "", "")).labels).get("host.group")


async def test_mark_learns_what_was_told(database: Database, clock: FakeClock) -> None:
    """A change that the book is told of holds for the next batch; another organization's hosts stay apart."""
    book = SenderBook(database, clock)
    assert group_of(await book.mark(USER), "srv-1") is None
    await write(database, SENDER)
    book.forget()
    assert group_of(await book.mark(USER), "srv-1") == "web"
    assert group_of(await book.mark(replace(USER, organization_id=8)), "srv-1") is None
    await write(database, replace(SENDER, host_group="db"))
    book.forget()
    assert group_of(await book.mark(USER), "srv-1") == "db"


async def test_mark_learns_what_was_not_told(database: Database, clock: FakeClock) -> None:
    """Without word, as between processes whose connection broke, a change holds after five seconds."""
    book = SenderBook(database, clock)
    await write(database, SENDER)
    await book.mark(AGENT)
    async with database.write() as tx:
        await remove_sender(tx, 7, 3)
    await book.mark(AGENT)
    clock.advance(seconds=REMEMBERED.total_seconds())
    with pytest.raises(LumetryError) as failure:
        await book.mark(AGENT)
    assert failure.value.reason is Reason.UNAUTHENTICATED


async def test_mark_stays_equal_while_nothing_changes(database: Database, clock: FakeClock) -> None:
    """What was resolved for a sender is not resolved anew because the store was asked again."""
    book = SenderBook(database, clock)
    await write(database, SENDER)
    before = [await book.mark(USER), await book.mark(AGENT)]
    clock.advance(seconds=2 * REMEMBERED.total_seconds())
    assert [await book.mark(USER), await book.mark(AGENT)] == before


async def test_ingest_points_keeps_agent_within_its_series(database: Database, clock: FakeClock, appender: Appender) -> None:
    """Points of series above the limit are dropped and counted; a batch of nothing else is answered without a job."""
    book = SenderBook(database, clock)
    await write(database, SENDER)

    async def send(*names: str) -> tuple[int, int]:
        points = [PointInput(define("m", [("core", name)], "", ""), to_ms(clock.now()), 1.0) for name in names]
        receipt = await ingest_points(appender.append, clock, AGENT, points, marking=await book.mark(AGENT))
        return receipt.accepted_count, len(receipt.job_ids)

    assert await send("a", "b", "c") == (2, 1)
    assert await send("c") == (0, 0)
    assert await send("b", "a", "d") == (2, 1)
    assert book.count_refused(7, 3) == 2
    clock.advance(days=1)
    assert await send("c", "d") == (2, 1)
    assert book.count_refused(7, 3) == 0
