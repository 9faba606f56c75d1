"""Results of checks in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, case, delete, func, select

from lumetry_core.endpoints.model import Check, CheckPage, Result
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

endpoint_checks = Table(
    "endpoint_checks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("endpoint_id", BigInteger, nullable=False),
    Column("time", Time, nullable=False),
    Column("is_success", Boolean, nullable=False),
    Column("response_ms", Integer, nullable=False),
    Column("http_status", Integer),
    Column("error", Text),
    # With the outcome, so that shares of success are counted in the index alone.
    Index("ix_endpoint_checks_endpoint", "organization_id", "endpoint_id", "time", "id", "is_success"),
    sqlite_autoincrement=True,
)

columns = endpoint_checks.c


async def insert_checks(tx: Transaction, organization_id: int, results: Sequence[tuple[int, Result]]) -> None:
    """Adds results, each with its endpoint's number."""
    rows = [
        {
            "organization_id": organization_id,
            "endpoint_id": endpoint_id,
            "time": result.time,
            "is_success": result.is_success,
            "response_ms": result.response_ms,
            "http_status": result.http_status,
            "error": result.error,
        }
        for endpoint_id, result in results
    ]
    if rows:
        await tx.execute(endpoint_checks.insert(), rows)


async def read_checks(
    tx: Transaction, organization_id: int, endpoint_id: int, since: datetime | None, limit: int, offset: int
) -> CheckPage:
    """A page of an endpoint's checks, newest first, and how many there are."""
    conditions = [columns.organization_id == organization_id, columns.endpoint_id == endpoint_id]
    if since is not None:
        conditions.append(columns.time >= since)
    total: int = (await tx.execute(select(func.count()).select_from(endpoint_checks).where(*conditions))).scalar_one()
    order = (columns.time.desc(), columns.id.desc())
    rows = await tx.execute(select(endpoint_checks).where(*conditions).order_by(*order).limit(limit).offset(offset))
    checks = [Check(row.id, row.endpoint_id, Result(row.is_success, row.time, row.response_ms, row.http_status, row.error)) for row in rows]
    return CheckPage(checks, total)


async def count_checks(tx: Transaction, organization_id: int, endpoint_id: int, start: datetime, until: datetime) -> tuple[int, int]:
    """How many checks from one time on and before another were successes, and how many there were."""
    good = func.coalesce(func.sum(case((columns.is_success, 1), else_=0)), 0)
    statement = select(good, func.count()).where(
        columns.organization_id == organization_id, columns.endpoint_id == endpoint_id, columns.time >= start, columns.time < until
    )
    row: Any = (await tx.execute(statement)).one()
    return int(row[0]), int(row[1])


async def drop_oldest(tx: Transaction, before: datetime, limit: int) -> int:
    """Drops the checks of all organizations that are older than a time, among the first `limit` rows; answers how many.

    Rows are numbered as they come, so the oldest have the lowest numbers and no index on time is needed.
    """
    first = select(columns.id).order_by(columns.id).limit(limit).scalar_subquery()
    result = await tx.execute(delete(endpoint_checks).where(columns.id.in_(first), columns.time < before))
    return int(result.rowcount)
