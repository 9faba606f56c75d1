"""What rules have counted, in the database. The look for what is due goes across organizations."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, bindparam, delete, select, update

from lumetry_core.logrules.model import Mark, State
from lumetry_core.runtime.database import Time, Transaction, metadata
from lumetry_core.runtime.rows import RowStatement, ms_or_none

log_rule_states = Table(
    "log_rule_states",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("rule_id", BigInteger, primary_key=True, autoincrement=False),
    Column("times", LargeBinary, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("marks", LargeBinary, nullable=False),
    Column("group_ids", LargeBinary, nullable=False),
    Column("last_match_time", Time),
    Column("due_time", Time),
    Column("last_fire_time", Time),
    # Across organizations, as the worker ends whatever is due.
    Index("ix_log_rule_states_due", "due_time"),
)
columns = log_rule_states.c
WRITTEN = ("times", "count", "marks", "group_ids", "last_match_time", "due_time", "last_fire_time")
WRITE = RowStatement(
    update(log_rule_states)
    .where(columns.organization_id == bindparam("of_organization"), columns.rule_id == bindparam("of_rule"))
    .values({name: bindparam(name) for name in WRITTEN}),
    ("of_organization", "of_rule", *WRITTEN),
)
encode = msgspec.msgpack.encode


async def insert_state(tx: Transaction, organization_id: int, rule_id: int) -> None:
    """Begins to remember what a new rule counts."""
    empty = encode(())
    values = {"organization_id": organization_id, "rule_id": rule_id, "times": b"", "count": 0, "marks": empty, "group_ids": empty}
    await tx.execute(log_rule_states.insert(), values)


async def hold_states(tx: Transaction, organization_id: int, rule_ids: Collection[int]) -> dict[int, State]:
    """What rules have counted, kept from changing until the transaction ends."""
    wanted = (columns.organization_id == organization_id, columns.rule_id.in_(sorted(rule_ids)))
    rows = await tx.execute(select(log_rule_states).where(*wanted).order_by(columns.rule_id).with_for_update())
    return {row.rule_id: read_row(row) for row in rows}


async def find_state(tx: Transaction, organization_id: int, rule_id: int) -> State | None:
    """What a rule has counted."""
    wanted = (columns.organization_id == organization_id, columns.rule_id == rule_id)
    row = (await tx.execute(select(log_rule_states).where(*wanted))).one_or_none()
    return None if row is None else read_row(row)


async def write_states(tx: Transaction, organization_id: int, states: Sequence[State]) -> None:
    """Replaces what rules have counted."""
    rows = [
        (
            organization_id,
            state.rule_id,
            state.times,
            state.count,
            encode(state.marks),
            encode(state.group_ids),
            ms_or_none(state.last_match_time),
            ms_or_none(state.due_time),
            ms_or_none(state.last_fire_time),
        )
        for state in states
    ]
    await WRITE.execute(tx, rows)


async def delete_state(tx: Transaction, organization_id: int, rule_id: int) -> None:
    """Forgets what a rule has counted."""
    await tx.execute(delete(log_rule_states).where(columns.organization_id == organization_id, columns.rule_id == rule_id))


async def list_due(tx: Transaction, now: datetime, limit: int) -> list[tuple[int, int]]:
    """Organizations and rules whose alerts are over unless something matched meanwhile, those of an organization one after another."""
    statement = select(columns.organization_id, columns.rule_id).where(columns.due_time <= now).order_by(columns.due_time).limit(limit)
    return sorted((row.organization_id, row.rule_id) for row in await tx.execute(statement))


def read_row(row: Any) -> State:  # noqa: ANN401 -- a row of the table
    """What a rule has counted, from its row."""
    values = row._asdict()
    del values["organization_id"]
    values["marks"] = msgspec.msgpack.decode(values["marks"], type=tuple[Mark, ...])
    values["group_ids"] = msgspec.msgpack.decode(values["group_ids"], type=tuple[int, ...])
    return State(**values)
