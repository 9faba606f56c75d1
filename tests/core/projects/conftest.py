"""What the suites of projects share."""

from collections.abc import AsyncIterator

import pytest

from lumetry_core.migrations.tables import metadata
from lumetry_core.runtime.database import Database, open_database
from lumetry_core.runtime.queue import Wakeups


@pytest.fixture
async def database(database_url: str, wakeups: Wakeups) -> AsyncIterator[Database]:
    """A fresh database of each kind in turn, with every table."""
    opened = open_database(database_url, wakeups.wake)
    async with opened.write() as tx:
        await tx.connection.run_sync(metadata.create_all)
    yield opened
    await opened.close()
