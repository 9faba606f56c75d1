"""Updates that were found, and the last check of each container, in the database."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint, delete, select, update

from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.updates.model import Check, Update
from lumetry_core.updates.tags import UpdateType

CHUNK = 1000
"""Values in one IN list; databases limit the parameters of a statement."""

update_findings = Table(
    "update_findings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("container_id", BigInteger, nullable=False),
    Column("image", Text, nullable=False),
    Column("current_tag", String(128), nullable=False),
    Column("current_digest", String(200)),
    Column("latest_tag", String(128), nullable=False),
    Column("latest_digest", String(200)),
    Column("update_type", String(20), nullable=False),
    Column("risk_score", Integer, nullable=False),
    Column("detect_time", Time, nullable=False),
    Column("publish_time", Time),
    Column("resolve_time", Time),
    Column("is_alerted", Boolean, nullable=False),
    UniqueConstraint("organization_id", "container_id", "image", "latest_tag", name="uq_update_findings_key"),
    Index("ix_update_findings_resolve_time", "organization_id", "resolve_time"),
    sqlite_autoincrement=True,
)
update_checks = Table(
    "update_checks",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("container_id", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", Text, nullable=False),
    Column("baseline_digest", String(200)),
    Column("check_time", Time, nullable=False),
    Column("error", Text),
)
columns = update_findings.c
checks = update_checks.c
IS_LIVE = columns.resolve_time.is_(None)


async def list_live(tx: Transaction, organization_id: int) -> list[Update]:
    """The updates of all containers that lag behind, the one found last of each container last."""
    statement = select(update_findings).where(columns.organization_id == organization_id, IS_LIVE)
    return [read_update(row) for row in await tx.execute(statement.order_by(columns.detect_time, columns.id))]


async def list_of_container(tx: Transaction, organization_id: int, container_id: int) -> list[Update]:
    """The updates of one container, resolved ones included."""
    statement = select(update_findings).where(columns.organization_id == organization_id, columns.container_id == container_id)
    return [read_update(row) for row in await tx.execute(statement.order_by(columns.id))]


async def save_update(tx: Transaction, found: Update) -> Update:
    """Adds an update, whose own number does not count, or replaces the one with its key; answers it with its number."""
    values = {
        "current_tag": found.current_tag,
        "current_digest": found.current_digest,
        "latest_digest": found.latest_digest,
        "update_type": found.update_type.value,
        "risk_score": found.risk_score,
        "detect_time": found.detect_time,
        "publish_time": found.publish_time,
        "resolve_time": found.resolve_time,
        "is_alerted": found.is_alerted,
    }
    key = {
        "organization_id": found.organization_id,
        "container_id": found.container_id,
        "image": found.image,
        "latest_tag": found.latest_tag,
    }
    statement = tx.insert(update_findings).values(key | values)
    statement = statement.on_conflict_do_update(index_elements=list(key), set_=values)
    return read_update((await tx.execute(statement.returning(update_findings))).one())


async def resolve_updates(tx: Transaction, organization_id: int, ids: Collection[int], now: datetime) -> None:
    """Marks updates as resolved."""
    for part in chunks(ids):
        await tx.execute(
            update(update_findings)
            .where(columns.organization_id == organization_id, columns.id.in_(part), IS_LIVE)
            .values(resolve_time=now, is_alerted=False)
        )


async def clear_alerted(tx: Transaction, organization_id: int, container_ids: Collection[int]) -> None:
    """Forgets that alerts were raised for containers, so that the next scan may raise them again."""
    for part in chunks(container_ids):
        await tx.execute(
            update(update_findings)
            .where(columns.organization_id == organization_id, columns.container_id.in_(part))
            .values(is_alerted=False)
        )


async def delete_resolved(tx: Transaction, organization_id: int, before: datetime, limit: int) -> int:
    """Removes updates that were resolved before a time; answers how many."""
    old = select(columns.id).where(columns.organization_id == organization_id, columns.resolve_time < before).limit(limit)
    result = await tx.execute(delete(update_findings).where(columns.organization_id == organization_id, columns.id.in_(old)))
    return result.rowcount


async def read_checks(tx: Transaction, organization_id: int) -> dict[int, Check]:
    """The last check of each container, by container."""
    rows = await tx.execute(select(update_checks).where(checks.organization_id == organization_id))
    return {row.container_id: Check(row.container_id, row.subject, row.baseline_digest, row.check_time, row.error) for row in rows}


async def save_check(tx: Transaction, organization_id: int, check: Check) -> None:
    """Replaces the last check of a container."""
    values: Mapping[str, Any] = {
        "subject": check.subject,
        "baseline_digest": check.baseline_digest,
        "check_time": check.check_time,
        "error": check.error,
    }
    key = {"organization_id": organization_id, "container_id": check.container_id}
    statement = tx.insert(update_checks).values({**key, **values})
    await tx.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


async def delete_checks(tx: Transaction, organization_id: int, container_ids: Collection[int]) -> None:
    """Forgets the checks of containers."""
    for part in chunks(container_ids):
        await tx.execute(delete(update_checks).where(checks.organization_id == organization_id, checks.container_id.in_(part)))


def chunks(ids: Collection[int]) -> list[list[int]]:
    """Numbers in parts of what a statement may carry."""
    ordered = sorted(ids)
    return [ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK)]


def read_update(row: Any) -> Update:  # noqa: ANN401 -- rows carry their columns as attributes
    """An update from its row."""
    return Update(
        id=row.id,
        organization_id=row.organization_id,
        container_id=row.container_id,
        image=row.image,
        current_tag=row.current_tag,
        current_digest=row.current_digest,
        latest_tag=row.latest_tag,
        latest_digest=row.latest_digest,
        update_type=UpdateType(row.update_type),
        risk_score=row.risk_score,
        detect_time=row.detect_time,
        publish_time=row.publish_time,
        resolve_time=row.resolve_time,
        is_alerted=row.is_alerted,
    )
