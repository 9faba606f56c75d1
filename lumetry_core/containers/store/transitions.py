"""Transitions in the database."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, delete, func, select

from lumetry_core.containers.model import DOWN, ENDED, ContainerState, Health, Transition
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

container_transitions = Table(
    "container_transitions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("container_id", BigInteger, nullable=False),
    Column("previous_state", String(20), nullable=False),
    Column("new_state", String(20), nullable=False),
    Column("previous_health", String(20)),
    Column("new_health", String(20)),
    Column("exit_code", Integer),
    Column("log_snippet", Text),
    Column("time", Time, nullable=False),
    Column("absent_since", Time),
    Index("ix_container_transitions_organization_container", "organization_id", "container_id", "time", "id"),
    Index("ix_container_transitions_organization_time", "organization_id", "time"),
    sqlite_autoincrement=True,
)


async def insert_transition(tx: Transaction, transition: Transition) -> None:
    """Adds a transition, whose own number does not count."""
    values = {
        "organization_id": transition.organization_id,
        "container_id": transition.container_id,
        "previous_state": transition.previous_state.value,
        "new_state": transition.new_state.value,
        "previous_health": None if transition.previous_health is None else transition.previous_health.value,
        "new_health": None if transition.new_health is None else transition.new_health.value,
        "exit_code": transition.exit_code,
        "log_snippet": transition.log_snippet,
        "time": transition.time,
        "absent_since": transition.absent_since,
    }
    await tx.execute(container_transitions.insert().values(values))


async def list_transitions(
    tx: Transaction, organization_id: int, container_id: int, since: datetime, until: datetime, limit: int, offset: int
) -> list[Transition]:
    """Transitions of a container between two times, those included, newest first."""
    columns = container_transitions.c
    statement = (
        select(container_transitions)
        .where(columns.organization_id == organization_id, columns.container_id == container_id, columns.time >= since)
        .where(columns.time <= until)
        .order_by(columns.time.desc(), columns.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [read_row(row) for row in await tx.execute(statement)]


async def count_transitions(tx: Transaction, organization_id: int, container_id: int, since: datetime, until: datetime) -> int:
    """How many transitions of a container there are between two times, those included."""
    columns = container_transitions.c
    statement = select(func.count()).where(
        columns.organization_id == organization_id,
        columns.container_id == container_id,
        columns.time >= since,
        columns.time <= until,
    )
    number: int = (await tx.execute(statement)).scalar_one()
    return number


async def count_restarts(tx: Transaction, organization_id: int, container_ids: Collection[int], since: datetime) -> dict[int, int]:
    """How often containers came back to running since a time; those that did not are left out."""
    columns = container_transitions.c
    statement = (
        select(columns.container_id, func.count().label("restarts"))
        .where(columns.organization_id == organization_id, columns.container_id.in_(sorted(container_ids)), columns.time > since)
        .where(columns.new_state == ContainerState.RUNNING.value, columns.previous_state.in_(sorted(ENDED)))
        .group_by(columns.container_id)
    )
    return {row.container_id: int(row.restarts) for row in await tx.execute(statement)}


async def read_last_snippet(tx: Transaction, organization_id: int, container_id: int) -> str | None:
    """The end of the log of the last run that failed; None where it was not kept."""
    columns = container_transitions.c
    statement = (
        select(columns.log_snippet)
        .where(columns.organization_id == organization_id, columns.container_id == container_id, columns.new_state.in_(sorted(DOWN)))
        .order_by(columns.time.desc(), columns.id.desc())
        .limit(1)
    )
    found: str | None = (await tx.execute(statement)).scalar_one_or_none()
    return found


async def delete_transitions(tx: Transaction, organization_id: int, container_ids: Collection[int]) -> None:
    """Removes all transitions of containers."""
    columns = container_transitions.c
    await tx.execute(
        delete(container_transitions).where(columns.organization_id == organization_id, columns.container_id.in_(sorted(container_ids)))
    )


async def drop_before(tx: Transaction, organization_id: int, before: datetime, limit: int) -> int:
    """Removes at most so many transitions from before a time; answers how many."""
    columns = container_transitions.c
    oldest = select(columns.id).where(columns.organization_id == organization_id, columns.time < before).order_by(columns.time).limit(limit)
    statement = delete(container_transitions).where(columns.organization_id == organization_id, columns.id.in_(oldest.scalar_subquery()))
    return int((await tx.execute(statement)).rowcount)


def read_row(row: Any) -> Transition:  # noqa: ANN401 -- rows carry their columns as attributes
    """A transition from its row."""
    return Transition(
        id=row.id,
        organization_id=row.organization_id,
        container_id=row.container_id,
        previous_state=ContainerState(row.previous_state),
        new_state=ContainerState(row.new_state),
        previous_health=None if row.previous_health is None else Health(row.previous_health),
        new_health=None if row.new_health is None else Health(row.new_health),
        exit_code=row.exit_code,
        log_snippet=row.log_snippet,
        time=row.time,
        absent_since=row.absent_since,
    )
