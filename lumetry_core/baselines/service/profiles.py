"""Baseline profiles, and who uses them.

Whatever writes a profile moves the organization's evaluation version first, which also makes such writes wait for each other.
"""

from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.baselines.drafts import ProfileDraft
from lumetry_core.baselines.model import DEFAULT_NAME, BaselineProfile, ProfileDefinition, ProfileUse, learns_anew
from lumetry_core.baselines.service.rebuilds import request_rebuild
from lumetry_core.baselines.store import profiles as store
from lumetry_core.baselines.validation import check_profile
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.runtime.caller import Caller, system_caller
from lumetry_core.runtime.clock import EPOCH
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found

AUDIT_TYPE = "BaselineProfile"
UNWRITTEN = 0
"""The number of a default profile that no transaction has written yet."""
SHOWN_USES = 5


async def find_profile(tx: Transaction, organization_id: int, profile_id: int | None) -> BaselineProfile | None:
    """The profile of a number, None when there is none; without a number the default profile, which is always found.

    An organization that nobody has given its default profile yet has it with the number 0, which no stored profile ever has, so nothing
    written under a stored profile is taken for it. `settle_defaults` at the start of every process keeps this rare.
    """
    if profile_id is not None:
        return await store.find_profile(tx, organization_id, profile_id)
    return await default_profile(tx, organization_id)


async def default_profile(tx: Transaction, organization_id: int) -> BaselineProfile:
    """The default profile, as `find_profile` has it; the transaction need not write."""
    found = await store.find_default(tx, organization_id)
    if found is not None:
        return found
    plain = ProfileDefinition(DEFAULT_NAME)
    return BaselineProfile(
        id=UNWRITTEN,
        organization_id=organization_id,
        name=plain.name,
        lookback_days=plain.lookback_days,
        minimum_points=plain.minimum_points,
        time_zone=plain.time_zone,
        is_default=True,
        create_time=EPOCH,
        update_time=EPOCH,
    )


async def is_settled(tx: Transaction, organization_id: int) -> bool:
    """Whether the organization's default profile is stored."""
    return await store.find_default(tx, organization_id) is not None


async def settle_default(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Stores the default profile unless it is there. Of several transactions that do so at once, one stores it."""
    if await is_settled(tx, organization_id):
        return
    await raise_evaluation_version(tx, organization_id)  # what was judged by the unwritten one has another number now
    if await store.insert_default(tx, organization_id, ProfileDefinition(DEFAULT_NAME), now) is not None:
        made = await default_profile(tx, organization_id)
        caller = system_caller(organization_id)
        await record_audit(tx, caller, "BaselineProfile.Created", AUDIT_TYPE, made.id, now, after=audited(made))


async def settle_defaults(tx: Transaction, now: datetime) -> None:
    """Gives every organization of the deployment its default profile."""
    for organization_id in await list_organization_ids(tx):
        await settle_default(tx, organization_id, now)


async def list_profiles(tx: Transaction, organization_id: int) -> list[BaselineProfile]:
    """All stored profiles, ascending by name."""
    return await store.list_profiles(tx, organization_id)


async def get_profile(tx: Transaction, organization_id: int, profile_id: int) -> BaselineProfile:
    """The profile of a number. Fails with NOT_FOUND."""
    found = await store.find_profile(tx, organization_id, profile_id)
    if found is None:
        raise unknown(profile_id)
    return found


async def create_profile(tx: Transaction, caller: Caller, draft: ProfileDraft, now: datetime) -> BaselineProfile:
    """Creates a profile. Fails with VALIDATION_FAILED (`name`, `lookbackDays`, `minimumPoints`, `timeZone`)."""
    await raise_evaluation_version(tx, caller.organization_id)
    await settle_default(tx, caller.organization_id, now)
    definition = await check(tx, caller, draft, None)
    profile_id = await store.insert_profile(tx, caller.organization_id, definition, now)
    if draft.is_default:
        await move_default(tx, caller, profile_id, now)
    created = await get_profile(tx, caller.organization_id, profile_id)
    await record_audit(tx, caller, "BaselineProfile.Created", AUDIT_TYPE, profile_id, now, after=audited(created))
    return created


async def update_profile(tx: Transaction, caller: Caller, profile_id: int, draft: ProfileDraft, now: datetime) -> BaselineProfile:
    """Replaces a profile; what no longer fits is learned again. Fails with NOT_FOUND, VALIDATION_FAILED (as a new one, and `isDefault`)."""
    await raise_evaluation_version(tx, caller.organization_id)
    await settle_default(tx, caller.organization_id, now)
    before = await get_profile(tx, caller.organization_id, profile_id)
    definition = await check(tx, caller, draft, before)
    await store.update_profile(tx, caller.organization_id, profile_id, definition, now)
    if draft.is_default and not before.is_default:
        await move_default(tx, caller, profile_id, now)
    after = await get_profile(tx, caller.organization_id, profile_id)
    if learns_anew(before, after):
        await request_rebuild(
            tx,
            caller.organization_id,
            profile_id=profile_id,
            metric_id=None,
            start_time=None,
            end_time=None,
            include_violations=False,
            now=now,
        )
    await record_audit(tx, caller, "BaselineProfile.Updated", AUDIT_TYPE, profile_id, now, before=audited(before), after=audited(after))
    return after


async def delete_profile(tx: Transaction, caller: Caller, profile_id: int, now: datetime) -> None:
    """Deletes a profile. Fails with NOT_FOUND, and with CONFLICT while it is the default or in use."""
    await raise_evaluation_version(tx, caller.organization_id)
    profile = await store.find_profile(tx, caller.organization_id, profile_id, lock=True)
    if profile is None:
        raise unknown(profile_id)
    if profile.is_default:
        raise conflict(profile_id, "The default profile cannot be deleted; make another one the default first.", "default")
    uses = await store.list_uses(tx, caller.organization_id, profile_id)
    if uses:
        named = ", ".join(f"{use.kind} {use.number}" for use in uses[:SHOWN_USES])
        more = f" and {len(uses) - SHOWN_USES} more" if len(uses) > SHOWN_USES else ""
        raise conflict(profile_id, f"The profile is in use by {named}{more}.", "in use")
    await store.delete_profile(tx, caller.organization_id, profile_id)
    await record_audit(tx, caller, "BaselineProfile.Deleted", AUDIT_TYPE, profile_id, now, before=audited(profile))


async def rebuild_profile(
    tx: Transaction, caller: Caller, profile_id: int, metric_key: str | None, *, include_violations: bool, now: datetime
) -> None:
    """Has the look-back window of a profile learned again, for one metric or all. Fails with NOT_FOUND, VALIDATION_FAILED (`metricId`)."""
    await raise_evaluation_version(tx, caller.organization_id)
    profile = await get_profile(tx, caller.organization_id, profile_id)
    faults = Faults()
    metric_id = await find_metric_id(tx, caller.organization_id, metric_key, faults)
    faults.raise_if_any()
    await request_rebuild(
        tx,
        caller.organization_id,
        profile_id=profile_id,
        metric_id=metric_id,
        start_time=None,
        end_time=None,
        include_violations=include_violations,
        now=now,
    )
    wish = {"name": profile.name, "metricId": metric_key, "includeViolations": include_violations}
    await record_audit(tx, caller, "BaselineProfile.RebuildRequested", AUDIT_TYPE, profile_id, now, after=wish)


async def claim_profile(tx: Transaction, organization_id: int, kind: str, number: int, profile_id: int | None) -> None:
    """Notes which profile something refers to, so that it is not deleted meanwhile; None: none any more. Fails with NOT_FOUND.

    Args:
        kind: Such as `Rule`.
        number: Of the rule, say.
    """
    use = ProfileUse(kind, number)
    if profile_id is None:
        await store.delete_use(tx, organization_id, use)
        return
    if not await store.hold_profile(tx, organization_id, profile_id):
        raise unknown(profile_id)
    await store.write_use(tx, organization_id, use, profile_id)


async def check(tx: Transaction, caller: Caller, draft: ProfileDraft, before: BaselineProfile | None) -> ProfileDefinition:
    """Checks a draft with all that must be looked up. Fails with VALIDATION_FAILED.

    Args:
        before: The profile that is replaced.
    """
    faults = Faults()
    definition = check_profile(draft, faults)
    if "\0" not in definition.name:
        other = await store.find_by_name(tx, caller.organization_id, definition.name)
        faults.check(other is None or (before is not None and other == before.id), "name", "is the name of another profile")
    if before is not None and before.is_default and draft.is_default is False:
        faults.add("isDefault", "must not be false for the default profile; make another one the default instead")
    faults.raise_if_any()
    return definition


async def move_default(tx: Transaction, caller: Caller, profile_id: int, now: datetime) -> None:
    """Makes a profile the default and audits the one that it takes this from; its own change is audited by the caller."""
    before = await default_profile(tx, caller.organization_id)
    await store.move_default(tx, caller.organization_id, profile_id, now)
    after = await get_profile(tx, caller.organization_id, before.id)
    await record_audit(tx, caller, "BaselineProfile.Updated", AUDIT_TYPE, before.id, now, before=audited(before), after=audited(after))


async def find_metric_id(tx: Transaction, organization_id: int, metric_key: str | None, faults: Faults) -> int | None:
    """The number of a metric that a request names; None when it names none, or an unknown one, which notes a fault."""
    if metric_key is None:
        return None
    found = {} if "\0" in metric_key else await find_metrics(tx, organization_id, {metric_key})
    if metric_key not in found:
        faults.add("metricId", f"metric {metric_key} does not exist")
        return None
    return found[metric_key].id


def unknown(profile_id: int) -> LumetryError:
    """The failure for a profile that the organization does not have."""
    return not_found("Baseline profile", profile_id)


def conflict(profile_id: int, message: str, state: str) -> LumetryError:
    """The failure for a profile that must stay."""
    return LumetryError(Reason.CONFLICT, message, type=AUDIT_TYPE, id=str(profile_id), state=state)


def audited(profile: BaselineProfile) -> dict[str, object]:
    """What the audit log keeps of a profile, in the contract's words."""
    return {
        "name": profile.name,
        "lookbackDays": profile.lookback_days,
        "minimumPoints": profile.minimum_points,
        "timeZone": profile.time_zone,
        "isDefault": profile.is_default,
    }
