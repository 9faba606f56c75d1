"""Streams whose requests are worked on side by side and answered in order, and streams that end with the right to them."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from lumetry_core.runtime.errors import LumetryError, Reason

Request = TypeVar("Request")
Answer = TypeVar("Answer")


async def answer_in_order(
    requests: AsyncIterable[Request], answer: Callable[[Request], Coroutine[Any, Any, Answer]], limit: int
) -> AsyncGenerator[list[Answer], None]:
    """Gives the answers in the order of the requests, those that are there at once together.

    Requests start in order too. What a request, or reading them, raises is raised after the answers before it.

    Args:
        requests: Read ahead while fewer than `limit` are under way.
        answer: Works on one.
        limit: At least 1.
    """
    under_way: deque[asyncio.Task[Answer]] = deque()
    changed = asyncio.Event()

    async def until(condition: Callable[[], bool]) -> None:
        while not condition():
            changed.clear()
            await changed.wait()

    async def read() -> None:
        async for request in requests:
            under_way.append(asyncio.create_task(answer(request)))
            changed.set()
            await until(lambda: len(under_way) < limit)

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _reader: changed.set())
    try:
        while True:
            await until(lambda: bool(under_way) or reader.done())
            if not under_way:
                await reader
                return
            await asyncio.wait([under_way[0]])
            answers = [under_way.popleft().result()]
            while under_way and under_way[0].done() and under_way[0].exception() is None:
                answers.append(under_way.popleft().result())
            changed.set()
            yield answers
    finally:
        left = [reader, *under_way]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


class Watched:
    """The messages of a stream, which end with a failure as soon as `end` is told one, also while none come."""

    def __init__(self, messages: AsyncIterator[Any]) -> None:
        self._messages = messages
        self._waiter: asyncio.Task[Any] | None = None
        self._failure: Exception | None = None

    def __aiter__(self) -> "Watched":
        return self

    async def __anext__(self) -> Any:  # noqa: ANN401 -- any message
        self._raise_failure()
        self._waiter = waiter = asyncio.current_task()
        try:
            return await anext(self._messages)
        except asyncio.CancelledError:
            if self._failure is not None and waiter is not None and not waiter.uncancel():
                self._raise_failure()
            raise
        finally:
            self._waiter = None

    def end(self, failure: Exception) -> None:
        """Makes the present and every later wait for a message fail. What is being done with a message is finished."""
        self._failure = failure
        if self._waiter is not None:
            self._waiter.cancel()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure from None


@contextmanager
def watching(messages: AsyncIterator[Any], check: Callable[[], Awaitable[None]], interval_seconds: float) -> Iterator[Watched]:
    """Checks again and again while the block runs; when a check fails, other than for want of the store, the messages end with that."""
    watched = Watched(messages)

    async def watch() -> None:
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                await check()
            except Exception as error:  # noqa: BLE001 -- the stream fails with it
                if isinstance(error, LumetryError) and error.reason is Reason.STORE_UNAVAILABLE:
                    continue
                watched.end(error)
                return

    watcher = asyncio.create_task(watch())
    try:
        yield watched
    finally:
        watcher.cancel()
