import pytest

from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.overview.world import World


@pytest.fixture
def world(database: Database, clock: FakeClock) -> World:
    """An organization without anything."""
    return World(database, clock)
