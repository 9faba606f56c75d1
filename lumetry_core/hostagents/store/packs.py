"""How organizations have rule packs used; packs without a row are used as they are."""

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, Text, select

from lumetry_core.hostagents.packs import Usage
from lumetry_core.runtime.database import Transaction, metadata

agent_rule_packs = Table(
    "agent_rule_packs",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("pack_id", String(64), primary_key=True),
    Column("is_enabled", Boolean, nullable=False),
    Column("interval_seconds", Integer),
    Column("always_collect", Text, nullable=False),  # JSON
)

columns = agent_rule_packs.c
decoder = msgspec.json.Decoder(tuple[str, ...])


async def list_usages(tx: Transaction, organization_id: int, *, lock: bool = False) -> dict[str, Usage]:
    """What was decided about packs, by their identity.

    Args:
        lock: Keeps others from changing it until the transaction ends.
    """
    statement = select(agent_rule_packs).where(columns.organization_id == organization_id).order_by(columns.pack_id)
    rows = await tx.execute(statement.with_for_update() if lock else statement)
    return {row.pack_id: Usage(row.is_enabled, row.interval_seconds, decoder.decode(row.always_collect)) for row in rows}


async def write_usage(tx: Transaction, organization_id: int, pack_id: str, usage: Usage) -> None:
    """Writes what is decided about a pack."""
    key = {"organization_id": organization_id, "pack_id": pack_id}
    values = {
        "is_enabled": usage.is_enabled,
        "interval_seconds": usage.interval_seconds,
        "always_collect": msgspec.json.encode(usage.always_collect).decode(),
    }
    insert = tx.insert(agent_rule_packs).values(key | values)
    await tx.execute(insert.on_conflict_do_update(index_elements=list(key), set_=values))
