"""Asks a source all that is to be asked of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from lumetry_core.collectors.agent.polling.gathering import check_metric_key
from lumetry_core.collectors.agent.polling.model import PROMETHEUS_TYPES, Fetch, Item, ItemResult, PollError, Source
from lumetry_core.collectors.agent.polling.wording import hide

Answer = TypeVar("Answer")

BUDGET_SECONDS = 55.0
QUERIES_AT_ONCE = 4
"""Of one poll over HTTP. A database answers one query after the other, on one connection."""
GRACE_SECONDS = 1.0
"""So much later than a database itself a query is given up, so that the database knows of it."""


class Session(Protocol):
    """A connection to a database."""

    @property
    def is_open(self) -> bool:
        """Whether another item can be asked."""

    async def ask(self, item: Item, now: datetime) -> ItemResult:
        """What a query gives. Raises PollError."""

    async def close(self) -> None:
        """Ends it; never fails."""


class Deadline:
    """When the whole poll must be over."""

    def __init__(self, budget_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + budget_seconds

    def span(self, timeout_seconds: float) -> float:
        """How long one item may take now. Raises PollError when nothing is left."""
        left = self._end - self._loop.time()
        if left <= 0:
            raise PollError("not asked: the time for the whole source is over")
        return min(timeout_seconds, left)


async def poll_source(source: Source, fetch: Fetch, now: datetime, budget_seconds: float = BUDGET_SECONDS) -> list[ItemResult]:
    """What every item gives, in their order. One that fails does not keep the others from being asked, and nothing is raised.

    Args:
        source: With the secret in the clear.
        fetch: For HTTP; its policy also judges where databases are.
        now: The time of all samples.
        budget_seconds: For the whole source; items that it does not reach fail.
    """
    deadline = Deadline(budget_seconds)
    if source.type in PROMETHEUS_TYPES:
        results = await poll_queries(source, fetch, now, deadline)
    elif source.type == "http":
        results = await poll_paths(source, fetch, now, deadline)
    elif source.type in ("postgres", "mysql"):
        results = await poll_database(source, fetch, now, deadline)
    else:
        results = [failed(each, PollError(f"sources of type {source.type[:40]} cannot be polled here")) for each in source.items]
    return [polish(each, source) for each in results]


def failed(item: Item, error: PollError) -> ItemResult:
    """The result of an item that gave nothing."""
    return ItemResult(item.metric_key, error=str(error) or "it failed")


def polish(result: ItemResult, source: Source) -> ItemResult:
    """A result whose texts can be shown."""
    if not result.error and not result.warnings:
        return result
    return replace(result, error=hide(result.error, source), warnings=tuple(hide(each, source) for each in result.warnings))


async def within(deadline: Deadline, source: Source, action: Callable[[], Awaitable[Answer]], what: str, grace: float = 0.0) -> Answer:
    """What comes of an action in its time. Raises PollError, whatever goes wrong."""
    seconds = deadline.span(source.timeout_seconds + grace)
    try:
        async with asyncio.timeout(seconds):
            return await action()
    except TimeoutError:
        raise PollError(f"no {what} within {round(min(seconds, source.timeout_seconds), 1):g} s") from None
    except PollError:
        raise
    except Exception as error:  # noqa: BLE001 -- drivers trust servers: what one of them makes up shows in ways that nobody can list
        raise PollError(f"what answers is no {source.type} source that can be understood: {type(error).__name__}") from None


async def poll_queries(source: Source, fetch: Fetch, now: datetime, deadline: Deadline) -> list[ItemResult]:
    """Asks Prometheus, several items at once."""
    from lumetry_core.collectors.agent.polling.prometheus import poll_prometheus  # noqa: PLC0415 -- what is not polled takes no memory

    slots = asyncio.Semaphore(QUERIES_AT_ONCE)

    async def ask(item: Item) -> ItemResult:
        async with slots:
            try:
                check_metric_key(item)
                return await within(deadline, source, lambda: poll_prometheus(source, item, fetch, now), "answer")
            except PollError as error:
                return failed(item, error)

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(ask(each)) for each in source.items]
    return [each.result() for each in asked]


async def poll_paths(source: Source, fetch: Fetch, now: datetime, deadline: Deadline) -> list[ItemResult]:
    """Fetches the document once and looks up every item in it."""
    from lumetry_core.collectors.agent.polling.document import fetch_document, poll_document  # noqa: PLC0415

    try:
        document = await within(deadline, source, lambda: fetch_document(source, fetch), "answer")
    except PollError as error:
        return [failed(each, error) for each in source.items]
    results = []
    for item in source.items:
        try:
            check_metric_key(item)
            results.append(await within(deadline, source, partial(poll_document, item, document, now), "result of the path"))
        except PollError as error:
            results.append(failed(item, error))
    return results


async def poll_database(source: Source, fetch: Fetch, now: datetime, deadline: Deadline) -> list[ItemResult]:
    """Asks a database one item after the other. A connection that broke is made again; when none can be made, no more is tried."""
    session: Session | None = None
    results: list[ItemResult] = []
    hopeless: PollError | None = None
    try:
        for item in source.items:
            try:
                check_metric_key(item)
            except PollError as error:
                results.append(failed(item, error))
                continue
            try:
                if hopeless is not None:
                    raise hopeless
                if session is None:
                    session = await within(deadline, source, partial(open_session, source, fetch), "connection", GRACE_SECONDS)
                results.append(await within(deadline, source, partial(session.ask, item, now), "answer", GRACE_SECONDS))
            except PollError as error:
                results.append(failed(item, error))
                if session is None:
                    hopeless = error
                elif not session.is_open:
                    await session.close()
                    session = None
    finally:
        if session is not None:
            await session.close()
    return results


async def open_session(source: Source, fetch: Fetch) -> Session:
    """Connects to a database. Raises PollError."""
    if source.type == "postgres":
        from lumetry_core.collectors.agent.polling.postgres import open_postgres  # noqa: PLC0415

        return await open_postgres(source, fetch.policy)
    from lumetry_core.collectors.agent.polling.mysql import open_mysql  # noqa: PLC0415

    return await open_mysql(source, fetch.policy)
