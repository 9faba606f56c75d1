import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lumetry_core.access.service.history import list_audit_logs, list_revisions
from lumetry_core.access.trail import AuditFilter
from lumetry_core.notifications.drafts import ProfileDraft
from lumetry_core.notifications.model import Profile
from lumetry_core.notifications.service import profiles
from lumetry_core.notifications.service.integrations import create_integration, delete_integration
from lumetry_core.notifications.service.profiles import knows_profile
from lumetry_core.rules import service as rules
from lumetry_core.rules.draft import LevelDraft, RuleDraft, StrategyDraft
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.baselines.building import add_metrics
from tests.core.notifications.integrating import CALLER, OTHER, RULES, draft

Create = Callable[..., Any]


async def add_integrations(database: Database, clock: FakeClock, count: int, caller: Caller = CALLER) -> list[int]:
    """Numbers of new integrations."""
    async with database.write() as tx:
        made = [await create_integration(tx, caller, draft(name=f"I{place}"), RULES, clock.now()) for place in range(count)]
    return [integration.id for integration in made]


async def create(database: Database, clock: FakeClock, caller: Caller = CALLER, **fields: Any) -> Profile:
    async with database.write() as tx:
        return await profiles.create_profile(tx, caller, ProfileDraft(**fields), clock.now())


async def update(database: Database, clock: FakeClock, number: int, **fields: Any) -> Profile:
    async with database.write() as tx:
        return await profiles.update_profile(tx, CALLER, number, ProfileDraft(**fields), clock.now())


async def delete(database: Database, clock: FakeClock, number: int) -> None:
    async with database.write() as tx:
        await profiles.delete_profile(tx, CALLER, number, clock.now())


async def list_all(database: Database, organization_id: int = 7) -> list[Profile]:
    async with database.read() as tx:
        return await profiles.find_profiles(tx, organization_id)


async def add_rule(database: Database, clock: FakeClock, profile_id: int | None, name: str = "R") -> int:
    """The number of a new rule that names a profile."""
    strategy = StrategyDraft(metric_key="cpu", type="Static", direction="Above", static_upper=90)
    sent = RuleDraft(name=name, flat=strategy, levels=(LevelDraft(severity="Warning"),), alerting_profile_id=profile_id)
    async with database.write() as tx:
        return (await rules.create(tx, CALLER, sent, clock.now(), knows_profile)).id


async def test_create_stores_a_profile(database: Database, clock: FakeClock) -> None:
    """Integrations stay in the order that was written."""
    first, second = await add_integrations(database, clock, 2)
    made = await create(
        database,
        clock,
        name=" Night ",
        is_default=True,
        is_enabled=False,
        cooldown_minutes=30,
        notify_on_open=False,
        notify_on_escalate=False,
        notify_on_close=False,
        min_severity="Critical",
        integration_ids=[second, first],
    )
    assert made == Profile(
        id=made.id,
        organization_id=7,
        name="Night",
        is_default=True,
        is_enabled=False,
        cooldown_minutes=30,
        notify_on_open=False,
        notify_on_escalate=False,
        notify_on_close=False,
        min_severity=Severity.CRITICAL,
        integration_ids=(second, first),
        create_time=clock.now(),
        update_time=clock.now(),
    )
    assert (await list_all(database), await list_all(database, 8)) == ([made], [])


async def test_create_names_every_fault(database: Database, clock: FakeClock) -> None:
    """Integrations of another organization do not exist; nothing is written."""
    [own] = await add_integrations(database, clock, 1)
    [others] = await add_integrations(database, clock, 1, OTHER)
    await create(database, clock, name="Night", integration_ids=[own])
    with pytest.raises(LumetryError) as failure:
        await create(database, clock, name="nIGHT", cooldown_minutes=-1, integration_ids=[own, others, 99])
    assert [(fault.path, fault.message) for fault in failure.value.faults] == [
        ("cooldownMinutes", "must be between 0 and 1440"),
        ("name", "is the name of another profile"),
        ("integrationIds[1]", f"integration {others} does not exist"),
        ("integrationIds[2]", "integration 99 does not exist"),
    ]
    assert [profile.name for profile in await list_all(database)] == ["Night"]


async def test_default_moves(database: Database, clock: FakeClock) -> None:
    """At most one profile is the default; what is taken from the other one is in its history."""
    [number] = await add_integrations(database, clock, 1)
    first = await create(database, clock, name="A", is_default=True, integration_ids=[number])
    clock.advance(seconds=1)
    second = await create(database, clock, name="B", is_default=True, integration_ids=[number])
    assert [profile.is_default for profile in await list_all(database)] == [False, True]
    await update(database, clock, first.id, name="A", is_default=True, integration_ids=[number])
    assert [profile.is_default for profile in await list_all(database)] == [True, False]
    await update(database, clock, first.id, name="A", integration_ids=[number])
    assert [profile.is_default for profile in await list_all(database)] == [False, False]
    async with database.read() as tx:
        history, count = await list_revisions(tx, CALLER, "AlertingProfile", str(second.id), 0, 0)
    assert count == 2
    assert json.loads(history[0].after_json or "")["isDefault"] is False


async def test_default_of_one_organization_is_not_that_of_another(database: Database, clock: FakeClock) -> None:
    """Names are free there too."""
    for caller in (CALLER, OTHER):
        [number] = await add_integrations(database, clock, 1, caller)
        await create(database, clock, caller, name="A", is_default=True, integration_ids=[number])
    assert [profile.is_default for profile in [*await list_all(database), *await list_all(database, 8)]] == [True, True]


async def test_update_replaces_everything(database: Database, clock: FakeClock) -> None:
    """What is left out takes its default; the history tells which integrations came and went."""
    first, second, third = await add_integrations(database, clock, 3)
    made = await create(database, clock, name="A", cooldown_minutes=30, min_severity="Critical", integration_ids=[first, second])
    clock.advance(seconds=1)
    changed = await update(database, clock, made.id, name="a", integration_ids=[third, second])
    assert changed == replace(
        made, name="a", cooldown_minutes=0, min_severity=Severity.WARNING, integration_ids=(third, second), update_time=clock.now()
    )
    async with database.read() as tx:
        logs, _ = await list_audit_logs(tx, CALLER, AuditFilter(entity_type="AlertingProfileIntegration"), 0, 0)
        gone, _ = await list_revisions(tx, CALLER, "AlertingProfileIntegration", f"{made.id}:{first}", 0, 0)
    assert sorted((log.entry.action.partition(".")[2], log.entry.entity_id) for log in logs) == [
        ("Created", f"{made.id}:{first}"),
        ("Created", f"{made.id}:{second}"),
        ("Created", f"{made.id}:{third}"),
        ("Removed", f"{made.id}:{first}"),
    ]
    assert [revision.operation for revision in gone] == ["Removed", "Created"]


async def test_unknown_profiles_do_not_exist(database: Database, clock: FakeClock) -> None:
    """Those of another organization neither."""
    [number] = await add_integrations(database, clock, 1, OTHER)
    others = await create(database, clock, OTHER, name="A", integration_ids=[number])
    for unknown in (others.id, 99):
        for work in (update(database, clock, unknown, name="A", integration_ids=[number]), delete(database, clock, unknown)):
            with pytest.raises(LumetryError) as failure:
                await work
            assert (failure.value.reason, failure.value.message) == (Reason.NOT_FOUND, f"Alerting profile {unknown} does not exist.")
        async with database.read() as tx:
            assert await knows_profile(tx, 7, unknown) is False


async def test_rule_names_an_existing_profile(database: Database, clock: FakeClock) -> None:
    """One of another organization is as unknown as one that nobody made."""
    await add_metrics(database, clock.now(), "cpu")
    [number] = await add_integrations(database, clock, 1)
    [other] = await add_integrations(database, clock, 1, OTHER)
    made = await create(database, clock, name="A", integration_ids=[number])
    others = await create(database, clock, OTHER, name="A", integration_ids=[other])
    rule_id = await add_rule(database, clock, made.id)
    async with database.read() as tx:
        assert (await rules.get_rule(tx, 7, rule_id)).alerting_profile_id == made.id
    for unknown in (others.id, 99):
        with pytest.raises(LumetryError) as failure:
            await add_rule(database, clock, unknown, "S")
        [fault] = failure.value.faults
        assert (fault.path, fault.message) == ("alertingProfileId", f"alerting profile {unknown} does not exist")


async def test_delete_is_refused_while_a_rule_refers_to_it(database: Database, clock: FakeClock) -> None:
    """The rules are named, a few of them; names that look like references are none."""
    await add_metrics(database, clock.now(), "cpu")
    [number] = await add_integrations(database, clock, 1)
    used = await create(database, clock, name="A", integration_ids=[number])
    free = await create(database, clock, name="B", integration_ids=[number])
    numbers = [await add_rule(database, clock, used.id, f"R{place}") for place in range(6)]
    await add_rule(database, clock, None, f'"alerting_profile_id":{free.id}')
    with pytest.raises(LumetryError) as failure:
        await delete(database, clock, used.id)
    named = ", ".join(f"rule {each}" for each in numbers[:5])
    assert (failure.value.reason, failure.value.message) == (Reason.CONFLICT, f"The profile is in use by {named} and 1 more.")
    await delete(database, clock, free.id)
    assert await list_all(database) == [used]


async def test_rule_and_delete_at_once_leave_no_dangling_reference(database: Database, clock: FakeClock) -> None:
    """Whoever comes second fails."""
    await add_metrics(database, clock.now(), "cpu")
    [number] = await add_integrations(database, clock, 1)
    for place in range(5):
        made = await create(database, clock, name=f"P{place}", integration_ids=[number])
        results = await asyncio.gather(
            add_rule(database, clock, made.id, f"R{place}"), delete(database, clock, made.id), return_exceptions=True
        )
        assert [isinstance(result, LumetryError) for result in results].count(True) == 1


async def test_profile_and_delete_of_its_integration_at_once_leave_no_dangling_reference(database: Database, clock: FakeClock) -> None:
    """Whoever comes second fails."""

    async def remove(number: int) -> None:
        async with database.write() as tx:
            await delete_integration(tx, CALLER, number, clock.now())

    for place in range(5):
        [number] = await add_integrations(database, clock, 1)
        results = await asyncio.gather(
            create(database, clock, name=f"P{place}", integration_ids=[number]), remove(number), return_exceptions=True
        )
        assert [isinstance(result, LumetryError) for result in results].count(True) == 1
