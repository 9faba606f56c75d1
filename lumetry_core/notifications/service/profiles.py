"""Writes and reads profiles, and reads integrations for those who route.

Whatever writes a profile moves the organization's evaluation version first, as rules do, so that such writes wait for each other: a rule
cannot name a profile that is being deleted.
"""

from collections.abc import Collection
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.notifications.definitions import ProfileDefinition, check_profile
from lumetry_core.notifications.drafts import ProfileDraft
from lumetry_core.notifications.model import Integration, Profile
from lumetry_core.notifications.store import integrations as integration_store
from lumetry_core.notifications.store import profiles as store
from lumetry_core.rules.service import find_alerted
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found

AUDIT_TYPE = "AlertingProfile"
MEMBER_TYPE = "AlertingProfileIntegration"
SHOWN_RULES = 5


async def find_profiles(tx: Transaction, organization_id: int) -> list[Profile]:
    """All profiles, ascending by name."""
    return await store.list_profiles(tx, organization_id)


async def find_integrations(tx: Transaction, organization_id: int, ids: Collection[int] | None = None) -> dict[int, Integration]:
    """Integrations by their numbers, as far as they exist; without numbers all."""
    found = await integration_store.select_integrations(tx, organization_id, ids)
    return {integration.id: integration for integration in found}


async def knows_profile(tx: Transaction, organization_id: int, profile_id: int) -> bool:
    """Whether an organization has the profile of a number, which rules may name then."""
    return await store.has_profile(tx, organization_id, profile_id)


async def get_profile(tx: Transaction, organization_id: int, profile_id: int) -> Profile:
    """The profile of a number. Fails with NOT_FOUND."""
    found = await store.find_profile(tx, organization_id, profile_id)
    if found is None:
        raise not_found("Alerting profile", profile_id)
    return found


async def create_profile(tx: Transaction, caller: Caller, draft: ProfileDraft, now: datetime) -> Profile:
    """Creates a profile; as the default it takes the place of the one before. Fails with VALIDATION_FAILED."""
    await raise_evaluation_version(tx, caller.organization_id)
    definition = await check(tx, caller, draft, None)
    profile_id = await store.insert_profile(tx, caller.organization_id, definition, now)
    if definition.is_default:
        await move_default(tx, caller, profile_id, now)
    created = await get_profile(tx, caller.organization_id, profile_id)
    await record_audit(tx, caller, "AlertingProfile.Created", AUDIT_TYPE, profile_id, now, after=audited(created))
    await audit_members(tx, caller, profile_id, (), created.integration_ids, now)
    return created


async def update_profile(tx: Transaction, caller: Caller, profile_id: int, draft: ProfileDraft, now: datetime) -> Profile:
    """Replaces a profile; absent fields take their defaults. Fails with NOT_FOUND, VALIDATION_FAILED."""
    await raise_evaluation_version(tx, caller.organization_id)
    before = await get_profile(tx, caller.organization_id, profile_id)
    definition = await check(tx, caller, draft, before)
    await store.update_profile(tx, caller.organization_id, profile_id, definition, now)
    if definition.is_default and not before.is_default:
        await move_default(tx, caller, profile_id, now)
    elif before.is_default and not definition.is_default:
        await store.move_default(tx, caller.organization_id, None, now)
    after = await get_profile(tx, caller.organization_id, profile_id)
    await record_audit(tx, caller, "AlertingProfile.Updated", AUDIT_TYPE, profile_id, now, before=audited(before), after=audited(after))
    await audit_members(tx, caller, profile_id, before.integration_ids, after.integration_ids, now)
    return after


async def delete_profile(tx: Transaction, caller: Caller, profile_id: int, now: datetime) -> None:
    """Deletes a profile. Fails with NOT_FOUND, and with CONFLICT while a rule names it."""
    await raise_evaluation_version(tx, caller.organization_id)
    before = await get_profile(tx, caller.organization_id, profile_id)
    rules = await find_alerted(tx, caller.organization_id, profile_id)
    if rules:
        named = ", ".join(f"rule {number}" for number in rules[:SHOWN_RULES])
        more = f" and {len(rules) - SHOWN_RULES} more" if len(rules) > SHOWN_RULES else ""
        message = f"The profile is in use by {named}{more}."
        raise LumetryError(Reason.CONFLICT, message, type=AUDIT_TYPE, id=str(profile_id), state="in use")
    await store.delete_profile(tx, caller.organization_id, profile_id)
    await audit_members(tx, caller, profile_id, before.integration_ids, (), now)
    await record_audit(tx, caller, "AlertingProfile.Deleted", AUDIT_TYPE, profile_id, now, before=audited(before))


async def check(tx: Transaction, caller: Caller, draft: ProfileDraft, before: Profile | None) -> ProfileDefinition:
    """Checks a draft with all that must be looked up, and keeps the integrations that it names from being deleted meanwhile.

    Fails with VALIDATION_FAILED.

    Args:
        before: The profile that is replaced.
    """
    faults = Faults()
    definition = check_profile(draft, faults)
    if "\0" not in definition.name:
        other = await store.find_by_name(tx, caller.organization_id, definition.name)
        faults.check(other is None or (before is not None and other == before.id), "name", "is the name of another profile")
    known = await integration_store.hold_integrations(tx, caller.organization_id, definition.integration_ids)
    for place, number in enumerate(definition.integration_ids):
        faults.check(number in known, f"integrationIds[{place}]", f"integration {number} does not exist")
    faults.raise_if_any()
    return definition


async def move_default(tx: Transaction, caller: Caller, profile_id: int, now: datetime) -> None:
    """Makes a profile the default and audits the one that it takes this from; its own change is audited by the caller."""
    before_id = await store.find_default_id(tx, caller.organization_id)
    before = None if before_id is None else await get_profile(tx, caller.organization_id, before_id)
    await store.move_default(tx, caller.organization_id, profile_id, now)
    if before is not None:
        after = await get_profile(tx, caller.organization_id, before.id)
        await record_audit(tx, caller, "AlertingProfile.Updated", AUDIT_TYPE, before.id, now, before=audited(before), after=audited(after))


async def audit_members(
    tx: Transaction, caller: Caller, profile_id: int, before: Collection[int], after: Collection[int], now: datetime
) -> None:
    """Keeps the history of which profile names which integration."""
    for number in sorted(set(before) ^ set(after)):
        member = {"profileId": profile_id, "integrationId": number}
        was, now_is = (member, None) if number in before else (None, member)
        verb = "Created" if was is None else "Removed"
        await record_audit(tx, caller, f"{MEMBER_TYPE}.{verb}", MEMBER_TYPE, f"{profile_id}:{number}", now, was, now_is)


def audited(profile: Profile) -> dict[str, object]:
    """What the audit log keeps of a profile, in the contract's words."""
    return {
        "name": profile.name,
        "isDefault": profile.is_default,
        "isEnabled": profile.is_enabled,
        "cooldownMinutes": profile.cooldown_minutes,
        "notifyOnOpen": profile.notify_on_open,
        "notifyOnEscalate": profile.notify_on_escalate,
        "notifyOnClose": profile.notify_on_close,
        "minSeverity": profile.min_severity,
        "integrationIds": list(profile.integration_ids),
    }
