import asyncio

from lumetry_core.heartbeats.model import AlertState, Outcome, PingKind, Status
from lumetry_core.heartbeats.service.deadlines import is_any_due, judge_due, pull_in
from lumetry_core.heartbeats.watching import Watch
from tests.core.heartbeats.building import after
from tests.core.heartbeats.world import World


async def due(world: World) -> bool:
    async with world.database.read() as tx:
        return await is_any_due(tx, world.clock.now())


async def test_judge_due_missed(world: World) -> None:
    """A deadline that passed makes the heartbeat down, opens a critical alert and is told; a success ends all of it."""
    heartbeat = await world.ping(await world.create())
    world.pass_minutes(11.99)
    assert not await due(world)
    await world.judge()
    assert (await world.read(heartbeat)).status is Status.UP
    world.pass_minutes(0.01)
    told = len(await world.told())
    assert await due(world)
    assert not await world.judge()
    down = await world.read(heartbeat)
    assert (down.status, down.alert_state, down.consecutive_failures) == (Status.DOWN, AlertState.ALERTING, 1)
    [(name, alert)] = (await world.alerts(heartbeat)).items()
    details = {
        "heartbeat_id": heartbeat.id,
        "name": "backup",
        "deadline": "2026-06-01T08:12:00Z",
        "last_ping_at": "2026-06-01T08:00:00Z",
        "started": False,
    }
    message = "No ping of backup came by 2026-06-01T08:12:00Z"
    assert (name, alert.alert_name, alert.severity, alert.trigger_reason, alert.details, alert.start_time) == (
        "deadline_missed",
        "Heartbeat missed: backup",
        "Critical",
        message,
        details,
        after(minutes=12),
    )
    alerted = {"heartbeat_id": heartbeat.id, "name": "backup", "alert_type": "deadline_missed", "details": message}
    assert (await world.told())[told:] == [
        ("heartbeat.status_changed", {"heartbeat_id": heartbeat.id, "old_status": "up", "new_status": "down"}),
        ("heartbeat.deadline_missed", details),
        ("heartbeat.alert", alerted),
    ]
    assert await world.today(heartbeat) == (50.0, 1)
    world.pass_minutes(1)
    assert (await world.ping(heartbeat)).status is Status.UP
    assert await world.alerts(heartbeat) == {}


async def test_judge_due_running(world: World) -> None:
    """A job that started and did not end has its run given up, and the message says so."""
    heartbeat = await world.create()
    await world.ping(heartbeat, PingKind.START)
    world.pass_minutes(12)
    await world.judge()
    assert [run.outcome for run in await world.runs(heartbeat)] == [Outcome.TIMEOUT]
    alert = (await world.alerts(heartbeat))["deadline_missed"]
    assert alert.trigger_reason == "backup started but did not finish by 2026-06-01T08:12:00Z"
    assert alert.details is not None
    assert alert.details["started"]


async def test_judge_due_beside_failed_run(world: World) -> None:
    """A failed run and a missed deadline are two alerts; any success closes both."""
    heartbeat = await world.create()
    await world.ping(heartbeat, PingKind.FAIL)
    world.pass_minutes(12)
    await world.judge()
    assert sorted(await world.alerts(heartbeat)) == ["deadline_missed", "exit_code_failure"]
    await world.ping(heartbeat)
    assert await world.alerts(heartbeat) == {}


async def test_judge_due_never_pinged(world: World) -> None:
    """A heartbeat is not watched before its first ping."""
    heartbeat = await world.create()
    world.pass_minutes(100_000)
    await world.judge()
    assert (await world.read(heartbeat)).status is Status.NEW


async def test_judge_due_twice(world: World) -> None:
    """Two workers that judge at the same time page once."""
    heartbeats = [await world.ping(await world.create(name=f"job {number}")) for number in range(5)]
    world.pass_minutes(30)
    told = len(await world.told())
    await asyncio.gather(*(world.judge() for _ in range(4)))
    names = [name for name, _ in (await world.told())[told:]]
    assert sorted(names) == sorted(["heartbeat.alert", "heartbeat.deadline_missed", "heartbeat.status_changed"] * 5)
    for heartbeat in heartbeats:
        assert (await world.read(heartbeat)).consecutive_failures == 1
        assert len(await world.alerts(heartbeat)) == 1


async def test_judge_due_after_our_stop(world: World) -> None:
    """A deadline that passed while we were away is put off once, and then counts; a ping meanwhile saves the job."""
    silent, late = await world.ping(await world.create()), await world.ping(await world.create(name="late"))
    world.pass_minutes(60)
    watch = Watch()
    watch.begin_round(world.clock.now(), 0.0)

    async def judge() -> None:
        async with world.database.write() as tx:
            await judge_due(tx, watch, world.clock.now())

    await judge()
    put_off = await world.read(silent)
    assert (put_off.status, put_off.deadline, put_off.due_time) == (Status.UP, after(minutes=12), after(minutes=62))
    world.pass_minutes(1)
    await world.ping(late)
    world.pass_minutes(1)
    await judge()
    assert [(await world.read(each)).status for each in (silent, late)] == [Status.DOWN, Status.UP]


async def test_pull_in_after_clock_set_back(world: World) -> None:
    """When the clock is set back, deadlines come no farther away than the job may be silent; nothing is missed."""
    heartbeat = await world.ping(await world.create())
    world.pass_minutes(-300)
    async with world.database.write() as tx:
        await pull_in(tx, world.clock.now())
    moved = await world.read(heartbeat)
    assert (moved.status, moved.deadline, moved.due_time) == (Status.UP, after(minutes=-288), after(minutes=-288))
    async with world.database.write() as tx:
        await pull_in(tx, world.clock.now())
    assert await world.read(heartbeat) == moved


async def test_look_again_after_person_closed(world: World) -> None:
    """A closed alert comes back when the job stays silent for as long as it may after the close, not sooner, and once (9.5)."""
    heartbeat = await world.ping(await world.create())
    world.pass_minutes(12)
    await world.judge()
    first = (await world.alerts(heartbeat))["deadline_missed"]
    world.pass_minutes(5)
    await world.close(first)
    world.pass_minutes(7)
    await world.judge()
    assert await world.alerts(heartbeat) == {}
    world.pass_minutes(4.9)
    await world.judge()
    assert await world.alerts(heartbeat) == {}
    world.pass_minutes(0.1)
    told = len(await world.told())
    await world.judge()
    again = (await world.alerts(heartbeat))["deadline_missed"]
    assert again.id != first.id
    assert [name for name, _ in (await world.told())[told:]] == ["heartbeat.alert"]
    assert (await world.read(heartbeat)).consecutive_failures == 1
    world.pass_minutes(12)
    await world.judge()
    assert (await world.alerts(heartbeat))["deadline_missed"].id == again.id


async def test_look_again_after_ping(world: World) -> None:
    """A ping after the close ends the matter."""
    heartbeat = await world.ping(await world.create())
    world.pass_minutes(12)
    await world.judge()
    await world.close((await world.alerts(heartbeat))["deadline_missed"])
    await world.ping(heartbeat)
    world.pass_minutes(11)
    await world.judge()
    assert await world.alerts(heartbeat) == {}
