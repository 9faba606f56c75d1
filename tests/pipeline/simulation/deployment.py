"""Worlds on fresh databases."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lumetry_core.runtime.database import open_database
from lumetry_core.runtime.queue import Wakeups
from tests.pipeline.simulation.founding import found
from tests.pipeline.simulation.script import Script
from tests.pipeline.simulation.services import ServiceWorld


@asynccontextmanager
async def deploy(template: Path, folder: Path, told: Script, *, has_crashes: bool) -> AsyncIterator[ServiceWorld]:
    """A world on a fresh database."""
    path = folder / f"{told.seed}-{has_crashes}.db"
    shutil.copy(template, path)
    database = open_database(f"sqlite:///{path}", Wakeups().wake)
    await found(database, told.setup)
    world = ServiceWorld(database, told, has_crashes=has_crashes)
    try:
        yield world
    finally:
        await world.stop()
        await database.close()
