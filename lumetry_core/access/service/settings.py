"""Reads and changes what an organization sets for itself (contract lumetry 19.11)."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.access.settings import BY_FIELD, BY_PATH, OrganizationSettings, SettingsChange, check_change, to_contract
from lumetry_core.access.store import settings as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction


async def read_settings(tx: Transaction, organization_id: int, defaults: OrganizationSettings) -> OrganizationSettings:
    """The settings in force: the organization's own, else the deployment's."""
    own = await store.select_settings(tx, organization_id)
    known: dict[str, Any] = {field: value for field, value in own.items() if field in BY_FIELD}
    return replace(defaults, **known)


async def update_settings(
    tx: Transaction, caller: Caller, change: SettingsChange, defaults: OrganizationSettings, now: datetime
) -> OrganizationSettings:
    """Changes the settings that are named and gives all that are then in force. Fails with VALIDATION_FAILED."""
    await raise_evaluation_version(tx, caller.organization_id)
    check_change(change)
    before = await read_settings(tx, caller.organization_id, defaults)
    await store.upsert_settings(tx, caller.organization_id, change.values)
    await store.delete_settings(tx, caller.organization_id, [BY_PATH[path].field for path in change.unset])
    after = await read_settings(tx, caller.organization_id, defaults)
    number = caller.organization_id
    await record_audit(tx, caller, "Settings.Updated", "Settings", number, now, to_contract(before), to_contract(after))
    return after
