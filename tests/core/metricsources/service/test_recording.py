"""What polls leave behind."""

from datetime import timedelta

from lumetry_core.metricsources.drafts import ItemDraft
from lumetry_core.metricsources.judging import PollResult
from lumetry_core.metricsources.model import PollStatus, Source, Standing
from lumetry_core.metricsources.schedule import plan_next
from lumetry_core.metricsources.service import recording, scheduling, upkeep
from tests.conftest import FakeClock
from tests.core.metricsources.building import PROMETHEUS, UP, World, changed


async def poll(world: World, error: str = "", *keys: str) -> Source:
    """Polls the source that is due, which fails so."""
    async with world.database.write() as tx:
        (claimed,) = await scheduling.claim_polls(tx, {}, 1, 1, world.clock.now())
        assert await recording.record_poll(tx, claimed, PollResult(error, frozenset(keys)), world.clock.now())
    return claimed


async def wait(world: World, clock: FakeClock) -> None:
    """Moves on to the next poll."""
    async with world.database.read() as tx:
        due = await scheduling.find_next_due(tx)
    assert due is not None
    clock.moment = due


async def test_record_success(world: World, clock: FakeClock) -> None:
    """The source fares well, its metrics are fresh, and it is due at its next place."""
    created = await world.create()
    await poll(world)
    assert (await world.read(created.id)).standing == Standing(clock.now(), PollStatus.SUCCESS, None, clock.now(), 0)
    metric = await world.metric("prom.up")
    assert (metric.sync_status, metric.last_sync_time) == ("SYNCED", clock.now())
    async with world.database.read() as tx:
        assert await scheduling.find_next_due(tx) == plan_next(created.id, clock.now(), 60)


async def test_record_failure_of_one_item(world: World, clock: FakeClock) -> None:
    """Its metric is not fresh any more; the other is. The source has failed all the same."""
    created = await world.create(changed(PROMETHEUS, items=(UP, ItemDraft(metric_key="prom.bad", query="bad("))))
    await poll(world, "items[1] (prom.bad): bad query", "prom.bad")
    assert (await world.read(created.id)).standing == Standing(
        clock.now(), PollStatus.FAILED, "items[1] (prom.bad): bad query", None, failures_in_row=1
    )
    assert [(await world.metric(key)).sync_status for key in ("prom.up", "prom.bad")] == ["SYNCED", "FAILED"]


async def test_third_failure_is_told_and_the_next_success_ends_it(world: World, clock: FakeClock) -> None:
    """Operators hear of a source that keeps failing, once."""
    created = await world.create()
    told = []
    for error in ("down", "down", "down", "down", ""):
        await poll(world, error, *(["prom.up"] if error else []))
        told.append([(alert.code, alert.state, alert.occurrence_count) for alert in await world.system_alerts()])
        await wait(world, clock)
    code = "MetricSourceFailing"
    assert told == [[], [], [(code, "Open", 1)], [(code, "Open", 2)], [(code, "Closed", 2)]]
    (alert,) = await world.system_alerts()
    assert (alert.subject_type, alert.subject_id) == ("MetricSource", str(created.id))
    assert alert.message == "Metric source 'Prometheus' keeps failing: down"


async def test_record_after_a_change_does_not_count(world: World, clock: FakeClock) -> None:
    """What was asked of the former source says nothing of the present one."""
    created = await world.create()
    async with world.database.write() as tx:
        (claimed,) = await scheduling.claim_polls(tx, {}, 1, 1, clock.now())
    changed_source = await world.update(created.id, changed(PROMETHEUS, name="Other"))
    async with world.database.write() as tx:
        assert not await recording.record_poll(tx, claimed, PollResult("down"), clock.now())
        await recording.postpone_poll(tx, claimed, clock.now() + timedelta(hours=1))
        assert await scheduling.find_next_due(tx) == clock.now()
    assert await world.read(created.id) == changed_source


async def test_postponed_poll_leaves_the_standing(world: World, clock: FakeClock) -> None:
    """A fault of ours is not the source's."""
    created = await world.create()
    async with world.database.write() as tx:
        (claimed,) = await scheduling.claim_polls(tx, {}, 1, 1, clock.now())
        await recording.postpone_poll(tx, claimed, clock.now() + timedelta(seconds=5))
        assert await scheduling.find_next_due(tx) == clock.now() + timedelta(seconds=5)
    assert (await world.read(created.id)).standing == Standing()


async def test_errors_are_stored_as_every_database_takes_them(world: World, clock: FakeClock) -> None:
    """What a source answers may hold anything."""
    created = await world.create()
    await poll(world, "a\0b\n" + "x" * 2000, "prom.up")
    error = (await world.read(created.id)).standing.error
    assert error is not None
    assert (error[:4], len(error)) == ("a\ufffdb\ufffd", 1000)


async def test_metrics_of_a_source_that_nobody_polls_become_stale(world: World, clock: FakeClock) -> None:
    """After three intervals; those whose last poll failed stay failed. The next poll makes them fresh."""
    items = (UP, ItemDraft(metric_key="prom.bad", query="bad("))
    await world.create(changed(PROMETHEUS, items=items))
    await poll(world, "bad", "prom.bad")

    async def statuses() -> list[str]:
        async with world.database.write() as tx:
            assert not await upkeep.mark_stale(tx, clock.now())
        return [(await world.metric(key)).sync_status for key in ("prom.up", "prom.bad")]

    clock.advance(seconds=179)
    assert await statuses() == ["SYNCED", "FAILED"]
    clock.advance(seconds=1)
    assert await statuses() == ["STALE", "FAILED"]
    await poll(world)
    assert await statuses() == ["SYNCED", "SYNCED"]
