"""A host with an engine for every test that wants one."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lumetry_core.runtime.database import Database
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock
from tests.core.containers.world import World
from tests.engine_double import serving


@pytest.fixture
async def world(database: Database, wakeups: Wakeups, clock: FakeClock) -> AsyncIterator[World]:
    """A deployment whose engine runs. Its socket lies where paths are short enough for sockets."""
    with tempfile.TemporaryDirectory() as folder:
        made = World(database, wakeups, clock, Path(folder) / "engine.sock")
        await made.prepare()
        async with serving(made.engine, made.socket):
            yield made
