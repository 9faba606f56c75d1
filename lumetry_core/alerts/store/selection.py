"""Reading alerts from the database."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Select, and_, func, or_, select, type_coerce

from lumetry_core.alerts.model import Alert, AlertFilter, AlertState, CloseCause, Eligibility, SourceKind
from lumetry_core.alerts.store.alerts import FIELDS, alerts, parts
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import from_ms
from lumetry_core.runtime.database import Time, Transaction

ACTIVE = (AlertState.OPEN, AlertState.ACKNOWLEDGED)


async def read_alerts(tx: Transaction, organization_id: int, ids: Collection[int], *, lock: bool = False) -> list[Alert]:
    """Reads alerts by number, ascending; unknown ones are left out.

    Args:
        lock: Keeps others from changing them until the transaction ends.
    """
    found = []
    for part in parts(ids):
        statement = select(*SELECTED).where(alerts.c.organization_id == organization_id, alerts.c.id.in_(part)).order_by(alerts.c.id)
        found += await fetch(tx, statement.with_for_update() if lock else statement)
    return found


async def select_alerts(tx: Transaction, organization_id: int, wanted: AlertFilter) -> list[Alert]:
    """Reads the newest matching alerts, by start and then by number, both descending."""
    statement = (
        select(*SELECTED)
        .where(alerts.c.organization_id == organization_id, *read_conditions(wanted))
        .order_by(alerts.c.start_time.desc(), alerts.c.id.desc())
        .limit(wanted.limit)
    )
    return await fetch(tx, statement)


def read_conditions(wanted: AlertFilter) -> Iterable[ColumnElement[bool]]:
    """The conditions of a filter."""
    selective = {
        alerts.c.metric_key: wanted.metric_key,
        alerts.c.rule_id: wanted.rule_id,
        alerts.c.incident_id: wanted.incident_id,
        alerts.c.dimension_key: wanted.dimension_key,
    }
    if wanted.severity is None:
        yield alerts.c.severity != Severity.INFO  # below the range of the `lumetry` family, for which this lists
    broad = {alerts.c.severity: wanted.severity, alerts.c.state: wanted.state, alerts.c.source_kind: wanted.source_kind}
    given = [column == value for column, value in selective.items() if value is not None]
    yield from given
    for column, value in broad.items():
        if value is not None:
            # Without statistics SQLite may prefer the index of a column with few values; the function keeps it from that.
            yield (func.coalesce(column, "") if given else column) == value
    if wanted.start_time is not None:
        yield alerts.c.start_time >= wanted.start_time
    if wanted.end_time is not None:
        yield alerts.c.start_time <= wanted.end_time


async def select_active(
    tx: Transaction,
    organization_id: int,
    *,
    source_kind: SourceKind | None = None,
    rule_id: int | None = None,
    incident_id: int | None = None,
    is_watched: bool = False,
    lock: bool = False,
) -> list[Alert]:
    """Reads active alerts by number, ascending; what is given must match."""
    columns = {
        alerts.c.rule_id: rule_id,
        alerts.c.incident_id: incident_id,
        # The function keeps SQLite from preferring the index of the source, which holds all that are over as well.
        func.coalesce(alerts.c.source_kind, ""): source_kind,
    }
    given = [column == value for column, value in columns.items() if value is not None]
    if is_watched:
        given.append(alerts.c.watch_start_time.is_not(None))
    statement = (
        select(*SELECTED).where(alerts.c.organization_id == organization_id, alerts.c.state.in_(ACTIVE), *given).order_by(alerts.c.id)
    )
    return await fetch(tx, statement.with_for_update() if lock else statement)


async def select_silenced(tx: Transaction, organization_id: int, silence_ids: Collection[int]) -> list[Alert]:
    """Reads the active alerts that silences mute, by number, ascending, kept from changing until the transaction ends."""
    statement = select(*SELECTED).where(
        alerts.c.organization_id == organization_id, alerts.c.silence_id.in_(sorted(silence_ids)), alerts.c.state != AlertState.CLOSED
    )
    return await fetch(tx, statement.order_by(alerts.c.id).with_for_update())


async def select_covering(
    tx: Transaction, organization_id: int, probes: Sequence[tuple[int, str | None, datetime]]
) -> list[tuple[int, int, str, datetime, datetime | None]]:
    """Reads the number, rule, dimension key, first violation and end of the alerts that cover any probe (rule, dimension key, time)."""
    found = []
    for start in range(0, len(probes), PROBES_PER_STATEMENT):
        part = probes[start : start + PROBES_PER_STATEMENT]
        covers = or_(
            *(
                and_(
                    alerts.c.rule_id == rule_id,
                    alerts.c.dimension_key == (dimension_key or ""),
                    alerts.c.first_violation_time <= time,
                    or_(alerts.c.end_time.is_(None), alerts.c.end_time >= time),
                )
                for rule_id, dimension_key, time in part
            )
        )
        columns = (alerts.c.id, alerts.c.rule_id, alerts.c.dimension_key, alerts.c.first_violation_time, alerts.c.end_time)
        rows = await tx.execute(select(*columns).where(alerts.c.organization_id == organization_id, covers).order_by(alerts.c.id))
        found += [tuple(row) for row in rows]
    return found


PROBES_PER_STATEMENT = 200


async def select_closings(tx: Transaction, organization_id: int, cause: CloseCause, since: datetime) -> list[Alert]:
    """Reads alerts that were closed by a cause since a time, by end, ascending."""
    statement = (
        select(*SELECTED)
        .where(
            alerts.c.organization_id == organization_id,
            alerts.c.state == AlertState.CLOSED,
            alerts.c.close_cause == cause,
            alerts.c.end_time >= since,
        )
        .order_by(alerts.c.end_time, alerts.c.id)
    )
    return await fetch(tx, statement)


async def fetch(tx: Transaction, statement: Select[Any]) -> list[Alert]:
    """Reads whole alerts with a select of SELECTED."""
    return [read_row(row) for row in await tx.execute(statement)]


SELECTED = [type_coerce(column, BigInteger) if isinstance(column.type, Time) else column for column in (alerts.c[name] for name in FIELDS)]
"""All columns in the order of the model, times as numbers: converting only those that are given makes long lists twice as fast."""
TIMES = [position for position, name in enumerate(FIELDS) if isinstance(alerts.c[name].type, Time)]
DIMENSION_KEY = FIELDS.index("dimension_key")
LABELS = FIELDS.index("labels")
DETAILS = FIELDS.index("details")
CHANNEL_NAMES = FIELDS.index("channel_names")
CHOICES: list[tuple[int, dict[str, StrEnum]]] = [
    (FIELDS.index(name), {choice.value: choice for choice in kind})
    for name, kind in (
        ("source_kind", SourceKind),
        ("state", AlertState),
        ("severity", Severity),
        ("incident_eligibility", Eligibility),
        ("close_cause", CloseCause),
    )
]


def read_row(row: Any) -> Alert:  # noqa: ANN401 -- a row of SELECTED
    """An alert from its row."""
    values = list(row)
    for position in TIMES:
        if values[position] is not None:
            values[position] = from_ms(values[position])
    for position, choices in CHOICES:
        values[position] = choices.get(values[position])
    values[DIMENSION_KEY] = values[DIMENSION_KEY] or None
    if values[LABELS] is not None:
        values[LABELS] = msgspec.json.decode(values[LABELS], type=dict[str, str])
    if values[DETAILS] is not None:
        values[DETAILS] = msgspec.json.decode(values[DETAILS])
    if values[CHANNEL_NAMES] is not None:
        values[CHANNEL_NAMES] = msgspec.json.decode(values[CHANNEL_NAMES], type=tuple[int | str, ...])
    return Alert(*values)
