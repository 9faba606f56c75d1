"""What organizations set for themselves. A setting without a row follows the deployment."""

from collections.abc import Collection, Mapping

from sqlalchemy import BigInteger, Column, String, Table, delete, select

from lumetry_core.runtime.database import Transaction, metadata

organization_settings = Table(
    "organization_settings",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(100), primary_key=True),
    Column("value", BigInteger),
)


async def select_settings(tx: Transaction, organization_id: int) -> dict[str, int | None]:
    """What the organization set, by field; a value of None switches off."""
    columns = organization_settings.c
    rows = await tx.execute(select(columns.name, columns.value).where(columns.organization_id == organization_id))
    return {row.name: row.value for row in rows}


async def upsert_settings(tx: Transaction, organization_id: int, values: Mapping[str, int | None]) -> None:
    """Sets settings."""
    for name, value in values.items():
        insert = tx.insert(organization_settings).values(organization_id=organization_id, name=name, value=value)
        await tx.execute(insert.on_conflict_do_update(index_elements=["organization_id", "name"], set_={"value": insert.excluded.value}))


async def delete_settings(tx: Transaction, organization_id: int, names: Collection[str]) -> None:
    """Lets settings follow the deployment again."""
    columns = organization_settings.c
    await tx.execute(delete(organization_settings).where(columns.organization_id == organization_id, columns.name.in_(sorted(names))))
