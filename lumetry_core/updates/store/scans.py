"""Scans and their schedule in the database."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, delete, or_, select, update

from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.updates.model import Scan, ScanStatus

update_scans = Table(
    "update_scans",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("status", String(20), nullable=False),
    Column("owner", String(36)),  # the process that runs it; none until one takes it
    Column("lease_time", Time, nullable=False),
    Column("start_time", Time, nullable=False),
    Column("end_time", Time),
    Column("scanned_count", Integer, nullable=False),
    Column("found_count", Integer, nullable=False),
    Column("error_count", Integer, nullable=False),
    Index("ix_update_scans_organization_id", "organization_id", "id"),
    Index("ix_update_scans_running", "status", "id"),
    sqlite_autoincrement=True,
)
update_schedules = Table(
    "update_schedules",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("next_time", Time),
)
columns = update_scans.c
RUNNING = columns.status == ScanStatus.RUNNING.value


async def lock_schedule(tx: Transaction, organization_id: int) -> datetime | None:
    """Keeps others from starting scans of an organization until the transaction ends; answers when the next one is planned."""
    await tx.execute(tx.insert(update_schedules).on_conflict_do_nothing(), {"organization_id": organization_id, "next_time": None})
    statement = select(update_schedules.c.next_time).where(update_schedules.c.organization_id == organization_id).with_for_update()
    planned: datetime | None = (await tx.execute(statement)).scalar_one()
    return planned


async def read_next_time(tx: Transaction, organization_id: int) -> datetime | None:
    """When the next scan is planned; None when none is."""
    statement = select(update_schedules.c.next_time).where(update_schedules.c.organization_id == organization_id)
    planned: datetime | None = (await tx.execute(statement)).scalar_one_or_none()
    return planned


async def write_next_time(tx: Transaction, organization_id: int, next_time: datetime) -> None:
    """Plans the next scan."""
    await tx.execute(update(update_schedules).where(update_schedules.c.organization_id == organization_id).values(next_time=next_time))


async def list_due(tx: Transaction, now: datetime) -> list[int]:
    """The organizations whose next scan is due. Across organizations."""
    statement = select(update_schedules.c.organization_id).where(update_schedules.c.next_time <= now)
    return list((await tx.execute(statement.order_by(update_schedules.c.organization_id))).scalars())


async def insert_scan(tx: Transaction, organization_id: int, now: datetime, lease_time: datetime) -> Scan:
    """Adds a scan that nobody has taken yet."""
    values = {
        "organization_id": organization_id,
        "status": ScanStatus.RUNNING.value,
        "lease_time": lease_time,
        "start_time": now,
        "scanned_count": 0,
        "found_count": 0,
        "error_count": 0,
    }
    number = (await tx.execute(update_scans.insert().values(values).returning(columns.id))).scalar_one()
    return Scan(number, organization_id, ScanStatus.RUNNING, now)


async def find_running(tx: Transaction, organization_id: int) -> Scan | None:
    """The scan that runs."""
    return read_first(await tx.execute(select(update_scans).where(columns.organization_id == organization_id, RUNNING)))


async def find_scan(tx: Transaction, organization_id: int, scan_id: int) -> Scan | None:
    """One scan."""
    return read_first(await tx.execute(select(update_scans).where(columns.organization_id == organization_id, columns.id == scan_id)))


async def find_newest(tx: Transaction, organization_id: int) -> Scan | None:
    """The scan that was started last."""
    statement = select(update_scans).where(columns.organization_id == organization_id).order_by(columns.id.desc()).limit(1)
    return read_first(await tx.execute(statement))


async def find_newest_completed(tx: Transaction, organization_id: int) -> Scan | None:
    """The newest scan that was completed."""
    statement = select(update_scans).where(columns.organization_id == organization_id, columns.status == ScanStatus.COMPLETED.value)
    return read_first(await tx.execute(statement.order_by(columns.id.desc()).limit(1)))


async def claim_waiting(tx: Transaction, owner: str, lease_time: datetime) -> Scan | None:
    """Takes a scan that nobody has taken. Across organizations."""
    waiting = select(columns.id).where(RUNNING, columns.owner.is_(None)).order_by(columns.id).limit(1)
    number = (await tx.execute(waiting.with_for_update(skip_locked=True))).scalar_one_or_none()
    if number is None:
        return None
    statement = update(update_scans).where(columns.id == number).values(owner=owner, lease_time=lease_time).returning(update_scans)
    return read_first(await tx.execute(statement))


async def is_waiting(tx: Transaction) -> bool:
    """Whether a scan waits for somebody to take it. Across organizations."""
    return (await tx.execute(select(columns.id).where(RUNNING, columns.owner.is_(None)).limit(1))).first() is not None


async def count_checked(tx: Transaction, scan: Scan, owner: str, lease_time: datetime, *, found: bool, failed: bool) -> bool:
    """Counts a container that was checked and renews the lease; False when the scan is not the owner's any more."""
    statement = (
        update(update_scans)
        .where(columns.organization_id == scan.organization_id, columns.id == scan.id, RUNNING, columns.owner == owner)
        .values(
            lease_time=lease_time,
            scanned_count=columns.scanned_count + 1,
            found_count=columns.found_count + int(found),
            error_count=columns.error_count + int(failed),
        )
    )
    return (await tx.execute(statement)).rowcount == 1


async def end_scan(tx: Transaction, scan: Scan, owner: str, status: ScanStatus, now: datetime) -> Scan | None:
    """Ends a scan and answers it as it ended; None when it is not the owner's any more."""
    statement = (
        update(update_scans)
        .where(columns.organization_id == scan.organization_id, columns.id == scan.id, RUNNING, columns.owner == owner)
        .values(status=status.value, end_time=now)
        .returning(update_scans)
    )
    return read_first(await tx.execute(statement))


async def fail_abandoned(tx: Transaction, owner: str, now: datetime, *, is_alone: bool) -> list[Scan]:
    """Ends scans whose process is gone, and those of a process that runs none now, and answers them. Across organizations.

    Args:
        owner: That process.
        is_alone: Nobody else can be running one.
    """
    gone = columns.owner.is_not(None) if is_alone else or_(columns.lease_time <= now, columns.owner == owner)
    statement = update(update_scans).where(RUNNING, gone).values(status=ScanStatus.FAILED.value, end_time=now)
    return [read_scan(row) for row in await tx.execute(statement.returning(update_scans))]


async def delete_old(tx: Transaction, organization_id: int, before: datetime, keep: Collection[int], limit: int) -> int:
    """Removes scans that ended before a time, but for some; answers how many."""
    old = select(columns.id).where(columns.organization_id == organization_id, columns.end_time < before, columns.id.not_in(sorted(keep)))
    result = await tx.execute(delete(update_scans).where(columns.organization_id == organization_id, columns.id.in_(old.limit(limit))))
    return result.rowcount


def read_first(rows: Any) -> Scan | None:  # noqa: ANN401 -- a result of any statement
    """The first scan of a result."""
    row = rows.first()
    return None if row is None else read_scan(row)


def read_scan(row: Any) -> Scan:  # noqa: ANN401 -- rows carry their columns as attributes
    """A scan from its row."""
    return Scan(
        id=row.id,
        organization_id=row.organization_id,
        status=ScanStatus(row.status),
        start_time=row.start_time,
        end_time=row.end_time,
        scanned_count=row.scanned_count,
        found_count=row.found_count,
        error_count=row.error_count,
    )
