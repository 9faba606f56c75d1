"""How receivers have been lately, and claims on what is due for them."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Integer, Row, Table, and_, exists, func, or_, select, text, update

from lumetry_core.notifications.delivery import Delivery, DeliveryStatus, Lane
from lumetry_core.notifications.store.deliveries import IS_WAITING, deliveries, read_row
from lumetry_core.runtime.database import Time, Transaction, metadata

delivery_lanes = Table(
    "delivery_lanes",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("integration_id", BigInteger, primary_key=True, autoincrement=False),
    Column("failures", Integer, nullable=False, default=0),
    Column("outage_time", Time),
    Column("probe_time", Time),
    Column("probes", Integer, nullable=False, default=0),
    Column("strict_through", BigInteger, nullable=False, default=0),
)

STRICT_RUN = 32
"""Deliveries of a lane that are claimed at once to be sent one after the other."""
EARLIER = deliveries.alias("earlier")


async def ensure_lanes(tx: Transaction, organization_id: int, integration_ids: Collection[int]) -> None:
    """Makes the lanes of integrations known."""
    if integration_ids:
        rows = [{"organization_id": organization_id, "integration_id": number} for number in sorted(integration_ids)]
        await tx.execute(tx.insert(delivery_lanes).on_conflict_do_nothing(), rows)


async def read_lanes(tx: Transaction, organization_id: int, integration_ids: Collection[int], *, lock: bool = False) -> dict[int, Lane]:
    """Reads lanes by integration.

    Args:
        lock: Keeps others from changing them until the transaction ends.
    """
    if not integration_ids:
        return {}
    statement = (
        select(delivery_lanes)
        .where(delivery_lanes.c.organization_id == organization_id, delivery_lanes.c.integration_id.in_(sorted(integration_ids)))
        .order_by(delivery_lanes.c.integration_id)
    )
    rows = await tx.execute(statement.with_for_update() if lock else statement)
    return {row.integration_id: read_lane(row) for row in rows}


async def update_lanes(tx: Transaction, lanes: Iterable[Lane]) -> None:
    """Replaces lanes."""
    for lane in lanes:
        await tx.execute(
            update(delivery_lanes)
            .where(delivery_lanes.c.organization_id == lane.organization_id, delivery_lanes.c.integration_id == lane.integration_id)
            .values(
                failures=lane.failures,
                outage_time=lane.outage_time,
                probe_time=lane.probe_time,
                probes=lane.probes,
                strict_through=lane.strict_through,
            )
        )


async def last_waiting(tx: Transaction, organization_id: int, integration_id: int) -> int:
    """The number of the newest delivery that waits in a lane; 0: none does."""
    statement = select(func.max(deliveries.c.id)).where(*waits_in(organization_id, integration_id))
    return (await tx.execute(statement)).scalar_one_or_none() or 0


async def read_expired(tx: Transaction, organization_id: int, integration_id: int, before: datetime, limit: int) -> list[Delivery]:
    """Reads deliveries that have waited in a lane since before a time, oldest first."""
    statement = select(deliveries).where(*waits_in(organization_id, integration_id), deliveries.c.create_time <= before)
    rows = await tx.execute(statement.order_by(deliveries.c.id).limit(limit).with_for_update())
    return [read_row(row) for row in rows]


async def claim_due(
    tx: Transaction,
    owner: str,
    now: datetime,
    lease_time: datetime,
    room: Callable[[int, int], int],
    busy: Collection[int],
) -> list[tuple[Delivery, bool]]:
    """Claims due deliveries of every lane, oldest first, none that waits for an earlier one of its alert; True: its lane is strict.

    In a lane that is out of reach it is one, in one that works off an outage a run, and only when nobody else sends there.

    Args:
        room: How many more of an organization's integration may be sent at once.
        busy: Deliveries that this process has not finished with.
    """
    due = and_(
        text(f"deliveries.{IS_WAITING}"),
        deliveries.c.next_attempt_time <= now,
        or_(deliveries.c.lease_time.is_(None), deliveries.c.lease_time <= now),
    )
    of_lane = and_(
        deliveries.c.organization_id == delivery_lanes.c.organization_id, deliveries.c.integration_id == delivery_lanes.c.integration_id
    )
    statement = select(delivery_lanes).where(
        exists().where(of_lane, due), or_(delivery_lanes.c.outage_time.is_(None), delivery_lanes.c.probe_time <= now)
    )
    order = (delivery_lanes.c.organization_id, delivery_lanes.c.integration_id)
    rows = await tx.execute(statement.order_by(*order).with_for_update(skip_locked=True))
    claimed: list[tuple[Delivery, bool]] = []
    for lane in [read_lane(row) for row in rows]:
        limit = room(lane.organization_id, lane.integration_id)
        if lane.is_strict and limit > 0:
            limit = await strict_limit(tx, lane, now)
        if limit > 0:
            found = await claim_in(tx, lane, [due, *not_busy(busy)], limit, owner, now, lease_time)
            claimed += [(delivery, lane.is_strict) for delivery in found]
    return claimed


async def strict_limit(tx: Transaction, lane: Lane, now: datetime) -> int:
    """How many may be claimed in a lane where order counts; once nothing is left from the outage the lane is as others."""
    waiting = waits_in(lane.organization_id, lane.integration_id)
    sending = select(deliveries.c.id).where(*waiting, deliveries.c.lease_time > now).limit(1)
    if (await tx.execute(sending)).first() is not None:
        return 0
    if lane.outage_time is not None:
        return 1
    left = select(deliveries.c.id).where(*waiting, deliveries.c.id <= lane.strict_through, deliveries.c.failures == 0).limit(1)
    if (await tx.execute(left)).first() is None:
        await update_lanes(tx, [Lane(lane.organization_id, lane.integration_id, lane.failures)])
    return STRICT_RUN


async def claim_in(
    tx: Transaction, lane: Lane, due: Sequence[ColumnElement[bool]], limit: int, owner: str, now: datetime, lease_time: datetime
) -> list[Delivery]:
    """Claims the oldest due deliveries of one lane. A run may hold several of an alert, as it is sent one after the other."""
    waits_for_another = [
        EARLIER.c.organization_id == deliveries.c.organization_id,
        EARLIER.c.alert_id == deliveries.c.alert_id,
        EARLIER.c.integration_id == deliveries.c.integration_id,
        EARLIER.c.status == DeliveryStatus.PENDING,
        EARLIER.c.id < deliveries.c.id,
    ]
    if lane.is_strict:
        waits_for_another.append(or_(EARLIER.c.next_attempt_time > now, EARLIER.c.lease_time > now))
    statement = (
        select(deliveries)
        .where(
            deliveries.c.organization_id == lane.organization_id,
            deliveries.c.integration_id == lane.integration_id,
            *due,
            ~exists().where(*waits_for_another),
        )
        .order_by(deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=not lane.is_strict, of=deliveries)
    )
    numbers = [row.id for row in await tx.execute(statement)]
    if not numbers:
        return []
    claim = (
        update(deliveries)
        .where(deliveries.c.organization_id == lane.organization_id, deliveries.c.id.in_(numbers))
        .values(lease_owner=owner, lease_time=lease_time)
        .returning(deliveries)
    )
    return sorted((read_row(row) for row in await tx.execute(claim)), key=lambda delivery: delivery.id)


async def pass_on(tx: Transaction, organization_id: int, numbers: Collection[int], owner: str, lease_time: datetime) -> None:
    """Gives leases of deliveries, which the transaction has claimed, to another owner."""
    of_numbers = (deliveries.c.organization_id == organization_id, deliveries.c.id.in_(sorted(numbers)))
    await tx.execute(update(deliveries).where(*of_numbers).values(lease_owner=owner, lease_time=lease_time))


async def renew_lease(tx: Transaction, delivery: Delivery, lease_time: datetime) -> bool:
    """Prolongs a lease; False when it is not this one any more."""
    statement = (
        update(deliveries)
        .where(
            deliveries.c.organization_id == delivery.organization_id,
            deliveries.c.id == delivery.id,
            deliveries.c.status == DeliveryStatus.PENDING,
            deliveries.c.lease_owner == delivery.lease_owner,
            deliveries.c.lease_time == delivery.lease_time,
        )
        .values(lease_time=lease_time)
    )
    return (await tx.execute(statement)).rowcount > 0


def waits_in(organization_id: int, integration_id: int) -> tuple[Any, ...]:
    """The conditions of what waits in a lane."""
    return (text(IS_WAITING), deliveries.c.organization_id == organization_id, deliveries.c.integration_id == integration_id)


def not_busy(busy: Collection[int]) -> list[ColumnElement[bool]]:
    """The condition that leaves deliveries out."""
    return [deliveries.c.id.not_in(sorted(busy))] if busy else []


def read_lane(row: Row[Any]) -> Lane:
    """A lane from its row."""
    return Lane(row.organization_id, row.integration_id, row.failures, row.outage_time, row.probe_time, row.probes, row.strict_through)
