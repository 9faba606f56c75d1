"""Streams whose requests are worked on side by side and answered in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine
from typing import Any, TypeVar

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
