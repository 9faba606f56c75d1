"""What the engine must know of dispatches to channels and webhooks."""

from collections.abc import Collection, Hashable, Sequence
from datetime import datetime
from typing import Protocol

from lumetry_core.notifications.attempts import Sent
from lumetry_core.notifications.destinations import Target
from lumetry_core.notifications.dispatch import Dispatch
from lumetry_core.notifications.engine import Claimed, Engine, Made, Room
from lumetry_core.notifications.model import SendResult
from lumetry_core.notifications.service.dispatches import RUN, claim_due, hand_back, record_sent, renew
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction

TOTAL = 10
"""Requests at once over all channels and webhooks (contract monitoring 13.2)."""


class SendsDispatches(Protocol):
    """Who reaches channels and webhooks."""

    async def send(self, target: Target, dispatch: Dispatch, now: datetime) -> SendResult:
        """Sends a dispatch once; raises nothing that a receiver can cause."""


class DestinationOutlet:
    """See `Outlet`."""

    name = "dispatcher"
    lane_width = 1
    lane_length = RUN
    total: int | None = TOTAL
    most_at_hand = TOTAL * RUN

    def __init__(self, owner: str, sender: SendsDispatches) -> None:
        self._owner = owner
        self._sender = sender

    def lane_of(self, delivery: Dispatch) -> Hashable:
        """See `Outlet`."""
        return delivery.target

    async def claim(self, tx: Transaction, room: Room, busy: Collection[int], now: datetime) -> Sequence[Claimed[Dispatch, Target]]:
        """See `Outlet`. A target that has a lane is claimed for again once that is empty."""
        found = await claim_due(tx, self._owner, lambda target: room(target) == RUN, TOTAL, now)
        return [Claimed(each.dispatch, each.target, is_strict=True) for each in found if each.dispatch.id not in busy]

    async def renew(self, tx: Transaction, delivery: Dispatch, now: datetime) -> bool:
        """See `Outlet`."""
        return await renew(tx, delivery, now)

    async def hand_back(self, tx: Transaction, unsent: Sequence[Dispatch], now: datetime) -> None:
        """See `Outlet`."""
        await hand_back(tx, unsent, now)

    async def send(self, claimed: Claimed[Dispatch, Target], now: datetime) -> SendResult:
        """See `Outlet`."""
        return await self._sender.send(claimed.target, claimed.delivery, now)

    async def record(self, tx: Transaction, organization_id: int, made: Sequence[Made[Dispatch]], now: datetime) -> None:
        """See `Outlet`."""
        await record_sent(tx, organization_id, [Sent(each.delivery, each.result, each.time) for each in made], now)


class Dispatcher(Engine[Dispatch, Target]):
    """The engine for channels and webhooks."""

    def __init__(self, database: Database, clock: Clock, owner: str, sender: SendsDispatches) -> None:
        super().__init__(database, clock, DestinationOutlet(owner, sender))
