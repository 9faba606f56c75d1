"""Brings a database to the newest schema."""

import asyncio
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from lumetry_core.runtime.database import is_unavailable, unavailable
from lumetry_core.runtime.errors import LumetryError, Reason

FOLDER = Path(__file__).resolve().parent
MIGRATION_LOCK = 0x6C756D65


def configure() -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config


def upgrade(url: str) -> None:
    """Runs all missing migrations in one transaction; processes that do it at once wait for each other.

    Fails with STORE_UNAVAILABLE, and with CONFLICT when a newer release has migrated the database.
    """
    try:
        run_on(url, upgrade_connection)
    except (DBAPIError, OSError) as error:
        if is_unavailable(error):
            raise unavailable() from error
        raise


def upgrade_connection(connection: Connection) -> None:
    """Runs all missing migrations on an open connection."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
    config = configure()
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}:
        message = f"The database has schema {found}, which this release does not know."
        raise LumetryError(Reason.CONFLICT, message, type="Schema", id=found, state="newer")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def run_on(url: str, action: Any) -> None:  # noqa: ANN401 -- a function of a connection
    """Runs an action in a transaction on a connection of its own."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":

        async def run() -> None:
            engine = create_async_engine(parsed.set(drivername="postgresql+asyncpg"))
            try:
                async with engine.begin() as connection:
                    await connection.run_sync(action)
            finally:
                await engine.dispose()

        asyncio.run(run())
        return
    engine = create_engine(parsed, connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:  # noqa: ANN401
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            action(connection)
    finally:
        engine.dispose()


def autogenerate(url: str, message: str, number: str) -> None:
    """Writes a new migration from the difference between the tables and a migrated database; for developers."""

    def action(connection: Connection) -> None:
        config = configure()
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True, rev_id=number)

    run_on(url, action)
