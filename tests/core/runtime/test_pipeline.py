import asyncio
from collections.abc import AsyncIterator

import pytest

from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.pipeline import Watched, answer_in_order, watching


async def feed(*requests: int) -> AsyncIterator[int]:
    for request in requests:
        yield request


class Gates:
    """Requests that end when they are let, and in which order they started."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.cancelled: list[int] = []
        self._gates: dict[int, asyncio.Event] = {}
        self._changed = asyncio.Condition()

    def gate(self, request: int) -> asyncio.Event:
        return self._gates.setdefault(request, asyncio.Event())

    async def answer(self, request: int) -> int:
        async with self._changed:
            self.started.append(request)
            self._changed.notify_all()
        try:
            await self.gate(request).wait()
        except asyncio.CancelledError:
            self.cancelled.append(request)
            raise
        if request < 0:
            raise ValueError(request)
        return request * 10

    def open(self, *requests: int) -> None:
        for request in requests:
            self.gate(request).set()

    async def until_started(self, count: int) -> None:
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(lambda: len(self.started) >= count)


async def settle() -> None:
    """Lets everything happen that needs no event from outside."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_answers_come_in_the_order_of_the_requests_and_together() -> None:
    """What ended early waits for what came before it."""
    gates = Gates()
    answers = answer_in_order(feed(1, 2, 3), gates.answer, 8)
    first = asyncio.ensure_future(anext(answers))
    await gates.until_started(3)
    gates.open(2, 3)
    await settle()
    assert not first.done()
    gates.open(1)
    assert await first == [10, 20, 30]
    with pytest.raises(StopAsyncIteration):
        await anext(answers)


async def test_requests_are_read_only_while_there_is_room() -> None:
    """The next request starts when the oldest answer was taken."""
    gates = Gates()
    answers = answer_in_order(feed(1, 2, 3, 4), gates.answer, 2)
    first = asyncio.ensure_future(anext(answers))
    await gates.until_started(2)
    await settle()
    assert gates.started == [1, 2]
    gates.open(1)
    assert await first == [10]
    await gates.until_started(3)
    await settle()
    assert gates.started == [1, 2, 3]
    await answers.aclose()


async def test_a_failure_comes_after_the_answers_before_it() -> None:
    """And nothing after it is answered or left running."""
    gates = Gates()
    answers = answer_in_order(feed(1, -2, 3), gates.answer, 8)
    first = asyncio.ensure_future(anext(answers))
    await gates.until_started(3)
    gates.open(1, -2)
    assert await first == [10]
    with pytest.raises(ValueError, match="-2"):
        await anext(answers)
    assert gates.cancelled == [3]


async def test_a_failure_of_reading_comes_after_the_answers() -> None:
    """A sender that breaks off still gets what is known."""

    async def broken() -> AsyncIterator[int]:
        yield 1
        raise OSError("broken off")

    gates = Gates()
    gates.open(1)
    answers = answer_in_order(broken(), gates.answer, 8)
    assert await anext(answers) == [10]
    with pytest.raises(OSError, match="broken off"):
        await anext(answers)


async def test_closing_gives_up_what_is_under_way() -> None:
    """A consumer that goes leaves no task behind."""
    gates = Gates()
    before = asyncio.all_tasks()
    answers = answer_in_order(feed(1, 2), gates.answer, 8)
    waiting = asyncio.ensure_future(anext(answers))
    await gates.until_started(2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await answers.aclose()
    assert gates.cancelled == [1, 2]
    assert asyncio.all_tasks() == before


async def never() -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


async def test_watched_gives_all_messages() -> None:
    """Nothing ended them."""
    assert [message async for message in Watched(feed(1, 2, 3))] == [1, 2, 3]


async def test_watched_ends_at_the_next_message() -> None:
    """A stream that always has messages ends as soon as what is being done with one is finished, and stays ended."""
    watched = Watched(feed(1, 2, 3))
    assert await anext(watched) == 1
    watched.end(ValueError("gone"))
    for _ in range(2):
        with pytest.raises(ValueError, match="gone"):
            await anext(watched)


async def test_watched_ends_while_no_message_comes() -> None:
    """The task that waits gets the failure and is not cancelled by it."""
    watched = Watched(never())
    await anext(watched)

    async def wait() -> int:
        with pytest.raises(ValueError, match="gone"):
            await anext(watched)
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0)
        task = asyncio.current_task()
        return -1 if task is None else task.cancelling()

    waiting = asyncio.create_task(wait())
    await asyncio.wait([waiting], timeout=0)
    watched.end(ValueError("gone"))
    assert await waiting == 0


@pytest.mark.parametrize("is_ended", [False, True])
async def test_watched_lets_a_cancellation_pass(is_ended: bool) -> None:
    """Who cancels the task is obeyed, also when the stream ends in the same moment."""
    watched = Watched(never())
    await anext(watched)
    waiting = asyncio.create_task(anext(watched))  # type: ignore[arg-type]
    await asyncio.wait([waiting], timeout=0)
    if is_ended:
        watched.end(ValueError("gone"))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_watching_ends_the_messages_with_the_first_failed_check() -> None:
    """A store that cannot be used is no failure. Checks end with the block."""
    verdicts: list[Exception | None] = [None, LumetryError(Reason.STORE_UNAVAILABLE, "Later."), None, KeyError("gone"), None]
    checked = 0

    async def check() -> None:
        nonlocal checked
        checked += 1
        verdict = verdicts[checked - 1]
        if verdict is not None:
            raise verdict

    with watching(never(), check, 0.001) as watched:
        await anext(watched)
        with pytest.raises(KeyError, match="gone"):
            await anext(watched)
    assert checked == 4
