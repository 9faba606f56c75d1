"""Writes and reads integrations. What is secret of them is sealed before it is stored, and no verb but `update_integration` opens it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.vault import Vault, VaultError
from lumetry_core.alerts.service.system_alerts import close_system_alert
from lumetry_core.collectors.service.working import find_refusal_of
from lumetry_core.notifications.definitions import NEEDS_SECRET, IntegrationDefinition, check_integration
from lumetry_core.notifications.drafts import IntegrationDraft
from lumetry_core.notifications.model import MASK, Integration, IntegrationType, LastStatus, Secrets, SendResult
from lumetry_core.notifications.payload import spell_optional
from lumetry_core.notifications.sealing import seal, unseal
from lumetry_core.notifications.store import integrations as store
from lumetry_core.notifications.store.profiles import list_users
from lumetry_core.runtime.addresses import Policy
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found

AUDIT_TYPE = "AlertingIntegration"
FAILING = "DeliveryFailing"
"""The system alert of an integration that fails again and again."""
SUBJECT = "AlertingIntegration"
SHOWN_PROFILES = 5


@dataclass(frozen=True, slots=True)
class Rules:
    """What the deployment says of integrations: what seals their secrets, and where they may lead."""

    vault: Vault
    policy: Policy


async def list_integrations(tx: Transaction, organization_id: int) -> list[Integration]:
    """All integrations, ascending by name, then by number."""
    found = await store.select_integrations(tx, organization_id)
    # Sorted here, as the two databases order text differently.
    return sorted(found, key=lambda integration: (integration.name.lower(), integration.id))


async def read_delivery_times(tx: Transaction, organization_id: int) -> dict[int, datetime]:
    """When integrations were last sent something, by number; those that never were are left out."""
    return await store.read_delivery_times(tx, organization_id)


async def get_integration(tx: Transaction, organization_id: int, integration_id: int) -> Integration:
    """The integration of a number. Fails with NOT_FOUND."""
    found = await store.find_integration(tx, organization_id, integration_id)
    if found is None:
        raise unknown(integration_id)
    return found


async def create_integration(tx: Transaction, caller: Caller, draft: IntegrationDraft, rules: Rules, now: datetime) -> Integration:
    """Creates an integration. Fails with VALIDATION_FAILED."""
    faults = Faults()
    definition = check_integration(draft, rules.policy, faults)
    await check_collector(tx, caller.organization_id, definition, faults)
    secrets = resolve_secrets(draft, None, rules.vault, faults)
    faults.raise_if_any()
    sealed = seal(rules.vault, caller.organization_id, secrets)
    has_secret = secrets.secret is not None
    number = await store.insert_integration(tx, caller.organization_id, definition, sealed, has_secret=has_secret, now=now)
    created = await get_integration(tx, caller.organization_id, number)
    await record_audit(tx, caller, "AlertingIntegration.Created", AUDIT_TYPE, number, now, after=audited(created))
    return created


async def update_integration(
    tx: Transaction, caller: Caller, integration_id: int, draft: IntegrationDraft, rules: Rules, now: datetime
) -> Integration:
    """Replaces an integration; absent fields take their defaults, but an absent secret and masked headers keep what is stored.

    Fails with NOT_FOUND, VALIDATION_FAILED.
    """
    before = await store.find_integration(tx, caller.organization_id, integration_id, lock=True)
    if before is None:
        raise unknown(integration_id)
    faults = Faults()
    definition = check_integration(draft, rules.policy, faults)
    await check_collector(tx, caller.organization_id, definition, faults)
    secrets = resolve_secrets(draft, before, rules.vault, faults)
    faults.raise_if_any()
    sealed = seal(rules.vault, caller.organization_id, secrets)
    has_secret = secrets.secret is not None
    await store.update_integration(tx, caller.organization_id, integration_id, definition, sealed, has_secret=has_secret, now=now)
    after = await get_integration(tx, caller.organization_id, integration_id)
    if before.is_enabled and not after.is_enabled:
        await end_failing(tx, caller.organization_id, integration_id, now)
    changed = {"secretReplaced": True} if draft.secret is not None else {}
    values = audited(after) | changed
    await record_audit(tx, caller, "AlertingIntegration.Updated", AUDIT_TYPE, integration_id, now, before=audited(before), after=values)
    return after


async def delete_integration(tx: Transaction, caller: Caller, integration_id: int, now: datetime) -> None:
    """Deletes an integration. Fails with NOT_FOUND, and with CONFLICT while a profile names it."""
    before = await store.find_integration(tx, caller.organization_id, integration_id, lock=True)
    if before is None:
        raise unknown(integration_id)
    users = await list_users(tx, caller.organization_id, integration_id)
    if users:
        named = ", ".join(f"profile {number} ({name})" for number, name in users[:SHOWN_PROFILES])
        more = f" and {len(users) - SHOWN_PROFILES} more" if len(users) > SHOWN_PROFILES else ""
        message = f"The integration is in use by {named}{more}."
        raise LumetryError(Reason.CONFLICT, message, type=AUDIT_TYPE, id=str(integration_id), state="in use")
    await store.delete_integration(tx, caller.organization_id, integration_id)
    await end_failing(tx, caller.organization_id, integration_id, now)
    await record_audit(tx, caller, "AlertingIntegration.Deleted", AUDIT_TYPE, integration_id, now, before=audited(before))


async def note_test(tx: Transaction, caller: Caller, integration_id: int, result: SendResult, now: datetime) -> None:
    """Notes that somebody tested an integration. One that was deleted meanwhile stays deleted."""
    before = await store.find_integration(tx, caller.organization_id, integration_id, lock=True)
    if before is None:
        return
    await store.update_tested(tx, caller.organization_id, integration_id, now)
    was = {"lastTestedAt": spell_optional(before.last_tested_time)}
    outcome = {"lastTestedAt": spell_time(now), "success": result.ok, "statusCode": result.status_code, "error": result.error}
    await record_audit(tx, caller, "AlertingIntegration.Tested", AUDIT_TYPE, integration_id, now, before=was, after=outcome)


async def note_delivery(tx: Transaction, organization_id: int, results: Mapping[int, tuple[LastStatus, str | None]], now: datetime) -> None:
    """Notes how the newest deliveries of integrations ended, by their numbers."""
    await store.update_deliveries(tx, organization_id, results, now)


async def end_failing(tx: Transaction, organization_id: int, integration_id: int, now: datetime) -> bool:
    """Closes the system alert of an integration that is well again, or to which nothing is sent any more; False when there is none."""
    return await close_system_alert(tx, organization_id, FAILING, SUBJECT, str(integration_id), now) is not None


async def check_collector(tx: Transaction, organization_id: int, definition: IntegrationDefinition, faults: Faults) -> None:
    """Notes a collector that delivers nothing."""
    if definition.collector_id is not None:
        refusal = await find_refusal_of(tx, organization_id, definition.collector_id)
        faults.check(refusal is None, "collectorId", refusal or "")


def resolve_secrets(draft: IntegrationDraft, before: Integration | None, vault: Vault, faults: Faults) -> Secrets:
    """What is to be sealed: what is sent, and of what is stored what the draft keeps. Notes what cannot be kept.

    A secret is kept only for the same type: what signed messages must not be sent to a receiver as a password.
    """
    masked = [name for name, value in draft.headers.items() if value == MASK]
    kept_names = {name.lower() for name in before.header_names} if before else set()
    for name in masked:
        faults.check(name.lower() in kept_names, f"headers.{name}", "has no stored value to keep")
    keeps_secret = draft.secret is None and before is not None and before.has_secret and before.type == draft.type
    stored = Secrets()
    if before is not None and (keeps_secret or any(name.lower() in kept_names for name in masked)):
        try:
            stored = unseal(vault, before)
        except VaultError:
            path = "secret" if keeps_secret else "headers"
            faults.add(path, "is stored but cannot be opened with the key of this core; send it anew")
            return Secrets()
    secret = stored.secret if keeps_secret else draft.secret or None
    if draft.type in set(NEEDS_SECRET) and secret is None:
        faults.add("secret", f"is required: {NEEDS_SECRET[IntegrationType(draft.type)]}")
    values = {name.lower(): value for name, value in stored.headers.items()}
    return Secrets(secret, {name: values.get(name.lower(), "") if value == MASK else value for name, value in draft.headers.items()})


def unknown(integration_id: int) -> LumetryError:
    """The failure for an integration that the organization does not have."""
    return not_found("Integration", integration_id)


def audited(integration: Integration) -> dict[str, object]:
    """What the audit log keeps of an integration, in the contract's words. Addresses of chats are secrets but for their host."""
    url = integration.endpoint_url
    if url is not None and integration.type in (IntegrationType.SLACK, IntegrationType.MICROSOFT_TEAMS):
        parts = urlsplit(url)
        url = f"{parts.scheme}://{parts.netloc}/{MASK}"
    return {
        "name": integration.name,
        "type": integration.type,
        "endpointUrl": url,
        "headers": dict.fromkeys(integration.header_names, MASK),
        "config": dict(integration.config),
        "hasSecret": integration.has_secret,
        "isEnabled": integration.is_enabled,
        "collectorId": integration.collector_id,
    }
