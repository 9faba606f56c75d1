import pytest

from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.topology.building import Graph


@pytest.fixture
def graph(database: Database, clock: FakeClock) -> Graph:
    return Graph(database, clock.now())
