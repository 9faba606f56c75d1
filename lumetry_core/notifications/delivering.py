"""What the engine must know of deliveries to integrations."""

from collections.abc import Awaitable, Collection, Hashable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from lumetry_core.notifications.delivery import Delivery
from lumetry_core.notifications.engine import Claimed, Engine, Made, Room
from lumetry_core.notifications.messages import Message
from lumetry_core.notifications.model import Integration, SendResult
from lumetry_core.notifications.retries import Attempt
from lumetry_core.notifications.service.handing import hand_over
from lumetry_core.notifications.service.outbox import claim_due, hand_back, record_attempts, renew
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction

LANE_WIDTH = 8
"""Deliveries to one integration that are under way at once."""
MAX_AT_HAND = 512


class Sends(Protocol):
    """Who reaches receivers."""

    def send(self, integration: Integration, message: Message) -> Awaitable[SendResult]:
        """Sends a message once; raises nothing that a receiver can cause."""


class IntegrationOutlet:
    """See `Outlet`."""

    name = "deliverer"
    lane_width = LANE_WIDTH
    lane_length = LANE_WIDTH
    total: int | None = None

    def __init__(self, owner: str, sender: Sends, fallback: Integration | None) -> None:
        self._owner = owner
        self._sender = sender
        self._fallback = fallback
        self.most_at_hand = MAX_AT_HAND

    def lane_of(self, delivery: Delivery) -> Hashable:
        """See `Outlet`."""
        return (delivery.organization_id, delivery.integration_id)

    async def claim(self, tx: Transaction, room: Room, busy: Collection[int], now: datetime) -> Sequence[Claimed[Delivery, Integration]]:
        """See `Outlet`."""
        found = await claim_due(tx, self._owner, self._fallback, lambda organization_id, number: room((organization_id, number)), busy, now)
        own = await hand_over(tx, found, now)
        return [Claimed(each.delivery, each.integration, each.is_strict) for each in own]

    async def renew(self, tx: Transaction, delivery: Delivery, now: datetime) -> bool:
        """See `Outlet`."""
        return await renew(tx, delivery, now)

    async def hand_back(self, tx: Transaction, unsent: Sequence[Delivery], now: datetime) -> None:
        """See `Outlet`."""
        await hand_back(tx, unsent, now)

    async def send(self, claimed: Claimed[Delivery, Integration], now: datetime) -> SendResult:
        """See `Outlet`."""
        return await self._sender.send(claimed.target, read_message(claimed.delivery, now))

    async def record(self, tx: Transaction, organization_id: int, made: Sequence[Made[Delivery]], now: datetime) -> None:
        """See `Outlet`."""
        await record_attempts(tx, organization_id, [Attempt(each.delivery, each.result, each.time) for each in made], now)


class Deliverer(Engine[Delivery, Integration]):
    """The engine for integrations."""

    def __init__(self, database: Database, clock: Clock, owner: str, sender: Sends, fallback: Integration | None = None) -> None:
        super().__init__(database, clock, IntegrationOutlet(owner, sender, fallback))


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
