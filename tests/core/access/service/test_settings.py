import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from lumetry_core.access.model import User
from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.access.service.settings import read_settings, update_settings
from lumetry_core.access.settings import OrganizationSettings, SettingsChange, to_contract
from lumetry_core.access.store.audit import audit_logs, revisions
from lumetry_core.access.store.settings import organization_settings, upsert_settings
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError

DEFAULTS = OrganizationSettings(evaluation_grace_seconds=90, incidents_auto_resolve_after_minutes=240)
ORGANIZATION, OTHER = 7, 8


def engineer(organization_id: int = ORGANIZATION) -> Caller:
    return Caller(organization_id, CredentialKind.INTERACTIVE, user_id=3, user_name="anna")


async def read(database: Database, organization_id: int = ORGANIZATION, defaults: OrganizationSettings = DEFAULTS) -> OrganizationSettings:
    async with database.read() as tx:
        return await read_settings(tx, organization_id, defaults)


async def update(database: Database, clock: Clock, change: SettingsChange) -> OrganizationSettings:
    async with database.write() as tx:
        return await update_settings(tx, engineer(), change, DEFAULTS, clock.now())


async def test_update_settings_changes_what_is_named(database: Database, clock: Clock) -> None:
    """Others follow the deployment, also when it changes; other organizations are left alone; a value that equals the default stays."""
    changed = await update(database, clock, SettingsChange({"evaluation_grace_seconds": 90, "agents_max_series": 100}))
    assert changed == replace(DEFAULTS, agents_max_series=100) == await read(database)
    assert await read(database, OTHER) == DEFAULTS
    deployment = OrganizationSettings(evaluation_grace_seconds=5, fleet_staleness_seconds=40, agents_max_series=500)
    assert await read(database, defaults=deployment) == replace(deployment, evaluation_grace_seconds=90, agents_max_series=100)


async def test_update_settings_switches_off_and_unsets(database: Database, clock: Clock) -> None:
    """What is off stays off although the deployment has a value; what is unset has the deployment's again."""
    await update(database, clock, SettingsChange({"incidents_auto_resolve_after_minutes": None, "correlation_window_minutes": 5}))
    assert await read(database) == replace(DEFAULTS, incidents_auto_resolve_after_minutes=None, correlation_window_minutes=5)
    unset = SettingsChange({}, ("incidents.autoResolveAfterMinutes", "correlation.windowMinutes", "agents.maxSeries"))
    assert await update(database, clock, unset) == DEFAULTS
    assert await read(database) == DEFAULTS


async def test_update_settings_is_audited_and_noticed_by_evaluation(database: Database, clock: Clock, rows: Callable) -> None:
    """The audit row has all settings before and after; there is no revision; evaluation derives its state anew."""
    await update(database, clock, SettingsChange({"evaluation_grace_seconds": 0}))
    [row] = await rows(
        audit_logs, "organization_id", "action", "entity_type", "entity_id", "actor_name", "old_values_json", "new_values_json"
    )
    assert json.loads(row.pop("old_values_json")) == to_contract(DEFAULTS)
    assert json.loads(row.pop("new_values_json")) == to_contract(replace(DEFAULTS, evaluation_grace_seconds=0))
    assert row == {
        "organization_id": ORGANIZATION,
        "action": "Settings.Updated",
        "entity_type": "Settings",
        "entity_id": str(ORGANIZATION),
        "actor_name": "anna",
    }
    assert await rows(revisions, "id") == []
    async with database.read() as tx:
        assert [await read_evaluation_version(tx, number) for number in (ORGANIZATION, OTHER)] == [1, 0]


async def test_update_settings_with_a_fault_changes_nothing(database: Database, clock: Clock, rows: Callable) -> None:
    """Not even what was right in it."""
    with pytest.raises(LumetryError) as refused:
        await update(database, clock, SettingsChange({"evaluation_grace_seconds": -1, "agents_max_series": 100}))
    assert [fault.path for fault in refused.value.faults] == ["evaluation.graceSeconds"]
    assert (await rows(organization_settings, "name"), await rows(audit_logs, "id")) == ([], [])
    async with database.read() as tx:
        assert await read_evaluation_version(tx, ORGANIZATION) == 0


async def test_update_settings_at_once(database: Database, clock: Clock) -> None:
    """Changes of different settings at the same time all count, and each answer fits its audit row."""
    names = ("fleet_staleness_seconds", "fleet_member_gone_minutes", "correlation_window_minutes", "agents_max_series")
    await asyncio.gather(*(update(database, clock, SettingsChange({name: 100})) for name in names))
    assert await read(database) == replace(DEFAULTS, **dict.fromkeys(names, 100))


async def test_read_settings_leaves_out_what_it_does_not_know(database: Database, admin: User) -> None:
    """A setting that a newer release stored does no harm."""
    async with database.write() as tx:
        await upsert_settings(tx, admin.organization_id, {"telepathy_range_metres": 3, "agents_max_series": 300})
    assert await read(database, admin.organization_id) == replace(DEFAULTS, agents_max_series=300)
