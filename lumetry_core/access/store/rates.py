"""Rate buckets that the cores on one PostgreSQL share. A core on SQLite is alone and keeps its buckets in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, String, Table, delete, func, literal, text
from sqlalchemy.dialects import postgresql

from lumetry_core.runtime.database import Transaction, metadata

rate_buckets = Table(
    "rate_buckets",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("scope", String(100), primary_key=True),
    Column("full_ns", BigInteger, nullable=False),
    # As of the last loan: what was lent, and the limit it was lent under.
    Column("lent", BigInteger, nullable=False),
    Column("capacity", BigInteger, nullable=False),
    Column("interval_ns", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class LoanRequest:
    """Asks for tokens of a bucket, or gives some back: `asked` is negative then."""

    organization_id: int
    scope: str
    asked: int
    capacity: int
    interval_ns: int


@dataclass(frozen=True, slots=True)
class Loan:
    """What a bucket gave, which may be nothing, and when it is full again thereafter."""

    lent: int
    full_ns: int


async def lend(tx: Transaction, requests: Sequence[LoanRequest], now_ns: int) -> list[Loan]:
    """Takes from each bucket as many of the asked tokens as it has; a bucket that is not stored is full. In the order of the requests.

    What is lost with a crash of the database is a moment's tokens, so that nobody waits for the disk.
    """
    await tx.execute(text("SET LOCAL synchronous_commit TO off"))
    # In one order everywhere, so that two cores never wait for each other's rows.
    ordered = sorted(requests, key=lambda request: (request.organization_id, request.scope))
    rows = []
    for request in ordered:
        lent = min(request.asked, request.capacity)
        rows.append(
            {
                "organization_id": request.organization_id,
                "scope": request.scope,
                "full_ns": now_ns + max(lent, 0) * request.interval_ns,
                "lent": lent,
                "capacity": request.capacity,
                "interval_ns": request.interval_ns,
            }
        )
    insertion = postgresql.insert(rate_buckets).values(rows)
    new: Any = insertion.excluded
    now = literal(now_ns, BigInteger)
    burst = new.capacity * new.interval_ns
    # Not before now: a full bucket gets no fuller. Not after what an empty one needs: a clock may have been set back.
    full_ns = func.least(func.greatest(rate_buckets.c.full_ns, now), now + burst)
    lent_now = func.least(new.lent, (now + burst - full_ns) // new.interval_ns)
    statement = insertion.on_conflict_do_update(
        index_elements=[rate_buckets.c.organization_id, rate_buckets.c.scope],
        set_={
            "full_ns": full_ns + lent_now * new.interval_ns,
            "lent": lent_now,
            "capacity": new.capacity,
            "interval_ns": new.interval_ns,
        },
    ).returning(rate_buckets.c.organization_id, rate_buckets.c.scope, rate_buckets.c.lent, rate_buckets.c.full_ns)
    loans = {(row.organization_id, row.scope): Loan(row.lent, row.full_ns) for row in await tx.execute(statement)}
    return [loans[request.organization_id, request.scope] for request in requests]


async def delete_full(tx: Transaction, organization_id: int, before_ns: int) -> None:
    """Forgets the buckets that were full at this time already."""
    await tx.execute(delete(rate_buckets).where(rate_buckets.c.organization_id == organization_id, rate_buckets.c.full_ns < before_ns))
