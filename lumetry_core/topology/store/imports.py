"""What imports were answered, so that a repetition is answered alike."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, String, Table, Text, select

from lumetry_core.runtime.database import Time, Transaction, metadata

topology_imports = Table(
    "topology_imports",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("source", String(255), primary_key=True),
    Column("import_id", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("answer", Text, nullable=False),  # JSON
    Column("create_time", Time, nullable=False),
)

columns = topology_imports.c


@dataclass(frozen=True, slots=True)
class StoredImport:
    """The newest import of its name: what tells its payload from others, and the answer as JSON."""

    digest: str
    answer: str


async def find_import(tx: Transaction, organization_id: int, source: str, import_id: str) -> StoredImport | None:
    """The newest import of a source under a name."""
    statement = select(columns.digest, columns.answer).where(
        columns.organization_id == organization_id, columns.source == source, columns.import_id == import_id
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else StoredImport(row.digest, row.answer)


async def keep_import(tx: Transaction, organization_id: int, source: str, import_id: str, stored: StoredImport, now: datetime) -> None:
    """Stores an import in the place of an earlier one of its name."""
    values = {"digest": stored.digest, "answer": stored.answer, "create_time": now}
    key = {"organization_id": organization_id, "source": source, "import_id": import_id}
    insert = tx.insert(topology_imports).values(key | values)
    await tx.execute(insert.on_conflict_do_update(index_elements=list(key), set_=values))
