import asyncio

from lumetry_core.endpoints.lag import BEAT_SECONDS, LATE_SECONDS, LagGuard


async def test_stalled_since_tells_what_a_late_beat_covers() -> None:
    """A check that began before the stall ended is excused, one that began after it is not."""
    guard, now = LagGuard(), asyncio.get_running_loop().time()
    guard.beat(now - 20)
    guard.beat(now - 10)
    for late in range(1, 40):
        guard.beat(now - 10 + late * BEAT_SECONDS)
    assert [guard.stalled_since(now - back) for back in (15, 10.1, 9)] == [True, True, False]


async def test_stalled_since_knows_a_beat_that_did_not_come_yet() -> None:
    """Whoever wakes first after a stall is told of it."""
    guard, now = LagGuard(), asyncio.get_running_loop().time()
    guard.beat(now - BEAT_SECONDS - LATE_SECONDS - 0.5)
    assert guard.stalled_since(now)


async def test_stalled_since_excuses_nothing_without_beats() -> None:
    """A guard that does not run knows of no stall."""
    guard = LagGuard()
    assert not guard.stalled_since(0)
    task = asyncio.ensure_future(guard.run())
    await asyncio.sleep(0)
    assert not guard.stalled_since(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
