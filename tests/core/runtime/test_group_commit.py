"""Submissions that share commits: `lumetry_core.runtime.group_commit`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import pytest

from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.group_commit import GroupCommit, Limits
from tests.conftest import FakeClock


class Recorder:
    """Stores texts; refuses what it is told to, as a database would that finds a fault in one row."""

    def __init__(self, *poison: str) -> None:
        self.groups: list[list[str]] = []
        self.poison = poison

    async def store(self, _tx: Transaction, texts: Sequence[str], _now: datetime) -> list[int]:
        self.groups.append(list(texts))
        if any(text in self.poison for text in texts):
            raise RuntimeError("cannot be stored")
        return [len(text) for text in texts]


@asynccontextmanager
async def running(commits: GroupCommit[str, int]) -> AsyncIterator[None]:
    """While it runs."""
    task = asyncio.create_task(commits.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def build(database: Database, clock: FakeClock) -> Callable[..., GroupCommit[str, int]]:
    """Builds one around a recorder."""

    def make(recorder: Recorder, limits: Limits = Limits(group=100, waiting=100)) -> GroupCommit[str, int]:  # noqa: B008 -- frozen
        return GroupCommit(database, clock, recorder.store, len, limits)

    return make


async def test_append_of_waiting_submissions_shares_a_commit(build: Callable[..., GroupCommit[str, int]]) -> None:
    """What waits when the database can be written goes in together, each with its own receipt."""
    recorder = Recorder()
    commits = build(recorder)
    asked = [asyncio.create_task(commits.append(text)) for text in ("a", "bb", "ccc")]
    await asyncio.sleep(0)
    async with running(commits):
        assert await asyncio.gather(*asked) == [1, 2, 3]
    assert recorder.groups == [["a", "bb", "ccc"]]


async def test_append_soon_after_a_commit_waits_for_others(database: Database, clock: FakeClock) -> None:
    """Commits that are kept apart serve the first submission at once and those that follow together."""
    recorder = Recorder()
    commits: GroupCommit[str, int] = GroupCommit(database, clock, recorder.store, len, Limits(group=100, waiting=100), gather_seconds=0.2)
    async with running(commits):
        assert await commits.append("a") == 1
        first = asyncio.create_task(commits.append("bb"))
        await asyncio.sleep(0)
        assert await asyncio.gather(first, commits.append("ccc")) == [2, 3]
    assert recorder.groups == [["a"], ["bb", "ccc"]]


async def test_append_beyond_a_group_takes_several_commits(build: Callable[..., GroupCommit[str, int]]) -> None:
    """A group holds no more than its limit, unless one submission alone is larger."""
    recorder = Recorder()
    commits = build(recorder, Limits(group=3, waiting=100))
    asked = [asyncio.create_task(commits.append(text)) for text in ("aaaaa", "bb", "c", "d")]
    await asyncio.sleep(0)
    async with running(commits):
        assert await asyncio.gather(*asked) == [5, 2, 1, 1]
    assert recorder.groups == [["aaaaa"], ["bb", "c"], ["d"]]


async def test_append_refuses_only_what_cannot_be_stored(build: Callable[..., GroupCommit[str, int]]) -> None:
    """A group that fails is stored one by one."""
    commits = build(Recorder("bad"))
    asked = [asyncio.create_task(commits.append(text)) for text in ("a", "bad", "cc")]
    await asyncio.sleep(0)
    async with running(commits):
        first, second, third = await asyncio.gather(*asked, return_exceptions=True)
    assert (first, third) == (1, 2)
    assert isinstance(second, LumetryError)
    assert second.reason is Reason.STORE_UNAVAILABLE


async def test_append_when_too_much_waits_is_refused(build: Callable[..., GroupCommit[str, int]]) -> None:
    """What waits is bounded; the sender is told when to come again."""
    commits = build(Recorder(), Limits(group=3, waiting=3))
    first = asyncio.create_task(commits.append("aaa"))
    await asyncio.sleep(0)
    with pytest.raises(LumetryError) as caught:
        await commits.append("b")
    assert (caught.value.reason, caught.value.metadata) == (Reason.OVERLOADED, {"retry_after_seconds": "2"})
    async with running(commits):
        assert await first == 3


async def test_append_after_the_end_is_refused(build: Callable[..., GroupCommit[str, int]]) -> None:
    """Who waits when it ends, and who comes later, is told to try again."""
    commits = build(Recorder())
    async with running(commits):
        assert await commits.append("a") == 1
    with pytest.raises(LumetryError) as caught:
        await commits.append("b")
    assert caught.value.reason is Reason.STORE_UNAVAILABLE


async def test_was_asked_within_tells_of_recent_submissions(build: Callable[..., GroupCommit[str, int]], clock: FakeClock) -> None:
    """Only the newest submission counts."""
    commits = build(Recorder())
    span = timedelta(milliseconds=150)
    assert not commits.was_asked_within(span)
    async with running(commits):
        await commits.append("a")
    assert commits.was_asked_within(span)
    clock.advance(milliseconds=150)
    assert not commits.was_asked_within(span)
