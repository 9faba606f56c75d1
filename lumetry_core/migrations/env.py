"""Alembic's entry: runs the migrations on the connection that `run.upgrade` hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from lumetry_core.migrations.tables import metadata
from lumetry_core.runtime.database import Time


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:  # noqa: ANN401 -- any schema item
    """Writes our own types as what the database sees, so that a migration depends on no code of today."""
    return "sa.BigInteger()" if kind == "type" and isinstance(item, Time) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
