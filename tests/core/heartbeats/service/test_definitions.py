from dataclasses import replace
from typing import Any

import pytest

from lumetry_core.heartbeats.drafts import HeartbeatDraft
from lumetry_core.heartbeats.model import AlertState, Heartbeat, PingKind, State, Status
from lumetry_core.heartbeats.service import definitions, reading
from lumetry_core.heartbeats.service.upkeep import clear_removed, drop_old
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.core.heartbeats.building import START, after
from tests.core.heartbeats.world import CALLER, ORGANIZATION, World


async def change(world: World, heartbeat: Heartbeat, verb: Any, *arguments: Any) -> Any:
    async with world.database.write() as tx:
        return await verb(tx, CALLER, heartbeat.id, *arguments, world.clock.now())


async def test_create_heartbeat(world: World) -> None:
    """A new heartbeat is not watched yet and has an identity of its own."""
    made = await world.create(grace_seconds=None)
    assert made == Heartbeat(
        id=made.id,
        organization_id=ORGANIZATION,
        uuid=made.uuid,
        name="backup",
        interval_seconds=600,
        grace_seconds=0,
        create_time=START,
        update_time=START,
    )
    assert await world.read(made) == made
    assert (await world.create()).uuid != made.uuid


@pytest.mark.parametrize(
    ("draft", "faults"),
    [
        (HeartbeatDraft(), [("name", "is required"), ("interval_seconds", "is required")]),
        (
            HeartbeatDraft(name=" ", interval_seconds=59, grace_seconds=60),
            [
                ("name", "must have 1 to 255 characters"),
                ("interval_seconds", "must be between 60 and 604800"),
                ("grace_seconds", "must not be greater than interval_seconds"),
            ],
        ),
        (
            HeartbeatDraft(name="x" * 256, interval_seconds=604_801, grace_seconds=-1),
            [
                ("name", "must have 1 to 255 characters"),
                ("interval_seconds", "must be between 60 and 604800"),
                ("grace_seconds", "must be at least 0"),
            ],
        ),
        (
            HeartbeatDraft(name="x", interval_seconds=60, topology_node_id=404),
            [("topology_node_id", "is no node of the topology")],
        ),
    ],
)
async def test_create_heartbeat_faulty(world: World, draft: HeartbeatDraft, faults: list[tuple[str, str]]) -> None:
    """Everything that is wrong is named, and nothing is made."""
    with pytest.raises(LumetryError) as raised:
        async with world.database.write() as tx:
            await definitions.create_heartbeat(tx, CALLER, draft, START)
    assert (raised.value.reason, raised.value.faults) == (Reason.VALIDATION_FAILED, tuple(Fault(*fault) for fault in faults))
    async with world.database.read() as tx:
        assert await reading.count_heartbeats(tx, ORGANIZATION) == 0


async def test_update_heartbeat_merges(world: World) -> None:
    """What is not given stays; interval and grace are judged together, and the running deadline moves."""
    heartbeat = await world.ping(await world.create())
    world.pass_minutes(1)
    changed = await change(world, heartbeat, definitions.update_heartbeat, HeartbeatDraft(grace_seconds=600))
    assert changed == replace(
        heartbeat, grace_seconds=600, deadline=after(minutes=20), due_time=after(minutes=20), update_time=after(minutes=1)
    )
    assert await world.read(heartbeat) == changed
    with pytest.raises(LumetryError) as raised:
        await change(world, heartbeat, definitions.update_heartbeat, HeartbeatDraft(interval_seconds=300))
    assert raised.value.faults == (Fault("grace_seconds", "must not be greater than interval_seconds"),)


async def test_pause_heartbeat_resolves(world: World) -> None:
    """A pause resolves what was wrong; the end of the pause waits anew, and only a pause can end."""
    heartbeat = await world.ping(await world.create(), PingKind.FAIL)
    paused = await change(world, heartbeat, definitions.pause_heartbeat)
    assert (paused.status, paused.alert_state, paused.deadline) == (Status.PAUSED, AlertState.NORMAL, None)
    assert await world.alerts(heartbeat) == {}
    told = len(await world.told())
    assert await change(world, heartbeat, definitions.pause_heartbeat) == paused
    world.pass_minutes(60)
    await world.judge()
    resumed = await change(world, heartbeat, definitions.resume_heartbeat)
    assert (resumed.status, resumed.deadline) == (Status.UP, after(minutes=72))
    assert (await world.told())[told:] == [
        ("heartbeat.status_changed", {"heartbeat_id": heartbeat.id, "old_status": "paused", "new_status": "up"})
    ]
    with pytest.raises(LumetryError) as raised:
        await change(world, heartbeat, definitions.resume_heartbeat)
    assert (raised.value.reason, raised.value.metadata) == (Reason.CONFLICT, {"code": "not_paused"})


async def test_delete_heartbeat(world: World) -> None:
    """A removed heartbeat takes its alerts, its days and, bit by bit, its pings and runs with it; its identity is nobody's."""
    heartbeat = await world.ping(await world.create(), PingKind.FAIL)
    kept = await world.ping(await world.create(name="kept"))
    await change(world, heartbeat, definitions.delete_heartbeat)
    assert await world.alerts(heartbeat) == {}
    assert (await world.told())[-1] == ("heartbeat.deleted", {"heartbeat_id": heartbeat.id})
    for verb in (definitions.delete_heartbeat, definitions.pause_heartbeat, definitions.resume_heartbeat):
        with pytest.raises(LumetryError) as raised:
            await change(world, heartbeat, verb)
        assert raised.value.reason is Reason.NOT_FOUND
    with pytest.raises(AssertionError):
        await world.ping(heartbeat)
    async with world.database.write() as tx:
        assert await clear_removed(tx)
        assert not await clear_removed(tx)
    assert len(await world.pings(kept)) == len(await world.runs(kept)) == 1
    async with world.database.read() as tx:
        from lumetry_core.heartbeats.store.pings import list_pings, list_runs  # noqa: PLC0415 -- nobody else may look

        assert await list_pings(tx, ORGANIZATION, heartbeat.id, 10, 0) == ([], 0)
        assert await list_runs(tx, ORGANIZATION, heartbeat.id, 10, 0) == ([], 0)


async def test_drop_old(world: World) -> None:
    """Pings and runs are kept for as long as the operator says."""
    heartbeat = await world.ping(await world.create())
    world.pass_minutes(30 * 1440)
    await world.ping(heartbeat)
    kept = world.clock.now() - START
    for until, count in ((0, 2), (1, 1)):
        world.clock.advance(milliseconds=until)
        async with world.database.write() as tx:
            assert not await drop_old(tx, kept, world.clock.now())
        assert len(await world.pings(heartbeat)) == len(await world.runs(heartbeat)) == count


async def test_list_heartbeats(world: World) -> None:
    """Heartbeats are listed newest first, all or those of a status, and only those of the organization."""
    first = await world.create()
    world.pass_minutes(1)
    second = await world.ping(await world.create(name="second"))
    other = await world.create(replace(CALLER, organization_id=8))
    async with world.database.read() as tx:
        assert await reading.list_heartbeats(tx, ORGANIZATION, "") == [second, first]
        assert await reading.list_heartbeats(tx, ORGANIZATION, "new") == [first]
        assert await reading.count_heartbeats(tx, ORGANIZATION) == 2
        with pytest.raises(LumetryError) as raised:
            await reading.list_heartbeats(tx, ORGANIZATION, "NEW")
        states = await reading.find_states(tx, ORGANIZATION, [first.id, second.id, other.id, 99])
    assert raised.value.faults == (Fault("status", "must be one of new, up, down, started, paused"),)
    assert states == {first.id: State("backup", "new", False, None), second.id: State("second", "up", False, None)}
