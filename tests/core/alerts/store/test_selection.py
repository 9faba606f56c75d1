import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite

from lumetry_core.alerts.model import AlertFilter, AlertState, SourceKind
from lumetry_core.alerts.store.alerts import alerts
from lumetry_core.alerts.store.selection import read_conditions
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Database


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (AlertFilter(), "ix_alerts_organization_start"),
        (AlertFilter(state=AlertState.OPEN), "ix_alerts_organization_state"),
        (AlertFilter(severity=Severity.CRITICAL), "ix_alerts_organization_severity"),
        (AlertFilter(state=AlertState.OPEN, severity=Severity.CRITICAL), "ix_alerts_organization_state_severity"),
        (AlertFilter(source_kind=SourceKind.EXTERNAL), "ix_alerts_organization_source"),
        (AlertFilter(rule_id=1), "ix_alerts_organization_rule"),
        (AlertFilter(rule_id=1, state=AlertState.CLOSED), "ix_alerts_organization_rule"),
        (AlertFilter(metric_key="cpu", severity=Severity.WARNING, state=AlertState.CLOSED), "ix_alerts_organization_metric"),
        (AlertFilter(incident_id=1, source_kind=SourceKind.METRIC_RULE), "ix_alerts_organization_incident"),
        (AlertFilter(dimension_key="a=b", state=AlertState.OPEN), "ix_alerts_organization_dimension"),
    ],
)
async def test_lists_walk_an_index_in_order(database: Database, wanted: AlertFilter, index: str) -> None:
    """The filters people combine find their rows in order, without sorting, even when SQLite has no statistics."""
    if database.is_postgresql:
        pytest.skip("plans of PostgreSQL depend on statistics")
    statement = (
        select(alerts)
        .where(alerts.c.organization_id == 7, *read_conditions(wanted))
        .order_by(alerts.c.start_time.desc(), alerts.c.id.desc())
        .limit(500)
    )
    query = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    async with database.read() as tx:
        plan = [row.detail for row in await tx.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    assert len(plan) == 1
    assert f"USING INDEX {index} (" in plan[0]


async def test_active_alerts_are_found_by_their_state(database: Database) -> None:
    """What is over costs nothing when evaluation looks for what is not."""
    if database.is_postgresql:
        pytest.skip("plans of PostgreSQL depend on statistics")
    conditions = "organization_id = 7 AND state IN ('Open', 'Acknowledged') AND coalesce(source_kind, '') = 'MetricRule'"
    query = f"SELECT * FROM alerts WHERE {conditions} ORDER BY id"
    async with database.read() as tx:
        plan = [row.detail for row in await tx.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    assert "(organization_id=? AND state=?)" in plan[0]
