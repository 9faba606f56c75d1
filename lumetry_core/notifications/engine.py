"""The one engine that sends what outboxes hold: each receiver in a lane of its own, so that one that hangs delays no other.

What differs between integrations on the one hand, channels and webhooks on the other stands in an `Outlet`: how deliveries are claimed,
sent and recorded, and how many at once. Unlike verbs the engine opens transactions itself: sending lies between them, and one records what
many attempts came to.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

import structlog

from lumetry_core.notifications.model import SendResult
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError, Reason

log = structlog.get_logger(__name__)

FRESH = timedelta(seconds=11)
"""What must be left of a lease when sending begins: more than a receiver may take."""
DRAIN_SECONDS = 2.0
"""For what is under way when the process ends."""
PAUSE_SECONDS = 0.5
"""Between attempts to record while the store cannot be written."""


class Row(Protocol):
    """A row of an outbox."""

    @property
    def id(self) -> int:
        """Its number within the outbox."""

    @property
    def organization_id(self) -> int:
        """Whose it is."""

    @property
    def lease_time(self) -> datetime | None:
        """Until when it is leased."""


R = TypeVar("R", bound=Row)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Claimed(Generic[R, T]):
    """A row that this process is to send, and where. `is_strict`: not before the ones that it was claimed with."""

    delivery: R
    target: T
    is_strict: bool = False


@dataclass(frozen=True, slots=True)
class Made(Generic[R]):
    """An attempt that was made."""

    delivery: R
    result: SendResult
    time: datetime


Room = Callable[[Hashable], int]
"""How many more of a lane may be claimed."""


class Outlet(Protocol[R, T]):
    """One outbox and those who read it.

    Attributes:
        name: For the log.
        lane_width: Of one lane under way at once.
        lane_length: Of one lane at hand, under way included.
        total: Under way at once in all lanes; None: any number.
        most_at_hand: With so many at hand nothing more is claimed.
    """

    name: str
    lane_width: int
    lane_length: int
    total: int | None
    most_at_hand: int

    def lane_of(self, delivery: R) -> Hashable:
        """The receiver of a row."""

    async def claim(self, tx: Transaction, room: Room, busy: Collection[int], now: datetime) -> Sequence[Claimed[R, T]]:
        """Leases what is due and there is room for to this process."""

    async def renew(self, tx: Transaction, delivery: R, now: datetime) -> bool:
        """Prolongs a lease; False when it is not this one any more."""

    async def hand_back(self, tx: Transaction, unsent: Sequence[R], now: datetime) -> None:
        """Ends leases of rows that were not sent."""

    async def send(self, claimed: Claimed[R, T], now: datetime) -> SendResult:
        """Sends once; raises nothing that a receiver can cause."""

    async def record(self, tx: Transaction, organization_id: int, made: Sequence[Made[R]], now: datetime) -> None:
        """Records attempts of one organization."""


@dataclass(slots=True)
class Lane(Generic[R, T]):
    """What this process has to send to one receiver. `strict`: how much of it is sent one after the other."""

    waiting: deque[Claimed[R, T]] = field(default_factory=deque)
    under_way: int = 0
    strict: int = 0


class Engine(Generic[R, T]):
    """Claims in `tick`, records in `run`, and sends in between. Any number may run on one database."""

    def __init__(self, database: Database, clock: Clock, outlet: Outlet[R, T]) -> None:
        self._database = database
        self._clock = clock
        self._outlet = outlet
        self._lanes: dict[Hashable, Lane[R, T]] = {}
        self._at_hand: dict[int, R] = {}
        self._made: list[Made[R]] = []
        self._returned: list[R] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def wait_idle(self) -> None:
        """Waits until it has nothing at hand."""
        await self._idle.wait()

    def take(self, handed: Sequence[tuple[R, T]]) -> None:
        """Sends rows that are leased to this process and committed; gives back what a busy lane has no place for."""
        for delivery, target in handed:
            if self._closed or self._room(self._outlet.lane_of(delivery)) <= -self._outlet.lane_length:
                self._at_hand[delivery.id] = delivery
                self._idle.clear()
                self._returned.append(delivery)
                self._changed.set()
            else:
                self._admit([Claimed(delivery, target)])

    async def tick(self, now: datetime) -> bool:
        """Claims what is due and there is room for. Fails with STORE_UNAVAILABLE; then nothing was claimed."""
        if self._closed or len(self._at_hand) >= self._outlet.most_at_hand:
            return False
        async with self._database.write() as tx:
            claimed = await self._outlet.claim(tx, self._room, self._at_hand, now)
        self._admit(claimed)
        return False

    async def run(self) -> None:
        """Records attempts until cancelled; what was not begun is given back, what is under way has a moment to end."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._record()
        finally:
            self._closed = True
            for lane in self._lanes.values():
                self._give_back(lane)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
            for task in self._tasks:
                task.cancel()
            with suppress(LumetryError):
                await self._record_once()

    def _room(self, key: Hashable) -> int:
        lane = self._lanes.get(key)
        length = self._outlet.lane_length
        return length if lane is None else length - lane.under_way - len(lane.waiting)

    def _admit(self, claimed: Sequence[Claimed[R, T]]) -> None:
        for each in claimed:
            delivery = each.delivery
            if delivery.id in self._at_hand:
                continue
            key = self._outlet.lane_of(delivery)
            lane: Lane[R, T] = self._lanes.setdefault(key, Lane())
            self._at_hand[delivery.id] = delivery
            self._idle.clear()
            lane.waiting.append(each)
            lane.strict += each.is_strict
            self._pump(key, lane)

    def _has_room(self, lane: Lane[R, T]) -> bool:
        """Whether the next one of a lane may be sent now."""
        total = self._outlet.total
        if total is not None and len(self._tasks) >= total:
            return False
        return lane.under_way < (1 if lane.strict else self._outlet.lane_width)

    def _pump(self, key: Hashable, lane: Lane[R, T]) -> None:
        while lane.waiting and not self._closed and self._has_room(lane):
            lane.under_way += 1
            task = asyncio.create_task(self._send(key, lane, lane.waiting.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._end)
        if not lane.under_way and not lane.waiting:
            self._lanes.pop(key, None)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._outlet.total is not None:  # a place is free for whoever waits, the lane that has waited longest first
            for key, lane in list(self._lanes.items()):
                self._pump(key, lane)

    async def _send(self, key: Hashable, lane: Lane[R, T], claimed: Claimed[R, T]) -> None:
        delivery = claimed.delivery
        try:
            if await self._is_ours(delivery):
                result = await self._attempt(claimed)
                self._made.append(Made(delivery, result, self._clock.now()))
                if not result.ok and (claimed.is_strict or not result.reached):
                    self._give_back(lane)  # what comes after it must not overtake it, and one probe is enough
            else:
                self._forget(delivery)
        finally:
            lane.under_way -= 1
            lane.strict -= claimed.is_strict
            if self._lanes.get(key) is lane and self._outlet.total is not None:
                self._lanes[key] = self._lanes.pop(key)  # behind those that have waited longer
            self._pump(key, lane)
            self._changed.set()

    async def _attempt(self, claimed: Claimed[R, T]) -> SendResult:
        try:
            return await self._outlet.send(claimed, self._clock.now())
        except Exception:
            # A fault of ours counts as a failed attempt: it ends some time, and stops nothing else.
            log.exception("a notification could not be sent", outlet=self._outlet.name, delivery=claimed.delivery.id)
            return SendResult(ok=False, error="internal fault")

    async def _is_ours(self, delivery: R) -> bool:
        """Whether the lease lasts long enough to send, prolonged if need be."""
        now = self._clock.now()
        if delivery.lease_time is not None and delivery.lease_time - now >= FRESH:
            return True
        try:
            async with self._database.write() as tx:
                return await self._outlet.renew(tx, delivery, now)
        except LumetryError as error:
            if error.reason is not Reason.STORE_UNAVAILABLE:
                raise
            return False

    def _forget(self, delivery: R) -> None:
        self._at_hand.pop(delivery.id, None)
        if not self._at_hand:
            self._idle.set()

    def _give_back(self, lane: Lane[R, T]) -> None:
        """Lets go of what waits in a lane."""
        while lane.waiting:
            claimed = lane.waiting.popleft()
            lane.strict -= claimed.is_strict
            self._returned.append(claimed.delivery)
        self._changed.set()

    async def _record(self) -> None:
        """Records what attempts came to; as long as the store cannot be written they are kept."""
        while self._made or self._returned:
            try:
                await self._record_once()
            except LumetryError as error:
                if error.reason is not Reason.STORE_UNAVAILABLE:
                    raise
                log.warning("the store cannot be used, trying again", worker=self._outlet.name, pause_seconds=PAUSE_SECONDS)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _record_once(self) -> None:
        attempts, returned = list(self._made), list(self._returned)
        for organization_id in sorted({row.organization_id for row in (*returned, *(each.delivery for each in attempts))}):
            made = [each for each in attempts if each.delivery.organization_id == organization_id]
            unsent = [row for row in returned if row.organization_id == organization_id]
            now = self._clock.now()
            async with self._database.write() as tx:
                if made:
                    await self._outlet.record(tx, organization_id, made, now)
                if unsent:
                    await self._outlet.hand_back(tx, unsent, now)
            for delivery in (*unsent, *(each.delivery for each in made)):
                self._forget(delivery)
            self._made = [each for each in self._made if each not in made]
            self._returned = [row for row in self._returned if row not in unsent]
