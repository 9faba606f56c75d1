from collections.abc import AsyncIterator

import pytest

from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.updates.building import World
from tests.registry_double import RegistryDouble, run_registry


@pytest.fixture
async def registry() -> AsyncIterator[RegistryDouble]:
    """A registry with a token service."""
    async with run_registry() as double:
        yield double


@pytest.fixture
async def world(database: Database, clock: FakeClock, registry: RegistryDouble) -> World:
    """An organization without containers yet."""
    made = World(database, clock, registry)
    await made.build()
    return made
