"""Evaluates what the inbox holds."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta

import structlog

from lumetry_core.access.service.evaluation_version import read_evaluation_versions
from lumetry_core.baselines.service import rebuilds
from lumetry_core.evaluation.model import Progress, Retry, Run, Settings
from lumetry_core.evaluation.service import chunks, closing, jobs, retries
from lumetry_core.evaluation.service.backlog import watch_backlog
from lumetry_core.evaluation.service.chunks import Memory, RulesMoved
from lumetry_core.evaluation.service.learning import Fence
from lumetry_core.evaluation.service.runs import insert_run
from lumetry_core.metrics.model import Entry, Lease, LeaseLost, Position
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.recent import RecentEntries
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.queue import claim, complete

log = structlog.get_logger(__name__)

RENEW_INTERVAL = timedelta(seconds=2)
QUEUE_INTERVAL = timedelta(seconds=1)
FOLLOW_INTERVAL = timedelta(seconds=1)
FOLD_INTERVAL = timedelta(minutes=10)
RETRY_INTERVAL = timedelta(seconds=1)
CLEAN_UP_INTERVAL = timedelta(minutes=5)
WATCH_INTERVAL = timedelta(seconds=10)
PACE_SECONDS = 0.02
"""A round costs much the same however few points it finds: under load rounds start at least so far apart and find more."""
CHUNK_POINTS = 200_000
WAKE_CHANNEL = "inbox"


class Evaluator:
    """Takes the entries of the partitions it holds through evaluation, a chunk of each partition per round.

    A chunk's effects, the outcome of its jobs and the partition's position are written in one transaction, which succeeds only while the
    lease is the newest: everything happens exactly once, wherever a process dies.
    """

    def __init__(self, database: Database, owner: str, settings: Settings, progress: Progress, recent: RecentEntries) -> None:
        """Builds the worker.

        Args:
            database: Where everything is.
            owner: The identity under which the process acquires partitions.
            settings: When points are late.
            progress: Told of what is evaluated.
            recent: What this process appended, which need not be read.
        """
        self._database = database
        self._owner = owner
        self._progress = progress
        self._recent = recent
        self._committed: dict[int, int] = {}
        self._positions: dict[int, Position] | None = None
        """Of all partitions, as they were when this round first needed one."""
        self._memory = Memory(database, settings)
        self._leases: dict[int, Lease] = {}
        self._next_renewal: datetime | None = None
        self._next_queue: datetime | None = None
        self._next_follow: datetime | None = None
        self._next_fold: datetime | None = None
        self._next_watch: datetime | None = None
        self._next_retry: datetime | None = None
        self._next_clean_up: datetime | None = None
        self._round_time = 0.0

    async def tick(self, now: datetime) -> bool:
        """Does one round; true when there may be more right now."""
        await self._renew(now)
        await self._close_left(now)
        busy = await self._retry_due(now)
        busy |= await self._follow(now)
        await self._keep_pace()
        self._positions = None
        for lease in list(self._leases.values()):
            busy |= await self._evaluate_next(lease, now)
        await self._fold(now)
        await self._watch(now)
        await self._clean_up(now)
        return busy

    async def _keep_pace(self) -> None:
        loop = asyncio.get_running_loop()
        early = self._round_time + PACE_SECONDS - loop.time()
        if early > 0:
            await asyncio.sleep(early)
        self._round_time = loop.time()

    async def stop(self) -> None:
        """Gives the partitions back, so that others need not wait for the leases to expire."""
        self._leases.clear()
        async with self._database.write() as tx:
            await inbox.release(tx, self._owner)

    async def _renew(self, now: datetime) -> None:
        if self._next_renewal is not None and now < self._next_renewal:
            return
        async with self._database.write() as tx:
            leases = {lease.partition: lease for lease in await inbox.acquire(tx, self._owner, now)}
        for partition in self._leases.keys() | leases.keys():
            if self._leases.get(partition) != leases.get(partition):
                self._forget(partition)
        self._leases = leases
        self._next_renewal = now + RENEW_INTERVAL

    async def _close_left(self, now: datetime) -> None:
        if self._next_queue is None or now >= self._next_queue:
            await self._close_all_left()
            self._next_queue = now + QUEUE_INTERVAL

    async def _close_all_left(self) -> None:
        """Closes the alerts of rules that left `Active`: before anything is judged by newer rules, under which one may be active again."""
        more = True
        while more:
            async with self._database.write() as tx:
                items = await claim(tx, closing.QUEUE)
                await closing.close_left(tx, items)
                await complete(tx, items)
            more = bool(items)

    async def _follow(self, now: datetime) -> bool:
        """Brings what is held to changes that no point has told of yet, and learns anew what is asked for."""
        if self._next_follow is not None and now < self._next_follow:
            return False
        async with self._database.read() as tx:
            versions = await read_evaluation_versions(tx)
        more = False
        for lease in list(self._leases.values()):
            behind = self._memory.list_behind(lease.partition, versions)
            if behind:
                await self._close_all_left()
                async with self._database.read() as tx:
                    committed = (await inbox.read_position(tx, lease.partition)).committed_offset
            for organization_id in behind:
                more |= await self._while_held(
                    lease, self._memory.follow(organization_id, lease.partition, fence_of(lease), now, committed)
                )
        self._next_follow = None if more else now + FOLLOW_INTERVAL
        return more

    async def _while_held(self, lease: Lease, work: Awaitable[bool]) -> bool:
        """Does work on a partition; when it fails what is held of it is forgotten, as it may be ahead of the store.

        False: the partition was lost, or waits for a next time while others go on.
        """
        is_done = False
        try:
            more = await work
            is_done = True
        except LeaseLost:
            log.info("another process took a partition", partition=lease.partition)
            self._leases.pop(lease.partition, None)
            return False
        except Exception as error:  # what is wrong with one partition must not stop the others
            if is_store_unavailable(error):
                raise
            log.exception("a partition could not be brought to its rules and baselines", partition=lease.partition, exc_info=error)
            return False
        finally:
            if not is_done:
                self._forget(lease.partition)
        return more

    async def _fold(self, now: datetime) -> None:
        if self._next_fold is not None and now >= self._next_fold:
            for lease in list(self._leases.values()):
                await self._while_held(lease, self._memory.fold(lease.partition, fence_of(lease)))
        if self._next_fold is None or now >= self._next_fold:
            self._next_fold = now + FOLD_INTERVAL

    def _forget(self, partition: int) -> None:
        self._memory.forget_partition(partition)
        self._committed.pop(partition, None)

    async def _read_next(self, lease: Lease) -> list[Entry]:
        committed = self._committed.get(lease.partition)
        entries = [] if committed is None else self._recent.take(lease.partition, committed, CHUNK_POINTS)
        if entries:
            return entries
        if self._positions is None:
            async with self._database.read() as tx:
                self._positions = {position.partition: position for position in await inbox.read_positions(tx)}
        position = self._positions[lease.partition]
        if position.epoch != lease.epoch:
            return []
        self._committed[lease.partition] = position.committed_offset
        if position.committed_offset == position.next_offset:
            return []
        async with self._database.read() as tx:
            return await inbox.read_entries(tx, lease.partition, position.committed_offset, CHUNK_POINTS)

    async def _evaluate_next(self, lease: Lease, now: datetime) -> bool:
        entries = await self._read_next(lease)
        if not entries:
            return False
        counts = Counter[int]()
        for entry in entries:
            counts[entry.organization_id] += len(entry.batches)
        for organization_id in counts:  # whatever fails here is no fault of a job
            hold = self._memory.hold(organization_id, lease.partition, fence_of(lease), now, entries[0].first_offset)
            if not await self._while_held(lease, hold):
                return False
        self._progress.begin(Run(lease.partition, entries[0].first_offset, entries[-1].end_offset, now, now), counts)
        try:
            await self._evaluate(lease, entries, now)
        except LeaseLost:
            log.info("another process took a partition", partition=lease.partition)
            self._leases.pop(lease.partition, None)
            return False
        finally:
            self._progress.end(lease.partition)
        return self._may_have_more(lease.partition, entries[-1].end_offset)

    def _may_have_more(self, partition: int, offset: int) -> bool:
        """Whether more waits from an offset on, as far as is known without a look; what is appended after this wakes the worker."""
        known = None if self._positions is None else self._positions.get(partition)
        return self._recent.reaches_beyond(partition, offset) or (known is not None and known.next_offset > offset)

    async def _evaluate(self, lease: Lease, entries: Sequence[Entry], now: datetime) -> None:
        """Evaluates a chunk, or its parts where the whole fails; a job that fails alone is put aside."""
        try:
            await self._commit(lease, entries, now)
        except LeaseLost:
            raise
        except Exception as error:  # a bad job must not block its partition, whatever is bad about it
            if is_store_unavailable(error):
                raise
            halves = chunks.halve(entries)
            if halves is None:
                await self._put_aside(lease, entries[0], error, now)
                return
            for half in halves:
                await self._evaluate(lease, half, now)

    async def _commit(self, lease: Lease, entries: Sequence[Entry], now: datetime) -> None:
        first, end = entries[0].first_offset, entries[-1].end_offset
        points = sum(len(entry.values) for entry in entries)
        is_done = False
        try:
            while not is_done:
                judged = await self._memory.judge(entries, fence_of(lease), now, first)
                try:
                    async with self._database.write() as tx:
                        written = await chunks.write(tx, judged, lease.partition, first, end - first, now)
                        await insert_run(tx, Run(lease.partition, first, end, now, now), written)
                        await inbox.advance(tx, lease, end, points)
                    is_done = True
                except RulesMoved as moved:
                    await self._close_all_left()
                    self._memory.forget_rules(moved.organization_id)
            chunks.apply(judged, written)
            self._committed[lease.partition] = end
        finally:
            if not is_done:
                self._forget(lease.partition)

    async def _put_aside(self, lease: Lease, entry: Entry, error: Exception, now: datetime) -> None:
        log.exception("a job could not be evaluated", partition=lease.partition, offset=entry.first_offset, exc_info=error)
        async with self._database.write() as tx:
            await retries.put_aside(tx, entry, error, now)
            await inbox.advance(tx, lease, entry.end_offset, len(entry.values))
        self._forget(lease.partition)

    async def _retry_due(self, now: datetime) -> bool:
        if not self._leases or (self._next_retry is not None and now < self._next_retry):
            return False
        self._next_retry = now + RETRY_INTERVAL
        async with self._database.read() as tx:
            due = await retries.list_due(tx, self._leases, now)
        for retry in due:
            lease = self._leases.get(retry.partition)
            if lease is None:
                continue
            try:
                await self._retry(lease, retry, now)
            except LeaseLost:
                self._leases.pop(retry.partition, None)
        return bool(due)

    async def _retry(self, lease: Lease, retry: Retry, now: datetime) -> None:
        try:
            await self._commit_retry(lease, retry, now)
        except LeaseLost:
            raise
        except Exception as error:  # counted as an attempt, whatever is bad about the job
            if is_store_unavailable(error):
                raise
            log.exception("a job could not be evaluated", partition=retry.partition, offset=retry.offset, attempts=retry.attempt_count + 1)
            async with self._database.write() as tx:
                await retries.note_failure(tx, retry, error, now)
                await hold_position(tx, lease)

    async def _commit_retry(self, lease: Lease, retry: Retry, now: datetime) -> None:
        async with self._database.read() as tx:
            entry = await retries.read_entry(tx, retry)
            committed = (await inbox.read_position(tx, retry.partition)).committed_offset
        is_done = False
        try:
            while not is_done:
                judged = await self._memory.judge([entry], fence_of(lease), now, committed, is_retry=True)
                try:
                    async with self._database.write() as tx:
                        written = await chunks.write(tx, judged, retry.partition, retry.offset, 1, now)
                        await retries.note_success(tx, retry, written.outcomes[0], written.traces.get(0), now)
                        await hold_position(tx, lease)
                    is_done = True
                except RulesMoved as moved:
                    self._memory.forget_rules(moved.organization_id)
            chunks.apply(judged, written)
        finally:
            if not is_done:
                self._forget(lease.partition)

    async def _watch(self, now: datetime) -> None:
        if (self._next_watch is not None and now < self._next_watch) or 0 not in self._leases:
            return
        async with self._database.write() as tx:
            await watch_backlog(tx, now)
        self._next_watch = now + WATCH_INTERVAL

    async def _clean_up(self, now: datetime) -> None:
        if (self._next_clean_up is not None and now < self._next_clean_up) or 0 not in self._leases:
            return
        async with self._database.write() as tx:
            await jobs.clean_up(tx, now)
            partitions = len(await inbox.read_positions(tx))
            for organization_id in await read_evaluation_versions(tx):
                await rebuilds.forget_done(tx, organization_id, partitions)
        self._next_clean_up = now + CLEAN_UP_INTERVAL


def fence_of(lease: Lease) -> Fence:
    """Makes transactions fail with `LeaseLost` unless the lease is the newest."""
    return lambda tx: hold_position(tx, lease)


async def hold_position(tx: Transaction, lease: Lease) -> None:
    """Makes the transaction fail with `LeaseLost` unless the lease is the newest; the position stays."""
    position = await inbox.read_position(tx, lease.partition)
    await inbox.advance(tx, lease, position.committed_offset, 0)


def is_store_unavailable(error: Exception) -> bool:
    """Whether the store is at fault and not a job: the whole chunk is tried again."""
    return isinstance(error, LumetryError) and error.reason is Reason.STORE_UNAVAILABLE
