"""A counter for each organization, raised by whatever changes how its points are judged."""

from sqlalchemy import BigInteger, Column, Table, bindparam, select

from lumetry_core.runtime.database import Transaction, metadata

evaluation_versions = Table(
    "evaluation_versions",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)


async def raise_version(tx: Transaction, organization_id: int) -> None:
    """Counts the version up and keeps it locked until the transaction ends."""
    insert = tx.insert(evaluation_versions).values(organization_id=organization_id, version=1)
    raised = insert.on_conflict_do_update(index_elements=["organization_id"], set_={"version": evaluation_versions.c.version + 1})
    await tx.execute(raised)


READ_VERSION = select(evaluation_versions.c.version).where(evaluation_versions.c.organization_id == bindparam("of"))
HOLD_VERSION = READ_VERSION.with_for_update(read=True)


async def read_version(tx: Transaction, organization_id: int, *, hold: bool) -> int:
    """The organization's version; 0 before the first change."""
    version: int | None = (await tx.execute(HOLD_VERSION if hold else READ_VERSION, {"of": organization_id})).scalar_one_or_none()
    return version or 0


async def read_versions(tx: Transaction) -> dict[int, int]:
    """The versions of all organizations that have one."""
    rows = await tx.execute(select(evaluation_versions.c.organization_id, evaluation_versions.c.version))
    return {row.organization_id: row.version for row in rows}
