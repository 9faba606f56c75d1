"""Making and sending entries in tests of logs."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from lumetry_core.logs.columns import unpack
from lumetry_core.logs.grouping import read_sightings
from lumetry_core.logs.model import Draft, EntryFault, ErrorDraft, Receipt, Settings, StoredEntry
from lumetry_core.logs.service import sealing, unread
from lumetry_core.logs.service.appender import Appender
from lumetry_core.logs.service.grouping import Grouped, record_sightings
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock, from_ms, to_ms
from lumetry_core.runtime.database import Database

SETTINGS = Settings(dedupe_seconds=60)
NOW_MS = to_ms(datetime(2026, 6, 1, 8, tzinfo=UTC))
"""The fake clock's start."""

Send = Callable[..., Awaitable[tuple[Receipt, list[EntryFault]]]]
Find = Callable[..., Awaitable[list[StoredEntry]]]


def make_caller(organization_id: int, credential_id: int = 5, **fields: Any) -> Caller:
    return Caller(organization_id, CredentialKind.API_TOKEN, credential_id=credential_id, user_name="ann", **fields)


def make_entry(message: str = "hello", seconds: float = 0, level: int = 2, metadata: Any = None, **fields: Any) -> Draft:
    """An entry so many seconds after the fake clock's start."""
    document = b"" if metadata is None else json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode()
    return Draft(NOW_MS * 1_000_000 + round(seconds * 1_000_000_000), level, message, metadata=document, **{"size_bytes": 10, **fields})


def make_error(**fields: Any) -> ErrorDraft:
    return ErrorDraft(**fields)


@contextlib.asynccontextmanager
async def running_appender(database: Database, clock: Clock) -> AsyncIterator[Appender]:
    """An appender at work on the database."""
    appender = Appender(database, clock)
    task = asyncio.create_task(appender.run())
    try:
        yield appender
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def read_all(database: Database, organization_id: int, now: datetime | None = None) -> Grouped:
    """Reads every new block as the reader of grouping does; their groups."""
    async with database.write() as tx:
        blocks = await unread.list_unread(tx, organization_id, 2**40)
        await unread.mark_read(tx, organization_id, [block.id for block in blocks])
        batches = [batch for block in blocks for batch in unpack(block.project_id, block.first_id, block.payload)]
        return await record_sightings(tx, organization_id, read_sightings(batches), now or from_ms(NOW_MS))


async def seal_all(database: Database, organization_id: int) -> None:
    """Reads new blocks, seals every fresh one, and merges sealed ones once more."""
    await read_all(database, organization_id)
    async with database.read() as tx:
        groups = await sealing.store.list_groups(tx, organization_id, sealing.FULL_LEVEL)
    for group in groups:
        async with database.read() as tx:
            sealed = sealing.merge(await sealing.read_sources(tx, group))
        async with database.write() as tx:
            await sealing.replace_blocks(tx, sealed)
