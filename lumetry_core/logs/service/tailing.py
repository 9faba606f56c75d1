"""Following entries as they arrive: one follower for an organization, any number of readers (contract logs 6).

The database is the queue: the follower reads as much at once as it can hold, and what waits there costs no memory.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from lumetry_core.logs.columns import read_entry, unpack
from lumetry_core.logs.matching import Matcher
from lumetry_core.logs.model import StoredEntry
from lumetry_core.logs.service.append import LOGS_CHANNEL
from lumetry_core.logs.service.reading import size_of
from lumetry_core.logs.store import blocks as block_store
from lumetry_core.logs.store import tail as store
from lumetry_core.logs.store.blocks import Block
from lumetry_core.logs.store.tail import TailHead
from lumetry_core.logs.tail import Allowance, Arrival, Floor, SeenRuns, run_of
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.queue import Subscription, Wakeups

ROUND_BYTES = 4 * 1024 * 1024
"""Packed bytes that are read at once."""
INLINE_BYTES = 64 * 1024
"""Blocks of less are unpacked and matched at once, of more beside the event loop."""
HEADS_AT_ONCE = 2048
IDLE_SECONDS = 1.0
"""So often it is looked without being woken."""
PAUSE_SECONDS = 0.02
"""Between two rounds, so that many commits share one."""
COMMIT_SECONDS = 15.0
"""Longer than a commit may take on PostgreSQL, where blocks may appear out of the order of their numbers."""
SEALING = timedelta(minutes=5)
"""For so long sealing may bring up what was not seen."""
BEFORE_START = timedelta(seconds=2)
WAITING_ENTRIES = 400
WAITING_BYTES = 4 * 1024 * 1024
"""What waits for one reader at most."""
STORE_PAUSE_SECONDS = 1.0


class Tail:
    """What one reader is to be told."""

    def __init__(self, matcher: Matcher, steady: Callable[[], float]) -> None:
        self.matcher = matcher
        self._steady = steady
        self._allowance = Allowance()
        self._waiting: deque[StoredEntry] = deque()
        self._bytes = 0
        self._dropped = 0
        self._told: frozenset[str] = frozenset()
        self._woken = asyncio.Event()

    @property
    def has_dropped(self) -> bool:
        """Whether entries were left out of which the reader does not know."""
        return self._dropped > 0

    def skip(self, ids: Sequence[str]) -> None:
        """These entries the reader is told already."""
        self._told = frozenset(ids)
        for entry in self.take_entries():
            self._keep(entry)

    def find(self, arrivals: Sequence[Arrival]) -> list[tuple[Arrival, Sequence[int]]]:
        """Those that pass the filters. May run beside the event loop."""
        return [(arrival, positions) for arrival in arrivals if (positions := arrival.choose(self.matcher))]

    def put(self, found: Sequence[tuple[Arrival, Sequence[int]]]) -> None:
        """Keeps what the reader may get and counts the rest."""
        for arrival, positions in found:
            granted = self._allowance.take(len(positions), self._steady())
            self._dropped += len(positions) - granted
            for position in positions[:granted]:
                self._keep(read_entry(arrival.batch, position))
        if found:
            self._woken.set()

    def _keep(self, entry: StoredEntry) -> None:
        if entry.id in self._told:
            return
        size = size_of(entry)
        if len(self._waiting) >= WAITING_ENTRIES or (self._waiting and self._bytes + size > WAITING_BYTES):
            self._dropped += 1
            return
        self._waiting.append(entry)
        self._bytes += size

    async def wait(self, timeout_seconds: float) -> None:
        """Waits until something is there, at most so long."""
        if not self._waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await self._woken.wait()
        self._woken.clear()

    def take_entries(self) -> list[StoredEntry]:
        """What waits."""
        taken = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return taken

    def take_dropped(self) -> int:
        """How many were left out since the last time."""
        dropped, self._dropped = self._dropped, 0
        return dropped


class Follower:
    """Sees every entry of an organization once, from its start on."""

    def __init__(self, database: Database, clock: Clock, organization_id: int, steady: Callable[[], float]) -> None:
        self.tails: set[Tail] = set()
        self._database = database
        self._clock = clock
        self._organization_id = organization_id
        self._steady = steady
        self._floor = Floor(0, COMMIT_SECONDS if database.is_postgresql else 0.0)
        self._numbers: set[int] = set()
        self._runs = SeenRuns(0)

    async def start(self) -> None:
        """What is there now counts as seen."""
        now = self._clock.now()
        begin = now - BEFORE_START
        horizon = now - timedelta(seconds=self._floor.lookback) - BEFORE_START
        async with self._database.read() as tx:
            heads = await store.list_newest(tx, self._organization_id, HEADS_AT_ONCE)
        self._runs = SeenRuns(to_ms(begin))
        if len(heads) == HEADS_AT_ONCE:
            self._floor.number = heads[-1].id - 1
        for head in heads:
            if self._floor.lookback and head.create_time >= horizon:
                self._numbers.add(head.id)
            else:
                self._floor.number = max(self._floor.number, head.id)
            if not head.is_sealed and head.create_time >= begin:
                self._runs.times[run_of(head.first_id)] = to_ms(head.create_time)

    async def run(self, subscription: Subscription) -> None:
        """Follows until cancelled."""
        while True:
            try:
                has_more = await self.poll()
            except LumetryError as error:
                if error.reason is not Reason.STORE_UNAVAILABLE:
                    raise
                await asyncio.sleep(STORE_PAUSE_SECONDS)
                continue
            if not has_more:
                await asyncio.sleep(PAUSE_SECONDS)
                await subscription.wait(IDLE_SECONDS)

    async def poll(self) -> bool:
        """Tells the readers what is new, as much as is read at once; true when there is more."""
        async with self._database.read() as tx:
            new = await self._list_new(tx)
            chosen = take_bytes(new)
            unsealed = {head.id for head in chosen if not head.is_sealed}
            wanted = [head.id for head in chosen if not head.is_sealed or self._may_hold_unseen(head)]
            blocks = await block_store.read_blocks(tx, self._organization_id, wanted) if wanted else []
        if sum(len(block.payload) for block in blocks) <= INLINE_BYTES:
            arrivals = self._unpack(blocks, unsealed)
            found = [(tail, tail.find(arrivals)) for tail in self.tails]
        else:
            arrivals = await asyncio.to_thread(self._unpack, blocks, unsealed)
            found = [(tail, await asyncio.to_thread(tail.find, arrivals)) for tail in list(self.tails)]
        for tail, places in found:
            tail.put(places)
        self._numbers |= {head.id for head in chosen}
        self._note(max((head.id for head in chosen), default=0))
        return len(chosen) < len(new)

    async def _list_new(self, tx: Transaction) -> list[TailHead]:
        """Blocks that have not been seen, ascending; when there are very many, the first ones."""
        after, new = self._floor.number, list[TailHead]()
        while len(new) < HEADS_AT_ONCE:
            heads = await store.list_after(tx, self._organization_id, after, HEADS_AT_ONCE)
            new += [head for head in heads if head.id not in self._numbers]
            if len(heads) < HEADS_AT_ONCE:
                break
            after = heads[-1].id
        return new

    def _may_hold_unseen(self, head: TailHead) -> bool:
        return int.from_bytes(head.last_id[:6], "big") >= self._runs.since_ms

    def _unpack(self, blocks: Sequence[Block], unsealed: set[int]) -> list[Arrival]:
        arrivals = []
        for block in blocks:
            for batch in unpack(block.project_id, block.first_id, block.payload):
                if block.id in unsealed:
                    arrivals.append(Arrival(batch))
                elif len(positions := self._runs.find_unseen(batch)):
                    arrivals.append(Arrival(batch, positions))
        for arrival in arrivals:
            self._runs.note(arrival.batch)
        return arrivals

    def _note(self, highest: int) -> None:
        before = self._floor.number
        self._floor.rise(highest, self._steady())
        if self._floor.number > before:
            self._numbers = {number for number in self._numbers if number > self._floor.number}
            self._runs.forget_before(to_ms(self._clock.now() - SEALING))


def take_bytes(heads: Sequence[TailHead]) -> list[TailHead]:
    """The first ones, as many as are read at once."""
    size = 0
    chosen: list[TailHead] = []
    for head in heads:
        size += head.byte_count
        if chosen and size > ROUND_BYTES:
            break
        chosen.append(head)
    return chosen


@dataclass(slots=True)
class Following:
    """A follower at work."""

    follower: Follower
    task: asyncio.Task[None]


class Tails:
    """The followers of this process, each for as long as somebody reads."""

    def __init__(self, database: Database, clock: Clock, wakeups: Wakeups) -> None:
        self._database = database
        self._clock = clock
        self._wakeups = wakeups
        self._followings: dict[int, Following] = {}
        self._starting = asyncio.Lock()

    @asynccontextmanager
    async def following(self, organization_id: int, matcher: Matcher) -> AsyncIterator[Tail]:
        """A reader of what arrives from now on."""
        steady = asyncio.get_running_loop().time
        tail = Tail(matcher, steady)
        async with self._starting:
            known = self._followings.get(organization_id)
            if known is None or known.task.done():
                known = await self._start(Follower(self._database, self._clock, organization_id, steady), organization_id)
            known.follower.tails.add(tail)
        try:
            yield tail
        finally:
            known.follower.tails.discard(tail)
            if not known.follower.tails and self._followings.get(organization_id) is known:
                del self._followings[organization_id]
                known.task.cancel()

    async def _start(self, follower: Follower, organization_id: int) -> Following:
        await follower.start()
        known = Following(follower, asyncio.create_task(self._run(follower)))
        self._followings[organization_id] = known
        return known

    async def _run(self, follower: Follower) -> None:
        with self._wakeups.subscribe(LOGS_CHANNEL) as subscription:
            await follower.run(subscription)
