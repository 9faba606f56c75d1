"""Statements for many rows, without what the toolkit does to each, which costs several times the database's own work."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.sql.dml import UpdateBase

from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction


class RowStatement:
    """An insert or update that is run for each of many rows, written out once for each kind of database.

    A row is a tuple of what the driver takes, in the order of the names: times are milliseconds, words are plain text.
    """

    def __init__(self, statement: UpdateBase, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = tuple(names)
        self._written: dict[str, tuple[str, tuple[int, ...]]] = {}

    async def execute(self, tx: Transaction, rows: Sequence[tuple[Any, ...]]) -> None:
        """Runs the statement for each row, in order."""
        if not rows:
            return
        dialect = tx.connection.dialect
        if dialect.name not in self._written:
            compiled: Any = self._statement.compile(dialect=dialect, column_keys=self._names)
            self._written[dialect.name] = str(compiled), tuple(self._names.index(name) for name in compiled.positiontup)
        text, places = self._written[dialect.name]
        if places != tuple(range(len(self._names))):
            rows = [tuple(row[place] for place in places) for row in rows]
        await tx.connection.exec_driver_sql(text, list(rows))


def ms_or_none(moment: datetime | None) -> int | None:
    """A time as the database has it."""
    return None if moment is None else to_ms(moment)
