"""Sources, their credentials and their health (contract lumetry 13.2)."""

import secrets
from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.source_credentials import revoke_source_credentials, rotate_source_credential
from lumetry_core.alerts.model import CloseCause
from lumetry_core.alerts.reports import ReportedEnd, Reporter
from lumetry_core.alerts.service.reports import end_reported, find_active_reported
from lumetry_core.alerts.service.system_alerts import close_system_alert
from lumetry_core.external.drafts import SourceDraft, check_provider, check_source
from lumetry_core.external.model import Health, Source, Unmapped
from lumetry_core.external.service.definitions import remove_definitions
from lumetry_core.external.service.health import FAILING, SUBJECT
from lumetry_core.external.store import definitions as definition_store
from lumetry_core.external.store import occurrences as occurrence_store
from lumetry_core.external.store import sources as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.paging import read_limit

ENTITY = "ExternalAlertSource"
KEY_BYTES = 12


async def create_source(tx: Transaction, caller: Caller, draft: SourceDraft, now: datetime) -> tuple[Source, str]:
    """Adds a source; answers it with the secret of its credential, which cannot be read again. Fails with VALIDATION_FAILED."""
    faults = Faults()
    name, mapping = check_source(draft, faults)
    provider = check_provider(draft, faults)
    await check_free(tx, caller.organization_id, name, None, faults)
    faults.raise_if_any()
    source = Source(
        id=0,
        organization_id=caller.organization_id,
        key=f"source-{secrets.token_hex(KEY_BYTES)}",
        name=name,
        provider_type=provider,
        is_enabled=draft.is_enabled is not False,
        severity_mapping=mapping,
        mapped_count=0,
        unmapped_count=0,
        create_time=now,
        update_time=now,
    )
    created = replace(source, id=await store.insert_source(tx, source))
    secret = await rotate_source_credential(tx, caller.organization_id, created.id, now)
    await record_audit(tx, caller, f"{ENTITY}.Created", ENTITY, created.id, now, after=audited(created))
    return created, secret


async def update_source(tx: Transaction, caller: Caller, source_id: int, draft: SourceDraft, now: datetime) -> tuple[Source, Health]:
    """Replaces what may change of a source. Fails with NOT_FOUND, VALIDATION_FAILED.

    The new severity mapping counts for transitions that are processed from now on.
    """
    before = await lock_source(tx, caller.organization_id, source_id)
    faults = Faults()
    name, mapping = check_source(draft, faults)
    await check_free(tx, caller.organization_id, name, source_id, faults)
    faults.raise_if_any()
    after = replace(before, name=name, is_enabled=draft.is_enabled is not False, severity_mapping=mapping, update_time=now)
    await store.update_source(tx, after)
    await record_audit(tx, caller, f"{ENTITY}.Updated", ENTITY, source_id, now, audited(before), audited(after))
    return after, await health_of(tx, after)


async def rotate_credential(tx: Transaction, caller: Caller, source_id: int, now: datetime) -> tuple[Source, str]:
    """Gives a source a new credential, whose secret cannot be read again; the old one is dead at once. Fails with NOT_FOUND."""
    source = await lock_source(tx, caller.organization_id, source_id)
    secret = await rotate_source_credential(tx, caller.organization_id, source_id, now)
    await record_audit(tx, caller, f"{ENTITY}.CredentialRotated", ENTITY, source_id, now)
    return source, secret


async def delete_source(tx: Transaction, caller: Caller, source_id: int, now: datetime) -> None:
    """Removes a source with its definitions and what it has not had processed; closes its active alerts. Fails with NOT_FOUND."""
    organization_id = caller.organization_id
    source = await lock_source(tx, organization_id, source_id)
    await revoke_source_credentials(tx, organization_id, source_id, now)
    firing = await occurrence_store.list_alert_ids(tx, organization_id, source_id)
    definitions = {each.key: each for each in await definition_store.list_definitions(tx, organization_id, source_id, None)}
    ends = []
    for alert in await find_active_reported(tx, organization_id, firing):
        key = alert.external_definition_key or ""
        definition = definitions.get(key)
        name = definition.display_name if definition and definition.display_name else key
        reporter = Reporter(source_id, source.name, definition.id if definition else None, key, name)
        ends.append(ReportedEnd(alert.id, reporter, CloseCause.SOURCE_REMOVED, f"Source '{source.name}' was removed", now))
    await end_reported(tx, organization_id, ends, now)
    await remove_definitions(tx, caller, list(definitions.values()), now)
    await definition_store.delete_unmapped(tx, organization_id, source_id)
    await occurrence_store.delete_of_source(tx, organization_id, source_id)
    await store.delete_source(tx, organization_id, source_id)
    await close_system_alert(tx, organization_id, FAILING, SUBJECT, str(source_id), now)
    await record_audit(tx, caller, f"{ENTITY}.Deleted", ENTITY, source_id, now, before=audited(source))


async def get_source(tx: Transaction, organization_id: int, source_id: int) -> tuple[Source, Health]:
    """One source with its health. Fails with NOT_FOUND."""
    source = (await store.read_sources(tx, organization_id, [source_id])).get(source_id)
    if source is None:
        raise not_found("External alert source", source_id)
    return source, await health_of(tx, source)


async def list_sources(tx: Transaction, organization_id: int) -> list[tuple[Source, Health]]:
    """All sources with their health, by name."""
    return await store.list_sources(tx, organization_id)


async def list_unmapped(tx: Transaction, caller: Caller, source_id: int, limit: int) -> list[Unmapped]:
    """What a source sends that nobody mapped, the one seen last first. Fails with NOT_FOUND, VALIDATION_FAILED (`limit`).

    Args:
        limit: 0: 500.
    """
    faults = Faults()
    size = read_limit(limit, faults=faults)
    await get_source(tx, caller.organization_id, source_id)
    faults.raise_if_any()
    return await definition_store.list_unmapped(tx, caller.organization_id, source_id, size)


async def lock_source(tx: Transaction, organization_id: int, source_id: int) -> Source:
    """One source, which nobody else changes or works for until the transaction ends. Fails with NOT_FOUND."""
    source = (await store.read_sources(tx, organization_id, [source_id], lock=True)).get(source_id)
    if source is None:
        raise not_found("External alert source", source_id)
    return source


async def health_of(tx: Transaction, source: Source) -> Health:
    """The health of a source."""
    return await store.read_health(tx, source.organization_id, source.id) or Health()


async def check_free(tx: Transaction, organization_id: int, name: str, source_id: int | None, faults: Faults) -> None:
    """Notes a name that another source has."""
    if name and "\0" not in name:
        other = await store.find_name(tx, organization_id, name)
        faults.check(other is None or other == source_id, "name", "is the name of another external alert source")


def audited(source: Source) -> dict[str, object]:
    """What the audit log keeps of a source, in the contract's words."""
    return {
        "sourceKey": source.key,
        "name": source.name,
        "providerType": source.provider_type.value,
        "enabled": source.is_enabled,
        "severityMapping": {word: severity.value for word, severity in source.severity_mapping.items()},
    }
