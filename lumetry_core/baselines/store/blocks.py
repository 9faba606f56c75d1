"""Learned statistics, packed: a row per baseline and hour of the week."""

from collections.abc import Collection, Sequence

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, delete, select

from lumetry_core.runtime.database import Transaction, metadata

CHUNK = 500
"""Baselines in one statement, each with as many hours as wanted."""

baseline_blocks = Table(
    "baseline_blocks",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("baseline_id", BigInteger, primary_key=True, autoincrement=False),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
)


async def put_blocks(tx: Transaction, organization_id: int, blocks: Sequence[tuple[int, int, bytes]]) -> None:
    """Stores blocks, each as baseline, hour and payload, in place of earlier ones."""
    if not blocks:
        return
    rows = [
        {"organization_id": organization_id, "baseline_id": baseline_id, "hour": hour, "payload": payload}
        for baseline_id, hour, payload in blocks
    ]
    statement = tx.insert(baseline_blocks)
    statement = statement.on_conflict_do_update(
        index_elements=["organization_id", "baseline_id", "hour"], set_={"payload": statement.excluded.payload}
    )
    await tx.execute(statement, rows)


async def read_blocks(
    tx: Transaction, organization_id: int, baseline_ids: Collection[int], hours: Collection[int]
) -> list[tuple[int, int, bytes]]:
    """Blocks of these baselines and hours, each as baseline, hour and payload."""
    columns = baseline_blocks.c
    numbers = sorted(baseline_ids)
    found: list[tuple[int, int, bytes]] = []
    for start in range(0, len(numbers), CHUNK):
        rows = await tx.execute(
            select(columns.baseline_id, columns.hour, columns.payload).where(
                columns.organization_id == organization_id,
                columns.baseline_id.in_(numbers[start : start + CHUNK]),
                columns.hour.in_(sorted(hours)),
            )
        )
        found += [(row.baseline_id, row.hour, row.payload) for row in rows]
    return found


async def delete_blocks(tx: Transaction, organization_id: int, baseline_ids: Collection[int], *, kept_hours: Collection[int] = ()) -> None:
    """Drops the blocks of baselines, except those of some hours."""
    columns = baseline_blocks.c
    numbers = sorted(baseline_ids)
    for start in range(0, len(numbers), CHUNK):
        chunk = numbers[start : start + CHUNK]
        statement = delete(baseline_blocks).where(columns.organization_id == organization_id, columns.baseline_id.in_(chunk))
        await tx.execute(statement.where(columns.hour.not_in(sorted(kept_hours))))
