"""Which endpoints are checked next, by whom, and what checks made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam, func, select, type_coerce, update

from lumetry_core.endpoints.model import Claim, Endpoint, Progress
from lumetry_core.endpoints.store.endpoints import columns, endpoints, movable, read_row
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction


async def find_next_due(tx: Transaction) -> datetime | None:
    """When the next check of any organization is due."""
    moment: datetime | None = (await tx.execute(select(func.min(columns.due_time)))).scalar_one_or_none()
    return moment


async def claim_due(tx: Transaction, until: datetime, limit: int) -> list[tuple[Endpoint, datetime]]:
    """Endpoints of all organizations that are due until a time, with when they were, most urgent first.

    Others keep their hands off them until the transaction ends. A claim that was never given back tells its own planned time.
    """
    statement = select(endpoints).where(columns.due_time <= until).order_by(columns.due_time).limit(limit)
    rows = await tx.execute(statement.with_for_update(skip_locked=True))
    return [(read_row(row), row.planned_time or row.due_time) for row in rows.all()]


async def write_claims(tx: Transaction, claims: Sequence[tuple[Claim, datetime]]) -> None:
    """Notes claims, with when they are void."""
    statement = (
        update(endpoints)
        .where(columns.organization_id == bindparam("its_organization"), columns.id == bindparam("its_id"))
        .values(epoch=bindparam("its_epoch"), due_time=bindparam("its_end"), planned_time=bindparam("its_plan"))
    )
    rows = [
        {
            "its_organization": claim.endpoint.organization_id,
            "its_id": claim.endpoint.id,
            "its_epoch": claim.endpoint.epoch,
            "its_end": end,
            "its_plan": claim.planned_time,
        }
        for claim, end in claims
    ]
    if rows:
        await tx.execute(statement, rows)


async def release_claims(tx: Transaction) -> int:
    """Makes what is claimed due as it was planned, for whoever knows that nobody else is at work; answers how many."""
    values = {"due_time": columns.planned_time, "planned_time": None, "epoch": columns.epoch + 1}
    result = await tx.execute(update(endpoints).where(columns.planned_time.is_not(None)).values(values))
    return int(result.rowcount)


@dataclass(frozen=True, slots=True)
class Move:
    """How an endpoint is after a check, and when the next is due."""

    endpoint: Endpoint
    progress: Progress
    due: datetime


async def write_moves(tx: Transaction, organization_id: int, moves: Sequence[Move]) -> None:
    """Notes what checks made of endpoints, and gives their claims back."""
    progress: dict[str, Any] = {name: bindparam(f"its_{name}") for name in movable(Progress())}
    statement = (
        update(endpoints)
        .where(columns.organization_id == organization_id, columns.id == bindparam("its_id"))
        .values(**progress, due_time=bindparam("its_due"), planned_time=None, epoch=columns.epoch + 1)
    )
    rows = [
        {"its_id": move.endpoint.id, "its_due": move.due, **{f"its_{name}": value for name, value in movable(move.progress).items()}}
        for move in moves
    ]
    if rows:
        await tx.execute(statement, rows)


async def postpone(tx: Transaction, claims: Sequence[Claim], due: datetime) -> None:
    """Gives claims back whose checks had no result, each only while nothing moved its epoch."""
    statement = (
        update(endpoints)
        .where(
            columns.organization_id == bindparam("its_organization"),
            columns.id == bindparam("its_id"),
            columns.epoch == bindparam("its_epoch"),
        )
        .values(due_time=due, planned_time=None, epoch=columns.epoch + 1)
    )
    rows = [
        {"its_organization": claim.endpoint.organization_id, "its_id": claim.endpoint.id, "its_epoch": claim.endpoint.epoch}
        for claim in claims
    ]
    if rows:
        await tx.execute(statement, rows)


def strays(now: datetime, slack: timedelta) -> ColumnElement[bool]:
    """What is due later than an interval, a timeout and some slack from now."""
    ahead = type_coerce(columns.due_time, BigInteger) - (columns.interval_seconds + columns.timeout_seconds) * 1000
    return ahead > to_ms(now + slack)


async def count_strays(tx: Transaction, now: datetime, slack: timedelta) -> int:
    """How many checks of any organization are due farther ahead than they can be."""
    number: int = (await tx.execute(select(func.count()).select_from(endpoints).where(strays(now, slack)))).scalar_one()
    return number


async def pull_back(tx: Transaction, now: datetime, slack: timedelta, due: datetime) -> None:
    """Makes them due at a time."""
    await tx.execute(update(endpoints).where(strays(now, slack)).values(due_time=due, planned_time=None, epoch=columns.epoch + 1))
