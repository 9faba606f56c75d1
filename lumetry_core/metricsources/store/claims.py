"""Which sources are polled next and by whom."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, bindparam, func, select, tuple_, type_coerce, update

from lumetry_core.metricsources.model import Source, Standing
from lumetry_core.metricsources.store.sources import columns, metric_sources, of, standing_values, to_source
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction

IDS_PER_STATEMENT = 1000


@dataclass(frozen=True, slots=True)
class Due:
    """A source that is to be polled."""

    organization_id: int
    source_id: int
    due_time: datetime
    is_remote: bool
    """A collector polls it."""


async def find_next_due(tx: Transaction) -> datetime | None:
    """When the next source of any organization is due."""
    moment: datetime | None = (await tx.execute(select(func.min(columns.due_time)))).scalar_one_or_none()
    return moment


async def list_due(tx: Transaction, now: datetime, each: int) -> list[Due]:
    """What is due, of every organization at most so many of its own and so many of its collectors', the oldest first."""
    is_remote = columns.collector_id.is_not(None)
    place = func.row_number().over(partition_by=(columns.organization_id, is_remote), order_by=(columns.due_time, columns.id))
    ranked = (
        select(columns.organization_id, columns.id, columns.due_time, is_remote.label("is_remote"), place.label("place"))
        .where(columns.due_time <= now)
        .subquery()
    )
    rows = await tx.execute(select(ranked).where(ranked.c.place <= each).order_by(ranked.c.due_time, ranked.c.id))
    return [Due(row.organization_id, row.id, row.due_time, bool(row.is_remote)) for row in rows]


async def lock_due(tx: Transaction, chosen: Sequence[Due], now: datetime) -> list[Source]:
    """Those of some sources that are still due, in their order. Others keep their hands off them until the transaction ends."""
    found: dict[int, Source] = {}
    for start in range(0, len(chosen), IDS_PER_STATEMENT):
        keys = [(due.organization_id, due.source_id) for due in chosen[start : start + IDS_PER_STATEMENT]]
        statement = select(metric_sources).where(tuple_(columns.organization_id, columns.id).in_(keys), columns.due_time <= now)
        rows = await tx.execute(statement.order_by(columns.id).with_for_update(skip_locked=True))
        found |= {row.id: to_source(row) for row in rows}
    return [found[due.source_id] for due in chosen if due.source_id in found]


async def write_claims(tx: Transaction, claims: Sequence[tuple[Source, datetime, bool]]) -> None:
    """Notes when sources are due again, and which of them are claimed until then; each moves its epoch on."""
    statement = (
        update(metric_sources)
        .where(columns.organization_id == bindparam("its_organization"), columns.id == bindparam("its_id"))
        .values(epoch=columns.epoch + 1, due_time=bindparam("its_due"), is_claimed=bindparam("is_its"))
    )
    rows = [
        {"its_organization": source.organization_id, "its_id": source.id, "its_due": due, "is_its": claimed}
        for source, due, claimed in claims
    ]
    if rows:
        await tx.execute(statement, rows)


async def release_claims(tx: Transaction, now: datetime) -> None:
    """Makes what is claimed due, for whoever knows that nobody else is at work."""
    values = {"due_time": now, "is_claimed": False, "epoch": columns.epoch + 1}
    await tx.execute(update(metric_sources).where(columns.is_claimed).values(values))


async def write_outcome(tx: Transaction, source: Source, standing: Standing, *, due: datetime | None, stale: datetime | None) -> None:
    """Notes how a source fares after a poll. With a time when it is due again its claim is given back."""
    values: dict[str, Any] = standing_values(standing) | {"stale_time": stale}
    if due is not None:
        values |= {"due_time": due, "is_claimed": False, "epoch": columns.epoch + 1}
    await tx.execute(update(metric_sources).where(of(source.organization_id, source.id)).values(values))


async def postpone(tx: Transaction, source: Source, due: datetime) -> None:
    """Gives a claim back whose poll had no result, unless something moved the epoch."""
    values = {"due_time": due, "is_claimed": False, "epoch": columns.epoch + 1}
    this = of(source.organization_id, source.id) & (columns.epoch == source.epoch)
    await tx.execute(update(metric_sources).where(this).values(values))


async def list_overdue(tx: Transaction, before: datetime, limit: int) -> list[Source]:
    """Sources of all organizations that were due before a time and are not claimed. Others keep their hands off them."""
    statement = select(metric_sources).where(columns.due_time < before, columns.is_claimed.is_(False)).order_by(columns.id).limit(limit)
    return [to_source(row) for row in await tx.execute(statement.with_for_update(skip_locked=True))]


async def list_strays(tx: Transaction, now: datetime, limit: int) -> list[Source]:
    """Sources that are due farther ahead than they can be, as after the clock was set back."""
    ahead = type_coerce(columns.due_time, BigInteger) - columns.poll_interval_seconds * 1000
    statement = select(metric_sources).where(ahead > to_ms(now)).order_by(columns.id).limit(limit)
    return [to_source(row) for row in await tx.execute(statement.with_for_update(skip_locked=True))]


async def is_any_stale(tx: Transaction, now: datetime) -> bool:
    """Whether the metrics of any source have become stale."""
    return (await tx.execute(select(columns.id).where(columns.stale_time <= now).limit(1))).first() is not None


async def lock_stale(tx: Transaction, now: datetime, limit: int) -> list[Source]:
    """Sources whose metrics have become stale."""
    statement = select(metric_sources).where(columns.stale_time <= now).order_by(columns.id).limit(limit)
    return [to_source(row) for row in await tx.execute(statement.with_for_update(skip_locked=True))]


async def clear_stale(tx: Transaction, organization_id: int, ids: Collection[int]) -> None:
    """Notes that it was noticed."""
    await tx.execute(update(metric_sources).where(columns.organization_id == organization_id, columns.id.in_(ids)).values(stale_time=None))
