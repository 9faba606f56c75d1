"""Recorded decisions in the database: one row for each transition of an alert."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, LargeBinary, Row, String, Table, Text, bindparam, select, update

from lumetry_core.alerts.decisions import Decision, Explanation, Gate, Outcome, Record, Transition, Verdict
from lumetry_core.alerts.store.alerts import parts
from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata

decisions = Table(
    "decisions",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("alert_id", BigInteger, primary_key=True, autoincrement=False),
    Column("transition", String(20), primary_key=True),
    Column("outcome", String(20), nullable=False),
    Column("summary", Text, nullable=False),
    Column("gates", LargeBinary, nullable=False),
    Column("create_time", Time, nullable=False),
)


class GateRow(msgspec.Struct, array_like=True, frozen=True):
    """A decision without its names, as there are nine for each transition."""

    gate: Gate
    verdict: Verdict
    reason: str
    record: tuple[str, str, str] | None
    time_ms: int | None
    details: dict[str, Any]


encoder = msgspec.msgpack.Encoder()
decoder = msgspec.msgpack.Decoder(tuple[GateRow, ...])


async def insert_explanations(tx: Transaction, organization_id: int, explanations: Sequence[Explanation], now: datetime) -> None:
    """Records the traces of transitions. Of a kind that an alert makes again, as it does when it rises twice, the newest is kept."""
    if not explanations:
        return
    rows = [
        {
            "organization_id": organization_id,
            "alert_id": explanation.alert_id,
            "transition": explanation.transition,
            "outcome": explanation.outcome,
            "summary": explanation.summary,
            "gates": encoder.encode([pack(gate) for gate in explanation.gates]),
            "create_time": now,
        }
        for explanation in explanations
    ]
    insert = tx.insert(decisions)
    kept = ("outcome", "summary", "gates", "create_time")
    replaced = {name: insert.excluded[name] for name in kept}
    await tx.execute(insert.on_conflict_do_update(index_elements=["organization_id", "alert_id", "transition"], set_=replaced), rows)


async def update_explanations(tx: Transaction, organization_id: int, explanations: Sequence[Explanation]) -> None:
    """Replaces recorded traces."""
    if not explanations:
        return
    statement = (
        update(decisions)
        .where(
            decisions.c.organization_id == organization_id,
            decisions.c.alert_id == bindparam("of_alert"),
            decisions.c.transition == bindparam("of_transition"),
        )
        .values(outcome=bindparam("new_outcome"), summary=bindparam("new_summary"), gates=bindparam("new_gates"))
    )
    rows = [
        {
            "of_alert": explanation.alert_id,
            "of_transition": explanation.transition,
            "new_outcome": explanation.outcome,
            "new_summary": explanation.summary,
            "new_gates": encoder.encode([pack(gate) for gate in explanation.gates]),
        }
        for explanation in explanations
    ]
    await tx.execute(statement, rows)


async def read_explanations(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> dict[tuple[int, Transition], Explanation]:
    """Reads all traces of alerts, by alert and transition."""
    found = {}
    for part in parts(alert_ids):
        rows = await tx.execute(select(decisions).where(decisions.c.organization_id == organization_id, decisions.c.alert_id.in_(part)))
        for row in rows:
            found[row.alert_id, Transition(row.transition)] = read_row(row)
    return found


async def read_explanation(tx: Transaction, organization_id: int, alert_id: int, transition: Transition) -> Explanation | None:
    """Reads the trace of a transition; None when it has not been recorded."""
    row = (
        await tx.execute(
            select(decisions).where(
                decisions.c.organization_id == organization_id,
                decisions.c.alert_id == alert_id,
                decisions.c.transition == transition,
            )
        )
    ).one_or_none()
    return None if row is None else read_row(row)


def read_row(row: Row[Any]) -> Explanation:
    """A trace from its row."""
    gates = tuple(unpack(gate) for gate in decoder.decode(row.gates))
    return Explanation(row.alert_id, Transition(row.transition), Outcome(row.outcome), row.summary, gates)


def pack(decision: Decision) -> GateRow:
    """A decision as it is stored."""
    record = None if decision.record is None else (decision.record.type, decision.record.id, decision.record.name)
    time_ms = None if decision.time is None else to_ms(decision.time)
    return GateRow(decision.gate, decision.verdict, decision.reason, record, time_ms, dict(decision.details))


def unpack(row: GateRow) -> Decision:
    """A decision as it was made."""
    time = None if row.time_ms is None else from_ms(row.time_ms)
    record = None if row.record is None else Record(*row.record)
    return Decision(row.gate, row.verdict, row.reason, record, time, row.details)
