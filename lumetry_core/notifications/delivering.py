"""Sends what the outbox holds: each integration in a lane of its own, so that a receiver that hangs delays no other.

Unlike verbs it opens transactions itself: sending lies between them, and one records what many attempts came to.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
import structlog

from lumetry_core.notifications.delivery import Delivery
from lumetry_core.notifications.messages import Message
from lumetry_core.notifications.model import Integration, SendResult
from lumetry_core.notifications.retries import Attempt
from lumetry_core.notifications.service.outbox import Claimed, claim_due, hand_back, record_attempts, renew
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason

log = structlog.get_logger(__name__)

LANE_WIDTH = 8
"""Deliveries to one integration that are under way at once."""
MAX_AT_HAND = 512
FRESH = timedelta(seconds=11)
"""What must be left of a lease when sending begins: more than a receiver may take."""
DRAIN_SECONDS = 2.0
"""For what is under way when the process ends."""
PAUSE_SECONDS = 0.5
"""Between attempts to record while the store cannot be written."""


class Sends(Protocol):
    """Who reaches receivers."""

    def send(self, integration: Integration, message: Message) -> Awaitable[SendResult]:
        """Sends a message once; raises nothing that a receiver can cause."""


@dataclass(slots=True)
class LaneQueue:
    """What this process has to send to one integration. `strict`: how much of it is sent one after the other."""

    waiting: deque[Claimed] = field(default_factory=deque)
    under_way: int = 0
    strict: int = 0

    @property
    def has_room(self) -> bool:
        """Whether the next one may be sent now."""
        return self.under_way < (1 if self.strict else LANE_WIDTH)


class Deliverer:
    """Claims in `tick`, records in `run`, and sends in between. Any number may run on one database."""

    def __init__(self, database: Database, clock: Clock, owner: str, sender: Sends, fallback: Integration | None = None) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._sender = sender
        self._fallback = fallback
        self._lanes: dict[tuple[int, int], LaneQueue] = {}
        self._at_hand: dict[int, Delivery] = {}
        self._attempts: list[Attempt] = []
        self._returned: list[Delivery] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def wait_idle(self) -> None:
        """Waits until it has nothing at hand."""
        await self._idle.wait()

    def take(self, handed: Sequence[tuple[Delivery, Integration]]) -> None:
        """Sends deliveries that are leased to this process and committed; gives back what a busy lane has no place for."""
        for delivery, integration in handed:
            if self._closed or self._room(delivery.organization_id, delivery.integration_id) <= -LANE_WIDTH:
                self._at_hand[delivery.id] = delivery
                self._idle.clear()
                self._returned.append(delivery)
                self._changed.set()
            else:
                self._admit([Claimed(delivery, integration)])

    async def tick(self, now: datetime) -> bool:
        """Claims what is due and there is room for. Fails with STORE_UNAVAILABLE; then nothing was claimed."""
        if self._closed or len(self._at_hand) >= MAX_AT_HAND:
            return False
        async with self._database.write() as tx:
            claimed = await claim_due(tx, self._owner, self._fallback, self._room, self._at_hand, now)
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

    def _room(self, organization_id: int, integration_id: int) -> int:
        lane = self._lanes.get((organization_id, integration_id))
        return LANE_WIDTH if lane is None else LANE_WIDTH - lane.under_way - len(lane.waiting)

    def _admit(self, claimed: Sequence[Claimed]) -> None:
        for each in claimed:
            delivery = each.delivery
            if delivery.id in self._at_hand:
                continue
            key = (delivery.organization_id, delivery.integration_id)
            lane = self._lanes.setdefault(key, LaneQueue())
            self._at_hand[delivery.id] = delivery
            self._idle.clear()
            lane.waiting.append(each)
            lane.strict += each.is_strict
            self._pump(key, lane)

    def _pump(self, key: tuple[int, int], lane: LaneQueue) -> None:
        while lane.waiting and lane.has_room and not self._closed:
            lane.under_way += 1
            task = asyncio.create_task(self._send(key, lane, lane.waiting.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not lane.under_way and not lane.waiting:
            self._lanes.pop(key, None)

    async def _send(self, key: tuple[int, int], lane: LaneQueue, claimed: Claimed) -> None:
        delivery = claimed.delivery
        try:
            if await self._is_ours(delivery):
                message = read_message(delivery, self._clock.now())
                result = await self._attempt(claimed.integration, message)
                self._attempts.append(Attempt(delivery, result, self._clock.now()))
                if not result.ok and (claimed.is_strict or not result.reached):
                    self._give_back(lane)  # what comes after it must not overtake it, and one probe is enough
            else:
                self._forget(delivery)
        finally:
            lane.under_way -= 1
            lane.strict -= claimed.is_strict
            self._pump(key, lane)
            self._changed.set()

    async def _attempt(self, integration: Integration, message: Message) -> SendResult:
        try:
            return await self._sender.send(integration, message)
        except Exception:
            # A fault of ours counts as a failed attempt: it ends some time, and stops nothing else.
            log.exception("a notification could not be sent", integration=integration.id, key=message.key)
            return SendResult(ok=False, error="internal fault")

    async def _is_ours(self, delivery: Delivery) -> bool:
        """Whether the lease lasts long enough to send, prolonged if need be."""
        now = self._clock.now()
        if delivery.lease_time is not None and delivery.lease_time - now >= FRESH:
            return True
        try:
            async with self._database.write() as tx:
                return await renew(tx, delivery, now)
        except LumetryError as error:
            if error.reason is not Reason.STORE_UNAVAILABLE:
                raise
            return False

    def _forget(self, delivery: Delivery) -> None:
        self._at_hand.pop(delivery.id, None)
        if not self._at_hand:
            self._idle.set()

    def _give_back(self, lane: LaneQueue) -> None:
        """Lets go of what waits in a lane."""
        while lane.waiting:
            claimed = lane.waiting.popleft()
            lane.strict -= claimed.is_strict
            self._returned.append(claimed.delivery)
        self._changed.set()

    async def _record(self) -> None:
        """Records what attempts came to; as long as the store cannot be written they are kept."""
        while self._attempts or self._returned:
            try:
                await self._record_once()
            except LumetryError as error:
                if error.reason is not Reason.STORE_UNAVAILABLE:
                    raise
                log.warning("the store cannot be used, trying again", worker="deliverer", pause_seconds=PAUSE_SECONDS)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _record_once(self) -> None:
        attempts, returned = list(self._attempts), list(self._returned)
        for organization_id in sorted({row.organization_id for row in (*returned, *(each.delivery for each in attempts))}):
            made = [each for each in attempts if each.delivery.organization_id == organization_id]
            unsent = [row for row in returned if row.organization_id == organization_id]
            now = self._clock.now()
            async with self._database.write() as tx:
                if made:
                    await record_attempts(tx, organization_id, made, now)
                if unsent:
                    await hand_back(tx, unsent, now)
            for delivery in (*unsent, *(each.delivery for each in made)):
                self._forget(delivery)
            self._attempts = [each for each in self._attempts if each not in made]
            self._returned = [row for row in self._returned if row not in unsent]


def read_message(delivery: Delivery, now: datetime) -> Message:
    """What is sent: the alert and its incident as they were at the transition."""
    content = msgspec.json.decode(delivery.content or b"{}")
    return Message(
        key=f"{delivery.alert_id}:{delivery.transition.value}",
        transition=delivery.transition,
        alert_json=content["alert"],
        incident_json=content["incident"],
        sent_at=now,
    )
