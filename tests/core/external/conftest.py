import pytest

from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from tests.core.external.building import World


@pytest.fixture
async def world(database: Database, clock: Clock) -> World:
    """A source without definitions, and a host."""
    made = World(database, clock)
    await made.build()
    return made
