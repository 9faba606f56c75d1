import json
from typing import Any

import pytest
from sqlalchemy import select

from lumetry_core.access.service.history import list_audit_logs, list_revisions
from lumetry_core.access.trail import AuditFilter
from lumetry_core.access.vault import Vault
from lumetry_core.notifications.drafts import IntegrationDraft, ProfileDraft
from lumetry_core.notifications.model import MASK, Integration, IntegrationType, LastStatus, Secrets, SendResult
from lumetry_core.notifications.sealing import unseal
from lumetry_core.notifications.service import integrations
from lumetry_core.notifications.service.integrations import Rules
from lumetry_core.notifications.service.profiles import create_profile, find_integrations
from lumetry_core.notifications.store.integrations import integrations as table
from lumetry_core.runtime.addresses import GLOBAL_ONLY
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.notifications.integrating import CALLER, OTHER, RULES, VAULT, draft

SECRETS: dict[str, Any] = {"secret": "hidden-secret", "headers": {"X-Key": "hidden-value", "X-Team": "hidden-team"}}


async def create(
    database: Database, clock: FakeClock, sent: IntegrationDraft, caller: Caller = CALLER, rules: Rules = RULES
) -> Integration:
    async with database.write() as tx:
        return await integrations.create_integration(tx, caller, sent, rules, clock.now())


async def update(database: Database, clock: FakeClock, number: int, sent: IntegrationDraft, rules: Rules = RULES) -> Integration:
    async with database.write() as tx:
        return await integrations.update_integration(tx, CALLER, number, sent, rules, clock.now())


async def delete(database: Database, clock: FakeClock, number: int, caller: Caller = CALLER) -> None:
    async with database.write() as tx:
        await integrations.delete_integration(tx, caller, number, clock.now())


async def faults_of(work: Any) -> list[tuple[str, str]]:
    """Why something is not valid."""
    with pytest.raises(LumetryError) as failure:
        await work
    assert failure.value.reason is Reason.VALIDATION_FAILED
    return [(fault.path, fault.message) for fault in failure.value.faults]


async def test_create_stores_secrets_sealed(database: Database, clock: FakeClock) -> None:
    """What readers get says that there is a secret and which headers there are; no column shows one."""
    made = await create(database, clock, draft(**SECRETS, config={"room": "4"}))
    assert (made.name, made.type, made.endpoint_url) == ("Ops", IntegrationType.WEBHOOK, "https://hooks.example.com/in")
    assert (made.header_names, made.has_secret, made.config, made.is_enabled) == (("X-Key", "X-Team"), True, {"room": "4"}, True)
    assert (made.create_time, made.update_time, made.last_tested_time) == (clock.now(), clock.now(), None)
    assert unseal(VAULT, made) == Secrets("hidden-secret", {"X-Key": "hidden-value", "X-Team": "hidden-team"})
    async with database.read() as tx:
        row = (await tx.execute(select(table))).one()
        assert "hidden" not in repr(tuple(row))
        assert (await find_integrations(tx, 7), await find_integrations(tx, 7, [made.id, 99])) == ({made.id: made}, {made.id: made})
        assert await find_integrations(tx, 8) == {}


async def test_create_without_anything_secret_seals_nothing(database: Database, clock: FakeClock) -> None:
    """An empty secret is none."""
    made = await create(database, clock, draft(secret=""))
    assert (made.sealed, made.has_secret) == (None, False)


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"type": "PagerDuty", "endpoint_url": None}, [("secret", "is required: the routing key")]),
        ({"type": "ServiceNow", "config": {"userName": "u"}}, [("secret", "is required: the user's password")]),
        ({"headers": {"X-A": MASK}}, [("headers.X-A", "has no stored value to keep")]),
        (
            {"name": "", "type": "PagerDuty"},
            [("name", "must have between 1 and 200 characters"), ("secret", "is required: the routing key")],
        ),
    ],
)
async def test_create_names_what_is_missing(
    database: Database, clock: FakeClock, fields: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    """Together with everything else that is wrong; nothing is written."""
    assert await faults_of(create(database, clock, draft(**fields))) == faults
    async with database.read() as tx:
        assert await integrations.list_integrations(tx, 7) == []
        assert await list_audit_logs(tx, CALLER, AuditFilter(), 0, 0) == ([], 0)


async def test_update_keeps_an_absent_secret_and_masked_headers(database: Database, clock: FakeClock) -> None:
    """Names of headers are compared ignoring case; those left out are gone."""
    made = await create(database, clock, draft(**SECRETS))
    clock.advance(seconds=1)
    changed = await update(database, clock, made.id, draft(name="New", headers={"x-key": MASK, "X-New": "new"}, is_enabled=False))
    assert (changed.name, changed.header_names, changed.has_secret, changed.is_enabled) == ("New", ("x-key", "X-New"), True, False)
    assert (changed.create_time, changed.update_time) == (made.create_time, clock.now())
    assert unseal(VAULT, changed) == Secrets("hidden-secret", {"x-key": "hidden-value", "X-New": "new"})


async def test_update_replaces_or_takes_away_a_secret(database: Database, clock: FakeClock) -> None:
    """Empty takes it away, where it is not required."""
    made = await create(database, clock, draft(**SECRETS))
    assert unseal(VAULT, await update(database, clock, made.id, draft(secret="other"))) == Secrets("other", {})
    assert (await update(database, clock, made.id, draft(secret=""))).has_secret is False
    pager = await create(database, clock, draft(type="PagerDuty", secret="routing"))
    sent = draft(type="PagerDuty", secret="")
    assert await faults_of(update(database, clock, pager.id, sent)) == [("secret", "is required: the routing key")]


async def test_update_does_not_carry_a_secret_to_another_type(database: Database, clock: FakeClock) -> None:
    """What signed messages is not sent away as a password."""
    made = await create(database, clock, draft(**SECRETS))
    sent = draft(type="ServiceNow", config={"userName": "u"})
    assert await faults_of(update(database, clock, made.id, sent)) == [("secret", "is required: the user's password")]


async def test_update_tells_of_another_key(database: Database, clock: FakeClock) -> None:
    """Sending what is secret anew mends it."""
    made = await create(database, clock, draft(**SECRETS), rules=Rules(Vault(bytes(range(32))), GLOBAL_ONLY))
    message = "is stored but cannot be opened with the key of this core; send it anew"
    assert await faults_of(update(database, clock, made.id, draft())) == [("secret", message)]
    assert await faults_of(update(database, clock, made.id, draft(secret="s", headers={"X-Key": MASK}))) == [("headers", message)]
    assert unseal(VAULT, await update(database, clock, made.id, draft(secret="s"))) == Secrets("s", {})


async def test_update_and_delete_of_an_unknown_one_fail(database: Database, clock: FakeClock) -> None:
    """One of another organization is as unknown as one that nobody made."""
    others = await create(database, clock, draft(), OTHER)
    for number in (others.id, 99):
        for work in (update(database, clock, number, draft()), delete(database, clock, number)):
            with pytest.raises(LumetryError) as failure:
                await work
            assert (failure.value.reason, failure.value.message) == (Reason.NOT_FOUND, f"Integration {number} does not exist.")


async def test_delete_is_refused_while_a_profile_refers_to_it(database: Database, clock: FakeClock) -> None:
    """The profiles are named; without them it goes."""
    made = await create(database, clock, draft())
    free = await create(database, clock, draft(name="Free"))
    async with database.write() as tx:
        profile = await create_profile(tx, CALLER, ProfileDraft(name="Night", integration_ids=[made.id]), clock.now())
    with pytest.raises(LumetryError) as failure:
        await delete(database, clock, made.id)
    assert (failure.value.reason, failure.value.message) == (
        Reason.CONFLICT,
        f"The integration is in use by profile {profile.id} (Night).",
    )
    await delete(database, clock, free.id)
    async with database.read() as tx:
        assert await integrations.list_integrations(tx, 7) == [made]


async def test_list_is_ascending_by_name(database: Database, clock: FakeClock) -> None:
    """Ignoring case; names may repeat."""
    for name in ("b", "A", "C", "a"):
        await create(database, clock, draft(name=name))
    async with database.read() as tx:
        assert [each.name for each in await integrations.list_integrations(tx, 7)] == ["A", "a", "b", "C"]


async def test_writes_are_audited_without_secrets(database: Database, clock: FakeClock) -> None:
    """Each is a revision too; addresses of chats are shown but for their secret part."""
    made = await create(database, clock, draft(**SECRETS, type="Webhook"))
    await update(database, clock, made.id, draft(type="Slack", endpoint_url="https://hooks.example.com/services/hidden", secret="hidden-2"))
    async with database.write() as tx:
        await integrations.note_test(
            tx, CALLER, made.id, SendResult(ok=False, status_code=404, error="answered 404 Not Found"), clock.now()
        )
    await delete(database, clock, made.id)
    async with database.read() as tx:
        logs, _ = await list_audit_logs(tx, CALLER, AuditFilter(), 0, 0)
        history, _ = await list_revisions(tx, CALLER, "AlertingIntegration", str(made.id), 0, 0)
    actions = [log.entry.action.partition(".")[2] for log in reversed(logs)]
    assert actions == ["Created", "Updated", "Tested", "Deleted"]
    assert [revision.operation for revision in reversed(history)] == ["Created", "Updated", "Updated", "Removed"]
    written = [json.loads(log.entry.new_values_json or "null") for log in reversed(logs)]
    assert written[0]["headers"] == {"X-Key": "•••", "X-Team": "•••"}
    assert (written[1]["endpointUrl"], written[1]["secretReplaced"], written[1]["hasSecret"]) == (
        "https://hooks.example.com/•••",
        True,
        True,
    )
    tested = {"lastTestedAt": "2026-06-01T08:00:00Z", "success": False, "statusCode": 404, "error": "answered 404 Not Found"}
    assert written[2] == tested
    assert "hidden" not in repr(logs) + repr(history)


async def test_note_test_remembers_when(database: Database, clock: FakeClock) -> None:
    """One that is gone meanwhile stays gone."""
    made = await create(database, clock, draft())
    for number in (made.id, 99):
        async with database.write() as tx:
            await integrations.note_test(tx, CALLER, number, SendResult(ok=True, status_code=200), clock.now())
    async with database.read() as tx:
        [found] = await integrations.list_integrations(tx, 7)
    assert (found.last_tested_time, found.last_delivery_status, found.update_time) == (clock.now(), None, made.update_time)


async def test_note_delivery_remembers_how_deliveries_ended(database: Database, clock: FakeClock) -> None:
    """Only for the organization's own integrations."""
    first, second = [await create(database, clock, draft(name=name)) for name in ("a", "b")]
    others = await create(database, clock, draft(), OTHER)
    results = {first.id: (LastStatus.FAILED, "answered 500"), second.id: (LastStatus.SUCCESS, None), others.id: (LastStatus.FAILED, "x")}
    async with database.write() as tx:
        await integrations.note_delivery(tx, 7, results, clock.now())
    async with database.read() as tx:
        found = [*await integrations.list_integrations(tx, 7), *await integrations.list_integrations(tx, 8)]
    assert [(each.last_delivery_status, each.last_delivery_error) for each in found] == [
        (LastStatus.FAILED, "answered 500"),
        (LastStatus.SUCCESS, None),
        (None, None),
    ]
