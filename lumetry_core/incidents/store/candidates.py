"""Problem candidates, and the resolutions from which some of them follow."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, Row, String, Table, Text, delete, func, select, text, update

from lumetry_core.incidents.candidates import (
    NON_IMPACT,
    CandidateFilter,
    CandidateStatus,
    CandidateType,
    Occurrence,
    ProblemCandidate,
)
from lumetry_core.incidents.model import Incident
from lumetry_core.incidents.store.incidents import split
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

IS_OPEN = "status = 'Open'"
"""The rows of which a type and correlation key have at most one."""

problem_candidates = Table(
    "problem_candidates",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("type", String(40), nullable=False),
    Column("status", String(20), nullable=False),
    Column("correlation_key", Text, nullable=False),
    Column("incident_id", BigInteger),
    Column("alert_id", BigInteger),
    Column("service_node_id", BigInteger),
    Column("ci_node_id", BigInteger),
    Column("metric_key", Text),
    Column("summary", Text, nullable=False),
    Column("occurrence_count", Integer, nullable=False),
    Column("first_seen_time", Time, nullable=False),
    Column("last_seen_time", Time, nullable=False),
    Column("dismiss_time", Time),
    Column("dismissed_by_user_name", Text),
    Column("dismiss_note", Text),
    Index("ix_problem_candidates_organization_seen", "organization_id", "last_seen_time", "id"),
    Index(
        "uq_problem_candidates_open",
        "organization_id",
        "type",
        "correlation_key",
        unique=True,
        sqlite_where=text(IS_OPEN),
        postgresql_where=text(IS_OPEN),
    ),
    sqlite_autoincrement=True,
)
incident_resolutions = Table(
    "incident_resolutions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("incident_id", BigInteger, nullable=False),
    Column("correlation_key", Text),
    Column("classification", String(20), nullable=False),
    Column("resolve_time", Time, nullable=False),
    Index("ix_incident_resolutions_organization_key", "organization_id", "correlation_key", "resolve_time"),
    Index("ix_incident_resolutions_organization_incident", "organization_id", "incident_id"),
    sqlite_autoincrement=True,
)


async def upsert_occurrences(tx: Transaction, organization_id: int, occurrences: Sequence[Occurrence], now: datetime) -> None:
    """Opens a candidate for each occurrence, or makes the open one of its type and key stronger."""
    if not occurrences:
        return
    rows = [
        {
            "organization_id": organization_id,
            "type": occurrence.type,
            "status": CandidateStatus.OPEN,
            "correlation_key": occurrence.key,
            "incident_id": occurrence.incident.id,
            "alert_id": occurrence.alert_id,
            "service_node_id": occurrence.incident.primary_service_node_id,
            "ci_node_id": occurrence.incident.primary_ci_node_id,
            "metric_key": occurrence.incident.primary_metric_key,
            "summary": occurrence.summary,
            "occurrence_count": 1,
            "first_seen_time": now,
            "last_seen_time": now,
        }
        for occurrence in sorted(occurrences, key=lambda occurrence: (occurrence.type, occurrence.key))
    ]
    statement = tx.insert(problem_candidates)
    latest = {name: statement.excluded[name] for name in ("incident_id", "alert_id", "summary", "last_seen_time")}
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["organization_id", "type", "correlation_key"],
            index_where=text(IS_OPEN),
            set_={"occurrence_count": problem_candidates.c.occurrence_count + 1, **latest},
        ),
        rows,
    )


async def list_candidates(tx: Transaction, organization_id: int, wanted: CandidateFilter) -> list[ProblemCandidate]:
    """Candidates, last seen first, then by id, descending."""
    statement = select(problem_candidates).where(problem_candidates.c.organization_id == organization_id)
    if wanted.status is not None:
        statement = statement.where(problem_candidates.c.status == wanted.status)
    if wanted.type is not None:
        statement = statement.where(problem_candidates.c.type == wanted.type)
    newest_first = statement.order_by(problem_candidates.c.last_seen_time.desc(), problem_candidates.c.id.desc())
    return [read_candidate(row) for row in await tx.execute(newest_first.limit(wanted.limit))]


async def find_candidate(tx: Transaction, organization_id: int, candidate_id: int, *, lock: bool) -> ProblemCandidate | None:
    """One candidate; locked, it is kept from changing until the transaction ends."""
    statement = select(problem_candidates).where(
        problem_candidates.c.organization_id == organization_id, problem_candidates.c.id == candidate_id
    )
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else read_candidate(row)


async def dismiss_candidate(tx: Transaction, candidate: ProblemCandidate) -> None:
    """Writes that a candidate is dismissed, by whom and why."""
    await tx.execute(
        update(problem_candidates)
        .where(problem_candidates.c.organization_id == candidate.organization_id, problem_candidates.c.id == candidate.id)
        .values(
            status=candidate.status,
            dismiss_time=candidate.dismiss_time,
            dismissed_by_user_name=candidate.dismissed_by_user_name,
            dismiss_note=candidate.dismiss_note,
        )
    )


async def delete_candidates(tx: Transaction, organization_id: int, before: datetime) -> None:
    """Deletes candidates that were last seen before a time."""
    conditions = problem_candidates.c.organization_id == organization_id, problem_candidates.c.last_seen_time < before
    await tx.execute(delete(problem_candidates).where(*conditions))


async def insert_resolution(tx: Transaction, incident: Incident) -> None:
    """Keeps how an incident was resolved, which a reopening takes from the incident itself."""
    row = {
        "organization_id": incident.organization_id,
        "incident_id": incident.id,
        "correlation_key": incident.correlation_key,
        "classification": incident.resolution_classification,
        "resolve_time": incident.resolve_time,
    }
    await tx.execute(incident_resolutions.insert(), row)


async def count_non_impact(tx: Transaction, organization_id: int, correlation_key: str, since: datetime) -> int:
    """How often incidents of a correlation key were resolved without impact since a time."""
    statement = (
        select(func.count())
        .select_from(incident_resolutions)
        .where(
            incident_resolutions.c.organization_id == organization_id,
            incident_resolutions.c.correlation_key == correlation_key,
            incident_resolutions.c.resolve_time >= since,
            incident_resolutions.c.classification.in_(sorted(NON_IMPACT)),
        )
    )
    count: int = (await tx.execute(statement)).scalar_one()
    return count


async def delete_resolutions(tx: Transaction, organization_id: int, incident_ids: Collection[int]) -> None:
    """Forgets the resolutions of incidents."""
    for part in split(sorted(incident_ids)):
        conditions = incident_resolutions.c.organization_id == organization_id, incident_resolutions.c.incident_id.in_(part)
        await tx.execute(delete(incident_resolutions).where(*conditions))


def read_candidate(row: Row[Any]) -> ProblemCandidate:
    """A row as its model."""
    values = dict(row._mapping)
    values |= {"type": CandidateType(values["type"]), "status": CandidateStatus(values["status"])}
    return ProblemCandidate(**values)
