"""Who a caller is, in full."""

from dataclasses import dataclass

from lumetry_core.access.model import Organization, User
from lumetry_core.access.service.organizations import get_organization
from lumetry_core.access.service.users import get_me
from lumetry_core.access.service.workspace_keys import find_workspace_key
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Transaction


@dataclass(frozen=True, slots=True)
class Profile:
    """The user behind a call, the organization and the credential."""

    user: User
    organization: Organization
    member_count: int
    credential_id: str
    scopes: tuple[str, ...]
    """What the credential is narrowed to, as asked for; empty: not narrowed."""


async def read_profile(tx: Transaction, caller: Caller) -> Profile:
    """The caller's profile. Fails with NOT_FOUND for callers who are no users."""
    user = await get_me(tx, caller)
    organization, member_count = await get_organization(tx, caller)
    if caller.kind is CredentialKind.WORKSPACE_KEY and caller.credential_id is not None:
        key = await find_workspace_key(tx, caller.organization_id, caller.credential_id)
        return Profile(user, organization, member_count, key.id, key.scopes)
    return Profile(user, organization, member_count, str(caller.credential_id or ""), ())
