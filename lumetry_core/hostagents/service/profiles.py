"""Enrollment profiles (contract lumetry 17.2)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.access.service.agent_credentials import issue_agent_enrollment_token
from lumetry_core.access.service.audit import record_audit
from lumetry_core.hostagents.drafts import ProfileDraft, check_profile, is_uuid
from lumetry_core.hostagents.model import Profile, revision_of_profile
from lumetry_core.hostagents.service.relays import list_known
from lumetry_core.hostagents.store import profiles as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.identifiers import visible_prefix

ENTITY = "AgentEnrollmentProfile"


@dataclass(frozen=True, slots=True)
class Offer:
    """A profile with its token, which cannot be read again."""

    profile: Profile
    enrollment_token: str


async def create_profile(tx: Transaction, caller: Caller, draft: ProfileDraft, now: datetime) -> Offer:
    """Adds a profile. Fails with VALIDATION_FAILED, naming every fault."""
    faults = Faults()
    wanted = check_profile(draft, faults)
    collector_id = wanted.required_collector_id
    if collector_id is not None and is_uuid(collector_id):
        known = collector_id in await list_known(tx, caller.organization_id)
        faults.check(known, "requiredCollectorId", "is not a collector that can relay")
    faults.raise_if_any()
    profile = Profile(
        id=0,
        organization_id=caller.organization_id,
        name=wanted.name,
        max_enrollments=wanted.max_enrollments,
        enrollment_count=0,
        expire_time=now + timedelta(hours=wanted.hours),
        required_collector_id=collector_id,
        token_prefix="",
        create_time=now,
        created_by=caller.user_id,
    )
    profile = replace(profile, id=await store.insert_profile(tx, profile))
    token = await issue_agent_enrollment_token(tx, caller.organization_id, profile.id, profile.expire_time, now)
    profile = replace(profile, token_prefix=visible_prefix(token))
    await store.set_token_prefix(tx, caller.organization_id, profile.id, profile.token_prefix)
    await record_audit(tx, caller, f"{ENTITY}.Created", ENTITY, profile.id, now, after=revision_of_profile(profile))
    return Offer(profile, token)


async def list_profiles(tx: Transaction, organization_id: int) -> list[Profile]:
    """All profiles, ascending by name; expired and full ones are among them."""
    return await store.list_profiles(tx, organization_id)
