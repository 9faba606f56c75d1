import pytest

from lumetry_core.runtime.database import Database
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock
from tests.core.certificates.building import World


@pytest.fixture
def world(database: Database, clock: FakeClock, wakeups: Wakeups) -> World:
    """An organization without certificates."""
    return World(database, clock, wakeups)
