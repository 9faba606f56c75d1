import pytest

from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from tests.core.heartbeats.world import World


@pytest.fixture
def world(database: Database, clock: Clock) -> World:
    """An organization without heartbeats."""
    return World(database, clock)
