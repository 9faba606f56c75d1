import pytest

from lumetry_core.metrics.service import inbox
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from tests.core.metricsources.building import World


@pytest.fixture
async def world(database: Database, clock: Clock) -> World:
    """No source yet."""
    async with database.write() as tx:
        await inbox.ensure_partitions(tx)
    return World(database, clock)
