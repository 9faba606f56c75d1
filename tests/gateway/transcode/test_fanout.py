import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gateway.transcode import fanout
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.fanout import KEPT_DURATION, KEPT_FRAMES, MAX_WAITING, Frame, Hub, Position, Reader, Reset

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
CROWD = 1000


def a_frame(number: int, kind: str = "a.b", time: datetime = NOW) -> Frame:
    return Frame(number, kind, b"id: %d\n\n" % number, time)


@dataclass
class Upstream:
    """A core whose stream a test writes."""

    streams: list[asyncio.Queue[Position | Frame | Failure | None]] = field(default_factory=list)
    prepared: list[list[Position | Frame | Failure | None]] = field(default_factory=list)
    """What each connection begins with."""

    async def connect(self) -> AsyncIterator[Position | Frame]:
        queue: asyncio.Queue[Position | Frame | Failure | None] = asyncio.Queue()
        number = len(self.streams)
        for item in self.prepared[number] if number < len(self.prepared) else ():
            queue.put_nowait(item)
        self.streams.append(queue)
        while True:
            item = await queue.get()
            queue.task_done()
            if item is None:
                return
            if isinstance(item, Failure):
                raise item
            yield item

    async def send(self, *items: Position | Frame | Failure | None) -> None:
        """Has the present connection send, and waits until all of it was taken."""
        for item in items:
            self.streams[-1].put_nowait(item)
        await self.streams[-1].join()
        await asyncio.sleep(0)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream(prepared=[[Position(10, 12, 2), a_frame(11), a_frame(12)]])


@pytest.fixture
async def hub(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    monkeypatch.setattr(fanout, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(fanout, "CATCH_UP_SECONDS", 0.05)
    made = Hub(upstream.connect, now=lambda: NOW)
    yield made
    await made.close()


async def settle() -> None:
    """Lets everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def ids(reader: Reader) -> list[int | Reset]:
    """What waits for a reader."""
    taken = await reader.take(0)
    assert taken is not None
    return [item.id if isinstance(item, Frame) else item for item in taken]


async def test_join_live(hub: Hub, upstream: Upstream) -> None:
    """A reader without number gets what comes from now on, and all readers share one stream of the core."""
    first = await hub.join()
    await settle()
    second = await hub.join()
    await upstream.send(a_frame(15), a_frame(20))
    assert await ids(first) == [15, 20]
    assert await ids(second) == [15, 20]
    assert len(upstream.streams) == 1


async def test_join_with_number(hub: Hub, upstream: Upstream) -> None:
    """A reader that comes back is given what it missed; numbers between two events are as good as those of events."""
    live = await hub.join()
    await settle()
    await upstream.send(a_frame(15), a_frame(20))
    assert [await ids(await hub.join(number)) for number in (10, 11, 13, 15, 19, 20)] == [
        [11, 12, 15, 20],
        [12, 15, 20],
        [15, 20],
        [20],
        [20],
        [],
    ]
    assert await ids(live) == [15, 20]


async def test_join_with_lost_number(hub: Hub, upstream: Upstream) -> None:
    """A reader whose number is too old or was never given must load everything again, and goes on live."""
    await hub.join()
    await settle()
    old, unknown = await hub.join(9), await hub.join(99)
    await upstream.send(a_frame(100))
    assert await ids(old) == [Reset("replay_window_exceeded", 11, 12), 100]
    assert await ids(unknown) == [Reset("unknown_id", 11, 12), 100]


async def test_join_before_hub_heard(hub: Hub, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that the hub is about to hear of is not unknown."""
    monkeypatch.setattr(fanout, "CATCH_UP_SECONDS", 20.0)
    await hub.join()
    joining = asyncio.ensure_future(hub.join(15))
    await settle()
    assert not joining.done()
    await upstream.send(a_frame(15), a_frame(16))
    assert await ids(await joining) == [16]


async def test_filter_kinds(hub: Hub, upstream: Upstream) -> None:
    """A reader gets the kinds it wants, live and replayed."""
    await hub.join()
    await settle()
    await upstream.send(a_frame(13, "c.d"))
    reader = await hub.join(11, lambda kind: kind.startswith("a."))
    await upstream.send(a_frame(14, "c.d"), a_frame(15, "a.x"))
    assert await ids(reader) == [12, 15]


async def test_forget_old_frames(upstream: Upstream) -> None:
    """At most so many events are kept, and none for longer than an hour; readers behind them are told so."""
    moments = [NOW]
    hub = Hub(upstream.connect, now=lambda: moments[0])
    await hub.join()
    await settle()
    await upstream.send(*(a_frame(number) for number in range(13, 13 + KEPT_FRAMES)))
    assert await ids(await hub.join(11)) == [Reset("replay_window_exceeded", 13, 12 + KEPT_FRAMES)]
    assert len(await ids(await hub.join(12))) == KEPT_FRAMES
    moments[0] += KEPT_DURATION + timedelta(seconds=1)
    assert await ids(await hub.join(12)) == [Reset("replay_window_exceeded", 13 + KEPT_FRAMES, 12 + KEPT_FRAMES)]
    assert await ids(await hub.join(12 + KEPT_FRAMES)) == []
    await hub.close()


async def test_overrun_reader(hub: Hub, upstream: Upstream) -> None:
    """A reader for whom too much waits is ended at once and holds nothing any more; others go on."""
    slow, fast = await hub.join(), await hub.join()
    await settle()
    aborted: list[bool] = []
    slow.abort = lambda: aborted.append(True)
    await upstream.send(*(a_frame(number) for number in range(13, 13 + MAX_WAITING)))
    assert not slow.is_overrun
    assert len(await ids(fast)) == MAX_WAITING
    await upstream.send(a_frame(900), a_frame(901))
    assert (slow.is_overrun, aborted, await slow.take(0)) == (True, [True], None)
    assert await ids(fast) == [900, 901]


async def test_replay_more_than_may_wait(hub: Hub, upstream: Upstream) -> None:
    """What is made up for does not count as being slow; what comes while it is sent has its usual room."""
    await hub.join()
    await settle()
    await upstream.send(*(a_frame(number) for number in range(13, 513)))
    reader = await hub.join(10)
    await upstream.send(*(a_frame(number) for number in range(513, 513 + MAX_WAITING)))
    assert not reader.is_overrun
    await upstream.send(a_frame(5000))
    assert reader.is_overrun


async def test_reconnect_without_loss(hub: Hub, upstream: Upstream) -> None:
    """When the core was away, readers are given what they missed and nothing twice."""
    upstream.prepared += [[Failure(Reason.STORE_UNAVAILABLE, "away")], [Position(10, 14), a_frame(11), a_frame(12), a_frame(14)]]
    reader = await hub.join()
    await settle()
    await upstream.send(None)
    await settle()
    assert len(upstream.streams) == 3
    assert await ids(reader) == [14]


async def test_reconnect_with_much(hub: Hub, upstream: Upstream) -> None:
    """However much was missed while the core was away, it is made up for and overruns nobody."""
    upstream.prepared += [[Position(10, 900, 800), *(a_frame(number) for number in range(101, 901))]]
    reader = await hub.join(10)
    assert await ids(reader) == [11, 12]
    await upstream.send(None)
    await settle()
    assert await ids(reader) == list(range(101, 901))


async def test_reconnect_with_loss(hub: Hub, upstream: Upstream) -> None:
    """When events were lost meanwhile, or the core has another store, all readers are told once, and go on."""
    upstream.prepared += [
        [Position(50, 60), a_frame(55), a_frame(60)],
        [Position(0, 3), a_frame(2), a_frame(3)],
    ]
    reader = await hub.join()
    await settle()
    await upstream.send(None)
    await settle()
    assert await ids(reader) == [Reset("replay_window_exceeded", 51, 60)]
    await upstream.send(a_frame(61))
    assert await ids(reader) == [61]
    await upstream.send(None)
    await settle()
    assert await ids(reader) == [Reset("unknown_id", 1, 3)]
    await upstream.send(a_frame(4))
    assert await ids(reader) == [4]
    assert await ids(await hub.join(1)) == [2, 3, 4]


async def test_join_when_core_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that has never begun fails as the core does; the next reader may have luck."""
    upstream = Upstream(prepared=[[Failure(Reason.NOT_FOUND, "no page")], [Position(0, 0)]])
    monkeypatch.setattr(fanout, "FIRST_PAUSE_SECONDS", 0.0)
    hub = Hub(upstream.connect)
    with pytest.raises(Failure) as caught:
        await hub.join()
    assert caught.value.reason is Reason.NOT_FOUND
    await settle()
    assert await ids(await hub.join()) == []
    await hub.close()


async def test_close_after_what_waits(hub: Hub, upstream: Upstream) -> None:
    """A reader that is closed still gets what waits for it."""
    reader = await hub.join()
    await settle()
    waiting = asyncio.ensure_future(reader.take(60))
    await settle()
    await upstream.send(a_frame(13))
    assert await waiting == [a_frame(13)]
    await upstream.send(a_frame(14))
    hub.end_readers()
    assert await ids(reader) == [14]
    assert await reader.take(60) is None


async def test_serve_crowd_without_growth(hub: Hub, upstream: Upstream) -> None:
    """A thousand readers share the bytes of each event: whatever number of events pass, memory stays as it is."""
    readers = [await hub.join() for _ in range(CROWD)]
    await settle()

    async def pass_events(first: int, count: int) -> None:
        for start in range(first, first + count, 100):
            await upstream.send(*(Frame(number, "a.b", b"x" * 2000, NOW) for number in range(start, start + 100)))
            for reader in readers:
                taken = await reader.take(0)
                assert taken is not None
                assert len(taken) == 100

    await pass_events(100, KEPT_FRAMES)  # so that everything that is kept is there
    gc.collect()
    tracemalloc.start()
    await pass_events(5000, 2000)
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The thousand kept events were replaced: their 2 MB are traced now, and hardly anything besides.
    assert grown < KEPT_FRAMES * 2000 * 1.5
    for reader in readers:
        hub.leave(reader)
    assert hub.readers == set()
