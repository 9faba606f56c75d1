"""Violations in the database."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    delete,
    false,
    func,
    or_,
    select,
    text,
    type_coerce,
    update,
)

from lumetry_core.rules.model import Direction, Severity
from lumetry_core.runtime.clock import from_ms
from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.violations.model import Attachment, EvidenceProbe, NewViolation, RunAttachment, Violation, ViolationFilter

TIMES_PER_STATEMENT = 5000
PROBES_PER_STATEMENT = 200
IS_DETECTED = "analysis IS NOT NULL"
"""Spelled out in statements as in the partial index, because a bound value would keep SQLite from using it."""

violations = Table(
    "violations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("rule_id", BigInteger),
    Column("rule_epoch", Integer, nullable=False),
    Column("rule_name", Text),
    Column("metric_key", Text, nullable=False),
    Column("metric_display_name", Text, nullable=False),
    Column("dimension_key", Text, nullable=False),
    Column("time", Time, nullable=False),
    Column("actual_value", Float, nullable=False),
    Column("expected_value", Float),
    Column("lower_threshold", Float),
    Column("upper_threshold", Float),
    Column("direction", String(10), nullable=False),
    Column("severity", String(20), nullable=False),
    Column("alert_level_id", BigInteger),
    Column("deviation_percent", Float),
    Column("baseline_confidence", String(10)),
    Column("detect_time", Time, nullable=False),
    Column("alert_id", BigInteger),
    Column("job_id", BigInteger),
    Column("is_late", Boolean, nullable=False),
    Column("analysis", String(40)),
    Column("tick_time", Time),
    UniqueConstraint("organization_id", "rule_id", "time", "dimension_key", name="uq_violations_point"),
    Index("ix_violations_organization_time", "organization_id", "time", "id"),
    Index("ix_violations_organization_metric", "organization_id", "metric_key", "time", "id"),
    Index("ix_violations_organization_alert", "organization_id", "alert_id", "time", "id"),
    Index(
        "uq_violations_tick",
        "organization_id",
        "metric_key",
        "dimension_key",
        "tick_time",
        "analysis",
        unique=True,
        sqlite_where=text(IS_DETECTED),
        postgresql_where=text(IS_DETECTED),
    ),
    sqlite_autoincrement=True,
)

WRITTEN = [column.name for column in violations.columns if column.name not in {"id", "organization_id"}]


async def insert_violations(tx: Transaction, organization_id: int, new: Sequence[NewViolation]) -> None:
    """Adds violations; those whose rule, dimension key and time, or analysis, member and tick, are there already are left out."""
    if not new:
        return
    rows = [{column: getattr(violation, column) for column in WRITTEN} for violation in new]
    for row in rows:
        row["organization_id"] = organization_id
        row["dimension_key"] = row["dimension_key"] or ""
    await tx.execute(tx.insert(violations).on_conflict_do_nothing(), rows)


async def set_alerts(tx: Transaction, organization_id: int, attachments: Sequence[Attachment]) -> None:
    """Makes recorded violations part of alerts; those that are part of one already stay there."""
    rows = [
        {
            "of_rule": attachment.rule_id,
            "of_dimension": attachment.dimension_key or "",
            "at_time": time,
            "to_alert": attachment.alert_id,
        }
        for attachment in attachments
        for time in attachment.times
    ]
    if not rows:
        return
    statement = (
        update(violations)
        .where(
            violations.c.organization_id == organization_id,
            violations.c.rule_id == bindparam("of_rule"),
            violations.c.time == bindparam("at_time"),
            violations.c.dimension_key == bindparam("of_dimension"),
            violations.c.alert_id.is_(None),
        )
        .values(alert_id=bindparam("to_alert"))
    )
    await tx.execute(statement, rows)


async def set_alerts_of_runs(tx: Transaction, organization_id: int, attachments: Sequence[RunAttachment]) -> None:
    """Makes recorded violations of fleet analyses part of alerts; those that are part of one already stay there."""
    if not attachments:
        return
    statement = (
        update(violations)
        .where(
            violations.c.organization_id == organization_id,
            violations.c.metric_key == bindparam("of_metric"),
            violations.c.dimension_key == bindparam("of_dimension"),
            violations.c.tick_time >= bindparam("since"),
            violations.c.analysis == bindparam("of_analysis"),
            text(IS_DETECTED),
            violations.c.alert_id.is_(None),
        )
        .values(alert_id=bindparam("to_alert"))
    )
    rows = [
        {
            "of_metric": attachment.metric_key,
            "of_dimension": attachment.dimension_key or "",
            "since": attachment.start_tick,
            "of_analysis": attachment.analysis,
            "to_alert": attachment.alert_id,
        }
        for attachment in attachments
    ]
    await tx.execute(statement, rows)


async def select_recorded(
    tx: Transaction, organization_id: int, rule_id: int, times: Collection[datetime]
) -> set[tuple[str | None, datetime]]:
    """The dimension keys and times among `times` at which a rule has violations."""
    found: set[tuple[str | None, datetime]] = set()
    ordered = sorted(times)
    for start in range(0, len(ordered), TIMES_PER_STATEMENT):
        statement = select(violations.c.dimension_key, violations.c.time).where(
            violations.c.organization_id == organization_id,
            violations.c.rule_id == rule_id,
            violations.c.time.in_(ordered[start : start + TIMES_PER_STATEMENT]),
        )
        found |= {(row.dimension_key or None, row.time) for row in await tx.execute(statement)}
    return found


async def select_violations(tx: Transaction, organization_id: int, wanted: ViolationFilter) -> list[Violation]:
    """Reads the newest matching violations, by time and then by number, both descending."""
    statement = (
        select(*SELECTED)
        .where(violations.c.organization_id == organization_id, *read_conditions(wanted))
        .order_by(violations.c.time.desc(), violations.c.id.desc())
        .limit(wanted.limit)
    )
    return [read_row(row) for row in await tx.execute(statement)]


def read_conditions(wanted: ViolationFilter) -> Iterable[ColumnElement[bool]]:
    """The conditions of a filter."""
    columns = {
        violations.c.metric_key: wanted.metric_key,
        violations.c.rule_id: wanted.rule_id,
        violations.c.severity: wanted.severity,
        violations.c.dimension_key: wanted.dimension_key,
    }
    yield from (column == value for column, value in columns.items() if value is not None)
    if wanted.alert_ids is not None:
        yield violations.c.alert_id.in_(wanted.alert_ids)
    if wanted.start_time is not None:
        yield violations.c.time >= wanted.start_time
    if wanted.end_time is not None:
        yield violations.c.time <= wanted.end_time


async def select_unattached(tx: Transaction, organization_id: int, since: datetime) -> list[Violation]:
    """Reads violations of rules with trigger weight that belong to no alert, of the time `since` and later, ascending."""
    statement = (
        select(*SELECTED)
        .where(
            violations.c.organization_id == organization_id,
            violations.c.time >= since,
            violations.c.alert_id.is_(None),
            violations.c.is_late == false(),
            violations.c.rule_id.is_not(None),
        )
        .order_by(violations.c.time, violations.c.id)
    )
    return [read_row(row) for row in await tx.execute(statement)]


FIELDS = tuple(field.name for field in fields(Violation))
SELECTED = [
    type_coerce(column, BigInteger) if isinstance(column.type, Time) else column for column in (violations.c[name] for name in FIELDS)
]
"""All columns in the order of the model, times as numbers, which makes long lists faster."""
TIMES = [FIELDS.index("time"), FIELDS.index("detect_time")]
TICK_TIME = FIELDS.index("tick_time")
DIMENSION_KEY = FIELDS.index("dimension_key")
DIRECTION = FIELDS.index("direction")
SEVERITY = FIELDS.index("severity")
DIRECTIONS = {direction.value: direction for direction in Direction}
SEVERITIES = {severity.value: severity for severity in Severity}


def read_row(row: Any) -> Violation:  # noqa: ANN401 -- a row of SELECTED
    """A violation from its row."""
    values = list(row)
    for position in TIMES:
        values[position] = from_ms(values[position])
    if values[TICK_TIME] is not None:
        values[TICK_TIME] = from_ms(values[TICK_TIME])
    values[DIRECTION] = DIRECTIONS[values[DIRECTION]]
    values[SEVERITY] = SEVERITIES[values[SEVERITY]]
    values[DIMENSION_KEY] = values[DIMENSION_KEY] or None
    return Violation(**dict(zip(FIELDS, values, strict=True)))


async def select_breached_times(
    tx: Transaction, organization_id: int, metric_key: str, since: datetime, *, detectors_only: bool
) -> list[tuple[str | None, int]]:
    """Dimension keys and times, in ms, of a metric's points of the time `since` and later that breached something.

    Violations of compound rules come with the time of a cycle, not of a point, and without a job.
    """
    statement = select(violations.c.dimension_key, type_coerce(violations.c.time, BigInteger).label("time_ms")).where(
        violations.c.organization_id == organization_id, violations.c.metric_key == metric_key, violations.c.time >= since
    )
    if detectors_only:
        statement = statement.where(violations.c.rule_id.is_(None))
    else:
        statement = statement.where(or_(violations.c.rule_id.is_(None), violations.c.job_id.is_not(None)))
    return [(row.dimension_key or None, row.time_ms) for row in await tx.execute(statement)]


async def select_first_times(tx: Transaction, organization_id: int, probes: Sequence[EvidenceProbe]) -> dict[int, datetime]:
    """The time of the first violation that each probe asks for, by alert."""
    found: dict[int, datetime] = {}
    for start in range(0, len(probes), PROBES_PER_STATEMENT):
        asked = or_(
            *(
                and_(
                    violations.c.organization_id == organization_id,
                    violations.c.alert_id == probe.alert_id,
                    violations.c.time >= probe.since,
                    violations.c.detect_time > probe.recorded_after,
                )
                for probe in probes[start : start + PROBES_PER_STATEMENT]
            )
        )
        first = func.min(violations.c.time).label("first_time")
        for row in await tx.execute(select(violations.c.alert_id, first).where(asked).group_by(violations.c.alert_id)):
            found[row.alert_id] = row.first_time
    return found


async def delete_before(tx: Transaction, organization_id: int, before: datetime, limit: int) -> int:
    """Deletes the oldest violations of a time before, at most so many; tells how many there were."""
    statement = (
        select(violations.c.id)
        .where(violations.c.organization_id == organization_id, violations.c.time < before)
        .order_by(violations.c.time, violations.c.id)
        .limit(limit)
    )
    ids = [row.id for row in await tx.execute(statement)]
    for start in range(0, len(ids), TIMES_PER_STATEMENT):
        part = ids[start : start + TIMES_PER_STATEMENT]
        await tx.execute(delete(violations).where(violations.c.organization_id == organization_id, violations.c.id.in_(part)))
    return len(ids)
