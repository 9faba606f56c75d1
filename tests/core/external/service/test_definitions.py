import asyncio

import pytest

from lumetry_core.external.model import QUEUE
from lumetry_core.external.service.definitions import list_definitions
from lumetry_core.external.service.processing import process
from lumetry_core.external.service.sources import delete_source, list_unmapped
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.queue import claim, complete
from tests.core.external.building import CALLER, World, transition

UNTIL_IT_WAITS = 0.3
"""Seconds after which a statement that has not ended waits for another transaction."""


async def test_register_while_its_transitions_are_worked_off(world: World) -> None:
    """What another core finds unmapped meanwhile is replayed, and not listed as unmapped any more."""
    await world.deliver(transition())
    async with world.database.write() as tx:
        items = await claim(tx, QUEUE)
        await process(tx, items, world.clock.now())
        await complete(tx, items)
        registering = asyncio.create_task(world.define())
        await asyncio.wait({registering}, timeout=UNTIL_IT_WAITS)
    await registering
    await world.work()
    assert len(await world.alerts()) == 1
    async with world.database.read() as tx:
        assert await list_unmapped(tx, CALLER, world.source.id, 0) == []


async def test_register_while_the_source_is_deleted(world: World) -> None:
    """No definition is left behind that would keep its node in the topology."""
    async with world.database.write() as tx:
        await delete_source(tx, CALLER, world.source.id, world.clock.now())
        registering = asyncio.create_task(world.define())
        await asyncio.wait({registering}, timeout=UNTIL_IT_WAITS)
    with pytest.raises(LumetryError) as failure:
        await registering
    assert failure.value.reason is Reason.VALIDATION_FAILED
    async with world.database.read() as tx:
        assert await list_definitions(tx, CALLER, None, 0) == []


async def test_register_one_key_twice_at_once(world: World) -> None:
    """The second is told that it is mapped already."""
    answers = await asyncio.gather(*(world.define() for _ in range(2)), return_exceptions=True)
    [failure] = [answer for answer in answers if isinstance(answer, BaseException)]
    assert isinstance(failure, LumetryError)
    assert [(fault.path, fault.message) for fault in failure.faults] == [("definitionKey", "is mapped already")]
