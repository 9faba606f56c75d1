"""Partitions of the inbox: counters, positions and leases."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, CursorResult, Integer, String, Table, bindparam, delete, func, or_, select, update

from lumetry_core.metrics.model import Lease, LeaseLost, Position
from lumetry_core.runtime.database import Time, Transaction, metadata

inbox_partitions = Table(
    "inbox_partitions",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("appended_points", BigInteger, nullable=False),
    Column("committed_offset", BigInteger, nullable=False),
    Column("evaluated_points", BigInteger, nullable=False),
    Column("sealed_offset", BigInteger, nullable=False),
    Column("sealed_points", BigInteger, nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_epoch", BigInteger, nullable=False),
    Column("lease_expire_time", Time),
)
inbox_owners = Table(
    "inbox_owners",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("expire_time", Time, nullable=False),
)
FIRST_OFFSET = 1
"""Offsets start here, so that job numbers are positive."""

# Statements of every commit are built once: building costs more than running them.
_counters = inbox_partitions.c
RESERVE = (
    update(inbox_partitions)
    .where(_counters.partition == bindparam("of_partition"))
    .values(
        next_offset=_counters.next_offset + bindparam("more_jobs", type_=BigInteger),
        appended_points=_counters.appended_points + bindparam("more_points", type_=BigInteger),
    )
    .returning(_counters.next_offset, (_counters.appended_points - _counters.evaluated_points).label("queued_points"))
)
ADVANCE = (
    update(inbox_partitions)
    .where(_counters.partition == bindparam("of_partition"), _counters.lease_epoch == bindparam("of_epoch"))
    .values(
        committed_offset=bindparam("to_offset", type_=BigInteger),
        evaluated_points=_counters.evaluated_points + bindparam("more_points", type_=BigInteger),
    )
)
POSITIONS = select(inbox_partitions).order_by(_counters.partition)


@dataclass(frozen=True, slots=True)
class Reserved:
    """Offsets reserved for an append, and how many points wait in the partition, the new ones included."""

    first_offset: int
    queued_points: int


async def insert_partitions(tx: Transaction, count: int) -> int:
    """Makes the partitions unless the database has them, and says how many it has."""
    known = (await tx.execute(select(func.count()).select_from(inbox_partitions))).scalar_one()
    if known:
        return int(known)
    zeros = dict.fromkeys(("appended_points", "evaluated_points", "sealed_points", "lease_epoch"), 0)
    offsets = dict.fromkeys(("next_offset", "committed_offset", "sealed_offset"), FIRST_OFFSET)
    await tx.execute(
        tx.insert(inbox_partitions).on_conflict_do_nothing(),
        [{"partition": partition, **zeros, **offsets} for partition in range(count)],
    )
    return count


async def reserve(tx: Transaction, amounts: Mapping[int, tuple[int, int]]) -> dict[int, Reserved]:
    """Reserves offsets in partitions and locks their counters until the transaction ends, so that offsets become visible in order.

    Args:
        amounts: Jobs and points by partition. Partitions are locked in ascending order: appends never deadlock.
    """
    reserved = {}
    for partition, (jobs, points) in sorted(amounts.items()):
        row = (await tx.execute(RESERVE, {"of_partition": partition, "more_jobs": jobs, "more_points": points})).one()
        reserved[partition] = Reserved(row.next_offset - jobs, row.queued_points)
    return reserved


async def count_queued_points(tx: Transaction) -> int:
    """Points that wait for evaluation in all partitions."""
    counters = inbox_partitions.c
    return int((await tx.execute(select(func.sum(counters.appended_points - counters.evaluated_points)))).scalar_one() or 0)


async def read_positions(tx: Transaction, partitions: Collection[int] | None = None) -> list[Position]:
    """Positions, ascending by partition; None reads all."""
    statement = POSITIONS
    if partitions is not None:
        statement = statement.where(inbox_partitions.c.partition.in_(sorted(partitions)))
    return [
        Position(
            partition=row.partition,
            next_offset=row.next_offset,
            committed_offset=row.committed_offset,
            sealed_offset=row.sealed_offset,
            appended_points=row.appended_points,
            evaluated_points=row.evaluated_points,
            sealed_points=row.sealed_points,
            owner=row.lease_owner,
            epoch=row.lease_epoch,
        )
        for row in await tx.execute(statement)
    ]


async def advance(tx: Transaction, lease: Lease, to_offset: int, points: int) -> None:
    """Moves the evaluated position; raises `LeaseLost` when the lease is not the newest."""
    of = {"of_partition": lease.partition, "of_epoch": lease.epoch}
    check_lease(lease, await tx.execute(ADVANCE, {**of, "to_offset": to_offset, "more_points": points}))


async def advance_sealed(tx: Transaction, lease: Lease, to_offset: int, points: int) -> None:
    """Moves the position up to which points are in segments; raises `LeaseLost` when the lease is not the newest."""
    await fenced_update(tx, lease, sealed_offset=to_offset, sealed_points=inbox_partitions.c.sealed_points + points)


async def fenced_update(tx: Transaction, lease: Lease, **values: object) -> None:
    """Changes a partition on behalf of a lease."""
    changed = await tx.execute(
        update(inbox_partitions)
        .where(inbox_partitions.c.partition == lease.partition, inbox_partitions.c.lease_epoch == lease.epoch)
        .values(**values)
    )
    check_lease(lease, changed)


def check_lease(lease: Lease, changed: CursorResult[Any]) -> None:
    """Raises `LeaseLost` when a fenced change found no row."""
    if changed.rowcount == 0:
        raise LeaseLost(f"partition {lease.partition} was taken over")


async def greet(tx: Transaction, owner: str, expire_time: datetime, now: datetime) -> int:
    """Says that an owner lives, forgets the ones that do not, and counts the living."""
    await tx.execute(delete(inbox_owners).where(inbox_owners.c.expire_time <= now, inbox_owners.c.owner != owner))
    await tx.execute(
        tx.insert(inbox_owners)
        .values(owner=owner, expire_time=expire_time)
        .on_conflict_do_update(index_elements=["owner"], set_={"expire_time": expire_time})
    )
    return int((await tx.execute(select(func.count()).select_from(inbox_owners))).scalar_one())


async def renew(tx: Transaction, owner: str, expire_time: datetime) -> list[Lease]:
    """Prolongs what an owner holds. Also an expired lease: while nobody took the partition its epoch is the newest."""
    counters = inbox_partitions.c
    await lock_held(tx, owner)
    rows = await tx.execute(
        update(inbox_partitions)
        .where(counters.lease_owner == owner)
        .values(lease_expire_time=expire_time)
        .returning(counters.partition, counters.lease_epoch)
    )
    return sorted((Lease(row.partition, row.lease_epoch) for row in rows), key=lambda lease: lease.partition)


async def lock_held(tx: Transaction, owner: str) -> None:
    """Locks what an owner holds in ascending order, as appends do: one statement for all would lock in any order, and could deadlock."""
    held = select(inbox_partitions.c.partition).where(inbox_partitions.c.lease_owner == owner)
    await tx.execute(held.order_by(inbox_partitions.c.partition).with_for_update())


async def take_free(tx: Transaction, owner: str, limit: int, expire_time: datetime, now: datetime) -> None:
    """Takes up to `limit` partitions that nobody holds; each gets a new epoch."""
    counters = inbox_partitions.c
    free = (
        select(counters.partition)
        .where(or_(counters.lease_owner.is_(None), counters.lease_expire_time <= now))
        .order_by(counters.partition)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    chosen = list((await tx.execute(free)).scalars())
    if chosen:
        await tx.execute(
            update(inbox_partitions)
            .where(counters.partition.in_(chosen))
            .values(lease_owner=owner, lease_epoch=counters.lease_epoch + 1, lease_expire_time=expire_time)
        )


async def release(tx: Transaction, owner: str, partitions: Collection[int] | None = None) -> None:
    """Gives partitions back; None: all of the owner."""
    await lock_held(tx, owner)
    statement = update(inbox_partitions).where(inbox_partitions.c.lease_owner == owner)
    if partitions is not None:
        statement = statement.where(inbox_partitions.c.partition.in_(sorted(partitions)))
    await tx.execute(statement.values(lease_owner=None, lease_expire_time=None))


async def forget_owner(tx: Transaction, owner: str) -> None:
    """Leaves the living owners."""
    await tx.execute(delete(inbox_owners).where(inbox_owners.c.owner == owner))
