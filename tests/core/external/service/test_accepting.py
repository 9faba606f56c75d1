import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import pytest
from sqlalchemy import text

from lumetry_core.alerts.model import SystemAlert, SystemAlertState
from lumetry_core.alerts.service.system_alerts import list_system_alerts
from lumetry_core.external.model import Health
from lumetry_core.external.service import appender as module
from lumetry_core.external.service.accepting import Receipt, Submission, accept_group, find_own_source
from lumetry_core.external.service.appender import Appender
from lumetry_core.external.service.health import note_rejection
from lumetry_core.external.service.sources import get_source
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.external.building import CALLER, World, transition

BAD = LumetryError(Reason.VALIDATION_FAILED, "The request is not valid.", faults=(Fault("events[3].state", "must be one of\0 two"),))


async def health(world: World) -> Health:
    async with world.database.read() as tx:
        return (await get_source(tx, 7, world.source.id))[1]


async def test_new_transitions_are_taken_and_known_ones_counted(world: World, clock: FakeClock) -> None:
    """A repetition in the same request is one as well; both counts add up to what was sent."""
    first, second = transition(), transition(minutes=1)
    assert await world.deliver(first, first, second) == Receipt(2, 1)
    clock.advance(minutes=1)
    assert await world.deliver(second, transition(minutes=2)) == Receipt(1, 1)
    assert await health(world) == Health(clock.now(), 5, 0, 0, None)


async def test_provider_event_id_alone_tells_repetitions(world: World) -> None:
    """Whatever else differs; the same id at another source is another event."""
    assert await world.deliver(transition(event_id="e"), transition(event_id="e", minutes=5, title="other")) == Receipt(1, 1)
    assert await world.deliver(transition(), transition(event_id="f")) == Receipt(2, 0)


async def test_requests_that_share_a_commit_have_receipts_of_their_own(world: World) -> None:
    """An event that two of them bring is new to the first."""
    one = Submission(7, world.source.id, [transition(), transition(minutes=1)])
    two = Submission(7, world.source.id, [transition(minutes=1), transition(minutes=2)])
    stranger = Submission(8, 99, [transition()])
    async with world.database.write() as tx:
        assert await accept_group(tx, [one, stranger, two], world.clock.now()) == [Receipt(2, 0), Receipt(1, 0), Receipt(1, 1)]


async def test_third_rejection_in_a_row_tells_operators(world: World, clock: FakeClock) -> None:
    """The next success ends the row, the error and the system alert."""
    for count in range(1, 5):
        async with world.database.write() as tx:
            await note_rejection(tx, world.source, BAD, clock.now())
        assert await health(world) == Health(clock.now(), 0, count, count, "events[3].state must be one of\ufffd two")
        assert len(await system_alerts(world)) == (1 if count >= 3 else 0)
    [told] = await system_alerts(world)
    assert (told.code, told.subject_type, told.subject_id, told.occurrence_count) == (
        "ExternalSourceFailing",
        "ExternalAlertSource",
        str(world.source.id),
        2,
    )
    await world.deliver(transition())
    assert await health(world) == Health(clock.now(), 1, 4, 0, None)
    assert [alert.state for alert in await system_alerts(world)] == [SystemAlertState.CLOSED]


async def system_alerts(world: World) -> list[SystemAlert]:
    async with world.database.read() as tx:
        return await list_system_alerts(tx, 7, None, 10)


async def test_credential_opens_only_its_own_source(world: World) -> None:
    """Another key, another organization and a source that is disabled."""
    own = Caller(organization_id=7, kind=CredentialKind.EXTERNAL_SOURCE, source_id=world.source.id)
    async with world.database.read() as tx:
        assert await find_own_source(tx, own, world.source.key) == world.source
        for caller, key in (
            (own, "source-1"),
            (own, "a\0b"),
            (CALLER, world.source.key),
            (Caller(organization_id=8, kind=CredentialKind.EXTERNAL_SOURCE, source_id=world.source.id), world.source.key),
        ):
            with pytest.raises(LumetryError) as failure:
                await find_own_source(tx, caller, key)
            assert failure.value.reason is Reason.NOT_FOUND
    async with world.database.write() as tx:
        await tx.execute(text("UPDATE external_sources SET is_enabled = false"))
    async with world.database.read() as tx:
        with pytest.raises(LumetryError) as failure:
            await find_own_source(tx, own, world.source.key)
    assert failure.value.reason is Reason.CONFLICT


async def test_concurrent_deliveries_of_one_event_take_it_once(world: World, clock: FakeClock) -> None:
    """Through the appender, where requests share commits, and beside it, as two cores do."""
    appenders = [Appender(world.database, clock) for _ in range(2)]
    running = [asyncio.create_task(appender.run()) for appender in appenders]
    submission = Submission(7, world.source.id, [transition(minutes=minute) for minute in range(20)])
    receipts = await asyncio.gather(*(appenders[number % 2].append(submission) for number in range(20)))
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert sum(receipt.accepted_count for receipt in receipts) == 20
    assert sum(receipt.duplicate_count for receipt in receipts) == 380
    await world.define()
    await world.work()
    assert len(await world.alerts()) == 1
    with pytest.raises(LumetryError) as failure:
        await appenders[0].append(submission)
    assert failure.value.reason is Reason.STORE_UNAVAILABLE


async def test_unstorable_request_fails_alone(database: Database, world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be stored does not take down those that share its commit."""

    async def accept(tx: Transaction, submissions: Sequence[Submission], now: datetime) -> list[Receipt]:
        if any(submission.source_id == 99 for submission in submissions):
            raise ValueError("cannot be stored")
        return await accept_group(tx, submissions, now)

    monkeypatch.setattr(module, "accept_group", accept)
    appender = Appender(database, clock)
    good, bad = Submission(7, world.source.id, [transition()]), Submission(7, 99, [transition()])
    waiting = [asyncio.create_task(appender.append(each)) for each in (good, bad)]
    await asyncio.sleep(0)
    running = asyncio.create_task(appender.run())
    found = await asyncio.gather(*waiting, return_exceptions=True)
    running.cancel()
    assert found[0] == Receipt(1, 0)
    assert isinstance(found[1], LumetryError)
