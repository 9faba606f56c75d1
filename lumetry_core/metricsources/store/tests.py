"""Tests that collectors make."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, Text, delete, select, update

from lumetry_core.metricsources.model import Seen, SourceTest, SourceTestStatus
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

metric_source_tests = Table(
    "metric_source_tests",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("status", String(20), nullable=False),
    Column("sealed", LargeBinary),  # what is tested; none once it is over
    Column("duration_ms", BigInteger),
    Column("samples", Text, nullable=False),  # a JSON array
    Column("error", Text),
    Column("create_time", Time, nullable=False),
    Index("ix_metric_source_tests_organization", "organization_id", "create_time"),
    sqlite_autoincrement=True,
)

columns = metric_source_tests.c
samples_decoder = msgspec.json.Decoder(tuple[Seen, ...])


@dataclass(frozen=True, slots=True)
class StoredTest:
    """A test, and what is tested as long as it is not over."""

    test: SourceTest
    sealed: bytes | None
    create_time: datetime


async def insert_test(tx: Transaction, organization_id: int, sealed: bytes, now: datetime) -> int:
    """Adds a test that waits, and answers its number."""
    values = {
        "organization_id": organization_id,
        "status": SourceTestStatus.QUEUED.value,
        "sealed": sealed,
        "samples": "[]",
        "create_time": now,
    }
    number: int = (await tx.execute(metric_source_tests.insert().values(values).returning(columns.id))).scalar_one()
    return number


async def find_test(tx: Transaction, organization_id: int, test_id: int) -> StoredTest | None:
    """The test of a number."""
    statement = select(metric_source_tests).where(columns.organization_id == organization_id, columns.id == test_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else StoredTest(to_test(row), None if row.sealed is None else bytes(row.sealed), row.create_time)


async def update_test(tx: Transaction, organization_id: int, test: SourceTest, *, is_over: bool) -> None:
    """Writes how far a test is; nothing of one that is over, and what was tested is forgotten."""
    values: dict[str, Any] = {
        "status": test.status.value,
        "duration_ms": test.duration_ms,
        "samples": msgspec.json.encode(test.samples).decode(),
        "error": test.error,
    }
    if is_over:
        values["sealed"] = None
    this = (columns.organization_id == organization_id) & (columns.id == test.id) & columns.sealed.is_not(None)
    await tx.execute(update(metric_source_tests).where(this).values(values))


async def drop_before(tx: Transaction, organization_id: int, before: datetime) -> None:
    """Forgets old tests."""
    await tx.execute(delete(metric_source_tests).where(columns.organization_id == organization_id, columns.create_time < before))


async def count_waiting(tx: Transaction, organization_id: int) -> int:
    """How many tests of an organization are not over."""
    rows = await tx.execute(select(columns.id).where(columns.organization_id == organization_id, columns.sealed.is_not(None)))
    return len(rows.all())


def to_test(row: Any) -> SourceTest:  # noqa: ANN401 -- rows carry their columns as attributes
    """A test from its row."""
    return SourceTest(
        id=row.id,
        status=SourceTestStatus(row.status),
        duration_ms=row.duration_ms,
        samples=samples_decoder.decode(row.samples),
        error=row.error,
    )
