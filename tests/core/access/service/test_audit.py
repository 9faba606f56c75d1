import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.store.audit import audit_logs, revisions
from lumetry_core.runtime.caller import Caller, CredentialKind, system_caller
from lumetry_core.runtime.database import Database

NOW = datetime(2026, 6, 1, 8, 0, 0, 5000, tzinfo=UTC)
PERSON = Caller(
    organization_id=7,
    kind=CredentialKind.INTERACTIVE,
    credential_id=1,
    user_id=42,
    user_name="ann",
    request_id="request-1",
    address="192.0.2.1",
    user_agent="browser\0" + "x" * 300,
)


async def test_record_audit_of_an_update(database: Database, rows: Callable) -> None:
    """A row tells who did what to what, from where, without secrets, times as everywhere; a type with a history gets a revision."""
    async with database.write() as tx:
        await record_audit(
            tx, PERSON, "Rule.Updated", "Rule", 5, NOW, before={"name": "a", "webhookToken": "x"}, after={"name": "b", "changedAt": NOW}
        )
    values = {
        "organization_id": 7,
        "entity_type": "Rule",
        "entity_id": "5",
        "actor_user_id": 42,
        "actor_name": "ann",
        "correlation_id": "request-1",
        "create_time": NOW,
    }
    before, after = '{"name":"a","webhookToken":"•••"}', '{"name":"b","changedAt":"2026-06-01T08:00:00.005Z"}'
    assert await rows(audit_logs, *(column.name for column in audit_logs.columns if column.name != "id")) == [
        values
        | {
            "action": "Rule.Updated",
            "old_values_json": before,
            "new_values_json": after,
            "address": "192.0.2.1",
            "user_agent": "browser\ufffd" + "x" * 248,
        }
    ]
    assert await rows(revisions, *(column.name for column in revisions.columns if column.name != "id")) == [
        values | {"operation": "Updated", "before_json": before, "after_json": after}
    ]


@pytest.mark.parametrize(
    ("entity_type", "before", "after", "operations"),
    [
        ("MetricDefinition", None, {"a": 1}, ["Created"]),
        ("Collector", {"a": 1}, None, ["Removed"]),
        ("Collector", None, None, []),
        ("Alert", {"a": 1}, {"a": 2}, []),
    ],
)
async def test_record_audit_with_and_without_revision(
    database: Database, rows: Callable, entity_type: str, before: dict[str, Any], after: dict[str, Any], operations: list[str]
) -> None:
    """Only the documented types have a history, and only of changed values."""
    async with database.write() as tx:
        await record_audit(tx, PERSON, f"{entity_type}.Done", entity_type, 1, NOW, before=before, after=after)
    assert [row["operation"] for row in await rows(revisions, "operation")] == operations
    assert await rows(audit_logs, "action") == [{"action": f"{entity_type}.Done"}]


async def test_record_audit_rolls_back_with_its_change(database: Database, rows: Callable) -> None:
    """What did not happen is not in the log."""

    async def change() -> None:
        async with database.write() as tx:
            await record_audit(tx, PERSON, "Rule.Created", "Rule", 1, NOW, after={})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change()
    assert await rows(audit_logs, "id") == []
    assert await rows(revisions, "id") == []


async def test_record_audit_of_machines(database: Database, rows: Callable) -> None:
    """The system and machine credentials act without a user, under a name that tells what they belong to."""
    system = system_caller(7)
    collector = Caller(organization_id=7, kind=CredentialKind.COLLECTOR, collector_id="d97e2b99")
    source = Caller(organization_id=7, kind=CredentialKind.EXTERNAL_SOURCE, source_id=3)
    log_key = Caller(organization_id=7, kind=CredentialKind.LOG_KEY, credential_id=4)
    async with database.write() as tx:
        for caller in (system, collector, source, log_key):
            await record_audit(tx, caller, "Alert.Closed", "Alert", 1, NOW)
    assert await rows(audit_logs, "actor_user_id", "actor_name") == [
        {"actor_user_id": None, "actor_name": name} for name in ("system", "collector d97e2b99", "external alert source 3", "log key 4")
    ]


async def test_record_audit_of_hostile_text(database: Database, rows: Callable) -> None:
    """Nothing that a caller sends ends a line, steers a terminal, cannot be stored or is a secret; all of it has a length."""
    secret = "lmt_" + "0123456789abcdef" * 3
    hostile = "a\r\n\x1b[31m\u2028\u202e\ud800\0" + secret + "\U0001f600"
    caller = replace(PERSON, user_agent=hostile + "x" * 100_000, address=hostile, request_id=hostile, user_name=hostile)
    async with database.write() as tx:
        await record_audit(tx, caller, "Rule.Updated", "Rule", hostile * 10, NOW, before={hostile: hostile}, after={"x": ["\ud800"]})
    safe = "a\ufffd\ufffd\ufffd[31m\ufffd\ufffd\ufffd\ufffd•••\U0001f600"
    [row] = await rows(audit_logs, *(column.name for column in audit_logs.columns if column.name != "id"))
    values = json.loads(row.pop("old_values_json"))
    kept = hostile.replace("\ud800", "\ufffd").replace(secret, "•••")
    assert values == {kept: kept}
    assert row == {
        "organization_id": 7,
        "action": "Rule.Updated",
        "entity_type": "Rule",
        "entity_id": safe * 10,
        "new_values_json": '{"x":["\ufffd"]}',
        "actor_user_id": 42,
        "actor_name": safe,
        "address": safe,
        "user_agent": safe + "x" * (256 - len(safe)),
        "correlation_id": safe,
        "create_time": NOW,
    }
    [revision] = await rows(revisions, "entity_id", "after_json")
    assert revision == {"entity_id": safe * 10, "after_json": '{"x":["\ufffd"]}'}
