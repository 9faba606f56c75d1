"""Making and sending entries in tests of logs."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from lumetry_core.logs.model import Draft, EntryFault, ErrorDraft, Receipt, Settings, StoredEntry
from lumetry_core.logs.service import sealing
from lumetry_core.logs.service.appender import Appender
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock, to_ms
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


async def seal_all(database: Database, organization_id: int) -> None:
    """Seals every fresh block, and merges sealed ones once more."""
    async with database.read() as tx:
        groups = await sealing.store.list_groups(tx, organization_id, sealing.FULL_LEVEL)
    for group in groups:
        async with database.read() as tx:
            sealed = sealing.merge(await sealing.read_sources(tx, group))
        async with database.write() as tx:
            await sealing.replace_blocks(tx, sealed)
