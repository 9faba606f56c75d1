import pytest

from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.resources.building import World


@pytest.fixture
async def world(database: Database, clock: FakeClock) -> World:
    """An organization without containers, and a connected runtime."""
    made = World(database, clock)
    await made.build()
    return made
