import ast
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from lumetry.access.v1 import audit_service_pb2
from lumetry_core.access.model import NewUser, User
from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.history import list_audit_logs, list_revisions
from lumetry_core.access.service.tokens import create_api_token, revoke_api_token
from lumetry_core.access.service.upkeep import drop_old
from lumetry_core.access.service.users import create_user, deactivate_user
from lumetry_core.access.store.audit import audit_logs, revisions
from lumetry_core.access.trail import AuditFilter
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database

SOURCE = Path(__file__).parents[3] / "lumetry_core"
WRITERS = {"insert_entries": {"insert"}, "insert_revisions": {"insert"}, "delete_entries": {"delete"}}
"""The functions of the store that write, and what they do."""

SQLITE_GUARD = """
CREATE TRIGGER {table}_{deed} BEFORE {deed} ON {table} WHEN {condition} BEGIN SELECT RAISE(ABORT, 'the record was changed'); END
"""
POSTGRES_GUARD = """
CREATE TRIGGER {table}_{deed} BEFORE {deed} ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()
"""
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the record was changed'; END $$
"""


async def guard(database: Database, kept_from: int) -> None:
    """Makes the database refuse every change of the record, but for the removal of audit rows that are old."""
    template = POSTGRES_GUARD if database.is_postgresql else SQLITE_GUARD
    async with database.write() as tx:
        if database.is_postgresql:
            await tx.execute(text(REFUSE))
        for table, deed, condition in (
            ("audit_logs", "UPDATE", "1 = 1"),
            ("audit_logs", "DELETE", f"OLD.create_time >= {kept_from}"),
            ("revisions", "UPDATE", "1 = 1"),
            ("revisions", "DELETE", "1 = 1"),
        ):
            await tx.connection.exec_driver_sql(template.format(table=table, deed=deed, condition=condition))


async def test_verbs_only_add_to_the_record(database: Database, clock: Clock, admin: User, rows: Callable) -> None:
    """Creating, changing, ending and reading leave every earlier row as it was; upkeep removes nothing but old audit rows."""
    now = clock.now()
    caller = system_caller(admin.organization_id)
    await guard(database, kept_from=int(now.timestamp() * 1000))
    tables = {table: [column.name for column in table.columns] for table in (audit_logs, revisions)}
    async with database.write() as tx:
        await record_audit(tx, caller, "Rule.Created", "Rule", 1, now - timedelta(days=500), after={"x": 1})
    before = {table: await rows(table, *columns) for table, columns in tables.items()}
    async with database.write() as tx:
        user = await create_user(tx, caller, NewUser("bob", ("Viewer",)), now)
        token, _ = await create_api_token(tx, caller, user.id, name="ci", permissions=None, expire_time=None, now=now)
        await revoke_api_token(tx, caller, token.id, now)
        await deactivate_user(tx, caller, user.id, now)
        await list_audit_logs(tx, caller, AuditFilter(), 0, 0)
        await list_revisions(tx, caller, "ApiToken", str(token.id), 0, 0)
    after = {table: await rows(table, *columns) for table, columns in tables.items()}
    assert {table: found[: len(before[table])] for table, found in after.items()} == before
    assert [row["action"] for row in after[audit_logs][len(before[audit_logs]) :]] == [
        "User.Created",
        "ApiToken.Created",
        "ApiToken.Revoked",
        "User.Deactivated",
    ]
    async with database.write() as tx:
        await drop_old(tx, admin.organization_id, timedelta(days=400), now)
    assert await rows(audit_logs, *tables[audit_logs]) == [row for row in after[audit_logs] if row["create_time"] >= now]
    assert await rows(revisions, *tables[revisions]) == after[revisions]


@pytest.mark.parametrize(("table", "deed"), [("audit_logs", "UPDATE"), ("revisions", "DELETE")])
async def test_guard_notices_changes(database: Database, clock: Clock, admin: User, table: str, deed: str) -> None:
    """The test above would see a change."""
    await guard(database, kept_from=0)
    async with database.write() as tx:
        await record_audit(tx, system_caller(admin.organization_id), "Rule.Created", "Rule", 1, clock.now(), after={"x": 1})
    statement = f"UPDATE {table} SET actor_name = 'x'" if deed == "UPDATE" else f"DELETE FROM {table}"

    async def change() -> None:
        async with database.write() as tx:
            await tx.execute(text(statement))

    with pytest.raises(Exception, match="the record was changed"):
        await change()


def test_only_the_store_of_the_record_writes_it() -> None:
    """No other module knows the tables, and within the store only insertions and the removal of old rows write."""
    modules = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")}
    knowing = {name for name, module in modules.items() if "migrations/versions" not in name and knows_tables(module)}
    assert knowing == {"access/store/audit.py"}
    functions = [node for node in ast.walk(modules["access/store/audit.py"]) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    writing = {function.name: calls_in(function) & {"insert", "update", "delete", "text"} for function in functions}
    assert {name: deeds for name, deeds in writing.items() if deeds} == WRITERS
    remover = next(function for function in functions if function.name == "delete_entries")
    assert "revisions" not in {node.id for node in ast.walk(remover) if isinstance(node, ast.Name)}


def test_service_only_reads() -> None:
    """The record's service has no RPC that could change it."""
    methods = audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"].methods_by_name
    assert sorted(methods) == ["ListAuditLogs", "ListRevisions"]


def knows_tables(module: ast.Module) -> bool:
    """Whether code names the tables, by itself or through the store."""
    names = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(module) if isinstance(node, ast.Attribute)}
    sources = {node.module for node in ast.walk(module) if isinstance(node, ast.ImportFrom)}
    return "audit_logs" in names | attributes or "lumetry_core.access.store.audit" in sources


def calls_in(tree: ast.AST) -> set[str]:
    """The names of functions and methods that code calls."""
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {func.id if isinstance(func, ast.Name) else func.attr for func in called if isinstance(func, ast.Name | ast.Attribute)}
