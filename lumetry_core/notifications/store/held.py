"""Transitions that wait in the database: for the end of a cover, for a storm to show itself, for an incident's page to go."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Table, and_, delete, func, select

from lumetry_core.alerts.decisions import Transition
from lumetry_core.notifications.store.deliveries import parts
from lumetry_core.runtime.database import Time, Transaction, metadata

held_openings = Table(
    "held_openings",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("alert_id", BigInteger, primary_key=True, autoincrement=False),
    Column("transition", String(20), primary_key=True),
    Column("cause", String(20), nullable=False),
    Column("record_id", String(100), nullable=False),
    Column("incident_id", BigInteger),
    Column("due_time", Time),
    Column("create_time", Time, nullable=False),
    Index("ix_held_openings_organization_id_due_time", "organization_id", "due_time"),
    Index("ix_held_openings_organization_id_incident_id", "organization_id", "incident_id"),
)
repeated_incidents = Table(
    "repeated_incidents",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("incident_id", BigInteger, primary_key=True, autoincrement=False),
    Column("due_time", Time, nullable=False),
)

STORM = "storm"
"""Cause of what waits a moment to see whether its incident is a storm."""
RELEASED = "released"
"""In place of a record: what waits so was held back by something else before."""


@dataclass(frozen=True, slots=True)
class Held:
    """A transition (an opening, unless a cover holds it) that waits.

    Args:
        cause: `maintenance`, `silence` or STORM.
        record_id: Of the window or silence; for STORM empty or RELEASED.
        due_time: When it is looked at again without being told to; None: never.
        create_time: When it began to wait for this cause.
    """

    organization_id: int
    alert_id: int
    transition: Transition
    cause: str
    record_id: str
    incident_id: int | None
    due_time: datetime | None
    create_time: datetime


async def hold(tx: Transaction, waiting: Sequence[Held]) -> None:
    """Adds what waits, or replaces why it does."""
    if not waiting:
        return
    statement = tx.insert(held_openings)
    statement = statement.on_conflict_do_update(
        index_elements=["organization_id", "alert_id", "transition"],
        set_={name: statement.excluded[name] for name in ("cause", "record_id", "incident_id", "due_time", "create_time")},
    )
    await tx.execute(statement, [{name: getattr(held, name) for name in Held.__slots__} for held in waiting])


async def drop(tx: Transaction, organization_id: int, keys: Collection[tuple[int, Transition]]) -> None:
    """Removes what waits no longer, by alert and transition."""
    for transition in Transition:
        for part in parts(alert_id for alert_id, wanted in keys if wanted is transition):
            await tx.execute(
                delete(held_openings).where(
                    held_openings.c.organization_id == organization_id,
                    held_openings.c.alert_id.in_(part),
                    held_openings.c.transition == transition,
                )
            )


async def read_of_alerts(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> list[Held]:
    """Reads what waits of alerts."""
    found = []
    for part in parts(alert_ids):
        found += await fetch(tx, held_openings.c.organization_id == organization_id, held_openings.c.alert_id.in_(part))
    return found


async def read_of_silences(tx: Transaction, organization_id: int, silence_ids: Collection[str]) -> list[Held]:
    """Reads what silences hold back."""
    found = []
    for part in parts(silence_ids):
        of_silences = and_(held_openings.c.cause == "silence", held_openings.c.record_id.in_(part))
        found += await fetch(tx, held_openings.c.organization_id == organization_id, of_silences)
    return found


async def read_waiting_in(tx: Transaction, organization_id: int, incident_ids: Collection[int], since: datetime) -> set[tuple[int, int]]:
    """Incident and alert of what has waited since a time or later."""
    found: set[tuple[int, int]] = set()
    for part in parts(incident_ids):
        statement = select(held_openings.c.incident_id, held_openings.c.alert_id).where(
            held_openings.c.organization_id == organization_id,
            held_openings.c.incident_id.in_(part),
            held_openings.c.create_time >= since,
        )
        found |= {(row.incident_id, row.alert_id) for row in await tx.execute(statement)}
    return found


async def read_due(tx: Transaction, organization_id: int, now: datetime, limit: int) -> list[Held]:
    """Reads what is due, in order of alerts."""
    return await fetch(tx, held_openings.c.organization_id == organization_id, held_openings.c.due_time <= now, limit=limit)


async def fetch(tx: Transaction, *conditions: Any, limit: int | None = None) -> list[Held]:  # noqa: ANN401 -- SQLAlchemy's expressions
    """Reads what matches, an alert's opening before its escalation."""
    order = (held_openings.c.alert_id, held_openings.c.transition.desc())
    rows = await tx.execute(select(held_openings).where(*conditions).order_by(*order).limit(limit))
    return [
        Held(
            row.organization_id,
            row.alert_id,
            Transition(row.transition),
            row.cause,
            row.record_id,
            row.incident_id,
            row.due_time,
            row.create_time,
        )
        for row in rows
    ]


async def note_repetitions(tx: Transaction, organization_id: int, incident_ids: Collection[int], due_time: datetime) -> None:
    """Makes incidents be looked at again at a time, unless they will be before."""
    if incident_ids:
        rows = [{"organization_id": organization_id, "incident_id": number, "due_time": due_time} for number in sorted(incident_ids)]
        await tx.execute(tx.insert(repeated_incidents).on_conflict_do_nothing(), rows)


async def take_repetitions(tx: Transaction, organization_id: int, now: datetime) -> set[int]:
    """Takes the incidents that are to be looked at again."""
    due = (repeated_incidents.c.organization_id == organization_id, repeated_incidents.c.due_time <= now)
    found = set((await tx.execute(select(repeated_incidents.c.incident_id).where(*due))).scalars())
    if found:
        await tx.execute(delete(repeated_incidents).where(*due))
    return found


async def next_due(tx: Transaction) -> list[tuple[int, datetime]]:
    """When each organization has something due next, earliest first."""
    earliest: dict[int, datetime] = {}
    for table in (held_openings, repeated_incidents):
        statement = select(table.c.organization_id, func.min(table.c.due_time).label("time")).where(table.c.due_time.is_not(None))
        for row in await tx.execute(statement.group_by(table.c.organization_id)):
            earliest[row.organization_id] = min(row.time, earliest.get(row.organization_id, row.time))
    return sorted(earliest.items(), key=lambda pair: (pair[1], pair[0]))
