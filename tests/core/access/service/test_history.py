from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from lumetry_core.access.model import AuditEntry
from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.history import list_audit_logs, list_revisions
from lumetry_core.access.store.audit import insert_entries
from lumetry_core.access.trail import AuditFilter, AuditLog, Revision
from lumetry_core.migrations.run import run_on
from lumetry_core.migrations.tables import metadata
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database, Transaction, open_database
from lumetry_core.runtime.errors import LumetryError
from tests.conftest import run_in_thread

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
ANN = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="ann", request_id="r-1", address="192.0.2.1")
BOB = Caller(organization_id=7, kind=CredentialKind.API_TOKEN, user_id=43, user_name="b_b%", user_agent="curl")
STRANGER = Caller(organization_id=8, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="ann")


async def record_some(tx: Transaction) -> None:
    """Five actions a minute apart, the last two at one time, and one of another organization between them."""
    await record_audit(tx, ANN, "Rule.Created", "Rule", 1, NOW, after={"name": "a"})
    await record_audit(tx, ANN, "Rule.Updated", "Rule", 1, NOW + timedelta(minutes=1), before={"name": "a"}, after={"name": "b"})
    await record_audit(tx, STRANGER, "Rule.Created", "Rule", 1, NOW + timedelta(minutes=1), after={"name": "c"})
    await record_audit(tx, BOB, "Alert.Closed", "Alert", 11, NOW + timedelta(minutes=2), before={"status": "Open"})
    await record_audit(tx, BOB, "MetricEntity.Created", "MetricEntity", "host:a/b_c", NOW + timedelta(minutes=3), after={"x": 1})
    await record_audit(tx, BOB, "MetricEntity.Removed", "MetricEntity", "host:a/b_c", NOW + timedelta(minutes=3), before={"x": 1})


async def actions(database: Database, *, page: int = 0, page_size: int = 0, **wanted: Any) -> list[str]:
    """The actions of a page of the matching rows of organization 7."""
    async with database.read() as tx:
        found, _total = await list_audit_logs(tx, ANN, AuditFilter(**wanted), page, page_size)
    return [log.entry.action for log in found]


async def test_list_audit_logs_newest_first(database: Database) -> None:
    """Rows are whole, by time and number descending, and those of one organization only."""
    async with database.write() as tx:
        await record_some(tx)
    async with database.read() as tx:
        found, total = await list_audit_logs(tx, ANN, AuditFilter(), 2, 2)
        strange = await list_audit_logs(tx, STRANGER, AuditFilter(), 0, 0)
    closed = AuditEntry(
        "Alert.Closed", "Alert", "11", '{"status":"Open"}', None, 43, "b_b%", None, "curl", None, NOW + timedelta(minutes=2)
    )
    updated = AuditEntry(
        "Rule.Updated", "Rule", "1", '{"name":"a"}', '{"name":"b"}', 42, "ann", "192.0.2.1", None, "r-1", NOW + timedelta(minutes=1)
    )
    assert (found, total) == ([AuditLog(4, closed), AuditLog(2, updated)], 5)
    assert [log.id for log in strange[0]] == [3]
    everything = ["MetricEntity.Removed", "MetricEntity.Created", "Alert.Closed", "Rule.Updated", "Rule.Created"]
    assert await actions(database) == everything
    assert await actions(database, page=3, page_size=2) == everything[4:]
    assert await actions(database, page=2_000_000_000, page_size=200) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"action": "rule.CREATED"}, ["Rule.Created"]),
        ({"action": "Rule"}, []),
        ({"action": "Rule.Created' OR 1=1"}, []),
        ({"entity_type": "alert"}, ["Alert.Closed"]),
        ({"actor_user_id": 42}, ["Rule.Updated", "Rule.Created"]),
        ({"actor_user_id": 2**53 - 1}, []),
        ({"search": "closed"}, ["Alert.Closed"]),
        ({"search": " metricENTITY.c "}, ["MetricEntity.Created"]),
        ({"search": "A/B_C"}, ["MetricEntity.Removed", "MetricEntity.Created"]),
        ({"search": "b_b%", "entity_type": "Alert"}, ["Alert.Closed"]),
        ({"search": "ann"}, ["Rule.Updated", "Rule.Created"]),
        ({"search": "a_n"}, []),
        ({"search": "%"}, ["MetricEntity.Removed", "MetricEntity.Created", "Alert.Closed"]),
        ({"search": "\\"}, []),
        ({"search": "192.0.2.1"}, []),
        ({"search": "x" * 100_000}, []),
        ({"start_time": NOW + timedelta(minutes=1), "end_time": NOW + timedelta(minutes=2)}, ["Alert.Closed", "Rule.Updated"]),
        ({"start_time": NOW, "end_time": NOW}, ["Rule.Created"]),
        ({"action": "Rule.Created", "entity_type": "Alert"}, []),
    ],
)
async def test_list_audit_logs_that_match(database: Database, wanted: dict[str, Any], found: list[str]) -> None:
    """Filters narrow together; ends are inclusive; wildcards are plain characters."""
    async with database.write() as tx:
        await record_some(tx)
    assert await actions(database, **wanted) == found


async def test_list_audit_logs_leaves_no_trace(database: Database) -> None:
    """Reading is not recorded."""
    async with database.write() as tx:
        await record_audit(tx, ANN, "Rule.Created", "Rule", 1, NOW)
    for _ in range(2):
        assert await actions(database) == ["Rule.Created"]


@pytest.mark.parametrize(
    ("wanted", "page", "page_size", "paths"),
    [
        (AuditFilter(search="\0", action="\0", entity_type="\0"), -1, 201, ["search", "action", "entityType", "page", "pageSize"]),
        (AuditFilter(start_time=NOW, end_time=NOW - timedelta(milliseconds=1)), 1, -1, ["from", "pageSize"]),
    ],
)
async def test_list_audit_logs_names_faults(database: Database, wanted: AuditFilter, page: int, page_size: int, paths: list[str]) -> None:
    """All faults are named by the query's parameters."""
    async with database.read() as tx:
        with pytest.raises(LumetryError) as failure:
            await list_audit_logs(tx, ANN, wanted, page, page_size)
    assert [fault.path for fault in failure.value.faults] == paths


async def test_list_revisions_newest_first(database: Database) -> None:
    """The history of one entity of one organization; one without a history is empty."""
    async with database.write() as tx:
        await record_some(tx)
    async with database.read() as tx:
        rule = await list_revisions(tx, ANN, "Rule", "1", 0, 0)
        second_page = await list_revisions(tx, ANN, "Rule", "1", 2, 1)
        entity = await list_revisions(tx, ANN, "MetricEntity", "host:a/b_c", 0, 0)
        empty = [await list_revisions(tx, ANN, *asked, 0, 0) for asked in (("Rule", "2"), ("Rule", "\0"), ("SavedView", "1"))]
    created = Revision("Created", None, '{"name":"a"}', 42, "ann", "r-1", NOW)
    updated = Revision("Updated", '{"name":"a"}', '{"name":"b"}', 42, "ann", "r-1", NOW + timedelta(minutes=1))
    assert rule == ([updated, created], 2)
    assert second_page == ([created], 2)
    assert [(revision.operation, revision.before_json, revision.after_json) for revision in entity[0]] == [
        ("Removed", '{"x":1}', None),
        ("Created", None, '{"x":1}'),
    ]
    assert empty == [([], 0)] * 3


async def test_list_revisions_of_an_identity_that_no_database_holds(database: Database) -> None:
    """An entity is found under the identity it was recorded under, however that had to be written."""
    identity = "host:\0\ud800a\r\n" + "x" * 400
    async with database.write() as tx:
        await record_audit(tx, ANN, "MetricEntity.Created", "MetricEntity", identity, NOW, after={"x": 1})
    async with database.read() as tx:
        found, total = await list_revisions(tx, ANN, "MetricEntity", identity, 0, 0)
    assert ([revision.operation for revision in found], total) == (["Created"], 1)


async def test_list_revisions_of_a_collector_in_capitals(database: Database) -> None:
    """Its identity is a UUID, which means the same in either case."""
    identity = "c0000000-0000-4000-8000-00000000000a"
    async with database.write() as tx:
        await record_audit(tx, ANN, "Collector.Created", "Collector", identity, NOW, after={"x": 1})
    async with database.read() as tx:
        found, total = await list_revisions(tx, ANN, "Collector", identity.upper(), 0, 0)
    assert ([revision.operation for revision in found], total) == (["Created"], 1)


@pytest.mark.parametrize("entity_type", ["rule", "Alert", "User", ""])
async def test_list_revisions_of_a_type_without_history(database: Database, entity_type: str) -> None:
    """Types are spelled exactly, and only the documented ones have histories."""
    async with database.read() as tx:
        with pytest.raises(LumetryError) as failure:
            await list_revisions(tx, ANN, entity_type, "1", -1, 0)
    assert [fault.path for fault in failure.value.faults] == ["entityType", "page"]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "create_time"),
        ({"action": "rule.created"}, "action"),
        ({"entity_type": "rule"}, "entity_type"),
        ({"actor_user_id": 42}, "actor_user_id"),
        ({"start_time": NOW, "end_time": NOW}, "create_time"),
        ({"search": "rule"}, "search"),
        ({"search": "rule", "start_time": NOW}, "search"),
    ],
)
async def test_list_audit_logs_by_index(tmp_path: Path, wanted: dict[str, Any], index: str) -> None:
    """No list visits more than the index of its filter, or sorts; the values are read of the page's rows only."""
    url = f"sqlite:///{tmp_path}/declared.db"
    run_in_thread(lambda: run_on(url, metadata.create_all))
    database = open_database(url)
    statements: list[tuple[str, Sequence[Any]]] = []
    async with database.write() as tx:
        await record_some(tx)

    def on_execute(_connection: Any, _cursor: Any, statement: str, parameters: Sequence[Any], *_rest: Any) -> None:
        statements.append((statement, parameters))

    async with database.read() as tx:
        event.listen(tx.connection.sync_connection, "before_cursor_execute", on_execute)
        await list_audit_logs(tx, ANN, AuditFilter(**wanted), 0, 0)
        event.remove(tx.connection.sync_connection, "before_cursor_execute", on_execute)
        plans = []
        for statement, parameters in statements:
            rows = await tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(parameters))
            plans.append([row.detail for row in rows])
    await database.close()
    *spellings, count, page = ["\n".join(plan) for plan in plans]
    by_index = f"COVERING INDEX ix_audit_logs_organization_id_{index} "
    assert all(by_index in plan for plan in (*spellings, page))
    assert count.startswith("SEARCH audit_logs USING COVERING INDEX")
    assert "SEARCH audit_logs USING INTEGER PRIMARY KEY (rowid=?)" in page
    assert page.endswith("USE TEMP B-TREE FOR ORDER BY")  # of the rows of the page
    assert page.count("TEMP B-TREE") == 1
    assert "SCAN audit_logs" not in "".join((*spellings, count, page))


async def test_list_revisions_of_a_backward_clock(database: Database) -> None:
    """Time decides, then the number."""
    async with database.write() as tx:
        for minutes in (5, 1, 5):
            await record_audit(tx, ANN, "Rule.Updated", "Rule", 1, NOW + timedelta(minutes=minutes), before={"x": minutes}, after={})
        await insert_entries(tx, 7, [AuditEntry("A.B", "A", "1", None, None, None, None, None, None, None, NOW)])
    async with database.read() as tx:
        found, _ = await list_revisions(tx, ANN, "Rule", "1", 0, 0)
    assert [revision.create_time for revision in found] == [NOW + timedelta(minutes=minutes) for minutes in (5, 5, 1)]
    assert (await actions(database))[-1] == "A.B"
