"""Which schema the product needs and which one a database has, without loading the migrations."""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from lumetry_core.runtime.database import Database

VERSIONS = Path(__file__).resolve().parent / "versions"


def newest_revision() -> str:
    """The revision that the product needs: the number of the newest migration."""
    return max(path.name.partition("_")[0] for path in VERSIONS.glob("[0-9]*.py"))


async def read_revision(database: Database) -> str | None:
    """The revision of a database; None: no schema. Fails with STORE_UNAVAILABLE."""
    try:
        async with database.read() as tx:
            return (await tx.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()
    except DBAPIError:
        return None
