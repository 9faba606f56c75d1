"""Reading alerts as the `monitoring` family lists them: of every source and severity."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select

from lumetry_core.alerts.model import Alert, AlertState, SourceKind
from lumetry_core.alerts.store.alerts import alerts
from lumetry_core.alerts.store.selection import ACTIVE, SELECTED, fetch
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction

columns = alerts.c

KINDS_OF = {"metric": (SourceKind.METRIC_RULE, SourceKind.FLEET_DETECTOR), "external": (SourceKind.EXTERNAL,)}
"""Sources that are no monitors."""
is_silenced = or_(columns.maintenance_window_id.is_not(None), columns.silence_id.is_not(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """Which alerts; nothing given keeps all. `before` is exclusive by start and, with `before_id`, then by number."""

    sources: Collection[str] = ()
    severities: Collection[Severity] = ()
    status: str = ""
    before: datetime | None = None
    before_id: int | None = None


async def select_page(tx: Transaction, organization_id: int, wanted: FeedFilter, limit: int | None) -> list[Alert]:
    """Reads the newest matching alerts, by start and then by number, both descending.

    Args:
        limit: None: all.
    """
    statement = (
        select(*SELECTED)
        .where(columns.organization_id == organization_id, *read_conditions(wanted))
        .order_by(columns.start_time.desc(), columns.id.desc())
    )
    return await fetch(tx, statement if limit is None else statement.limit(limit))


def read_conditions(wanted: FeedFilter) -> Iterable[ColumnElement[bool]]:
    """The conditions of a filter."""
    if wanted.sources:
        kinds = [kind for source in wanted.sources for kind in KINDS_OF.get(source, ())]
        monitors = [source for source in wanted.sources if source not in KINDS_OF]
        yield or_(columns.source_kind.in_(kinds), columns.monitor_source.in_(monitors))
    if wanted.severities:
        yield columns.severity.in_(wanted.severities)
    match wanted.status:
        case "resolved":
            yield columns.state == AlertState.CLOSED
        case "silenced":
            yield and_(columns.state.in_(ACTIVE), is_silenced)
        case "active":
            yield and_(columns.state.in_(ACTIVE), columns.maintenance_window_id.is_(None), columns.silence_id.is_(None))
    if wanted.before is not None and wanted.before_id is not None:
        yield columns.start_time <= wanted.before
        yield or_(columns.start_time < wanted.before, columns.id < wanted.before_id)
    elif wanted.before is not None:
        yield columns.start_time < wanted.before
