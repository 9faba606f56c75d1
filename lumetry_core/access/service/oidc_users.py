"""Whom an identity of the OpenID provider stands for.

Issuer and subject decide once they are known. The first time a user without password is found by the verified e-mail address, else by the
login name; when there is none, one may be created. Names that people can give themselves must not open somebody's account, so whatever
is not clear is refused.
"""

from datetime import datetime

import structlog

from lumetry_core.access.model import CREDENTIALS_CHANNEL, USERNAME, LoginCandidate, NewUser, Organization, User, name_key
from lumetry_core.access.oidc import Identity, LoginRefusedError, OidcSettings
from lumetry_core.access.service.audit import SYSTEM_NAME, record_audit
from lumetry_core.access.service.sessions import caller_of
from lumetry_core.access.service.users import create_user, read_user
from lumetry_core.access.store import oidc as store
from lumetry_core.access.store import organizations as organization_store
from lumetry_core.access.store import roles as role_store
from lumetry_core.access.store import sessions as session_store
from lumetry_core.access.store import users as user_store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.interceptors import Origin

log = structlog.get_logger(__name__)


async def admit_identity(tx: Transaction, identity: Identity, settings: OidcSettings, origin: Origin, now: datetime) -> LoginCandidate:
    """Finds, links or creates the user who may log in with an identity that was checked.

    Raises:
        LoginRefusedError: Nobody may. The transaction must be rolled back.
    """
    link = await store.find_link(tx, identity.digest)
    if link is None:
        # Of two first logins at once, the second finds what the first one did.
        await user_store.lock_users(tx)
        link = await store.find_link(tx, identity.digest)
    if link is not None:
        user = await read_user(tx, link.organization_id, link.user_id)
        return await check_candidate(tx, user.username)
    organization = await find_oidc_organization(tx, settings)
    username = await find_match(tx, organization.id, identity)
    if username is None:
        user = await provision(tx, organization, identity, settings, origin, now)
    else:
        candidate = await check_candidate(tx, username)
        user = await read_user(tx, candidate.organization_id, candidate.user_id)
    await link_identity(tx, user, identity, origin, now)
    return await check_candidate(tx, user.username)


async def find_oidc_organization(tx: Transaction, settings: OidcSettings) -> Organization:
    """The organization whose users the provider knows. Raises LoginRefusedError when there is none."""
    name = settings.organization.strip()
    found = await (organization_store.find_organization(tx, name) if name else organization_store.first_organization(tx))
    if found is None:
        log.error("the organization of the OpenID provider does not exist", organization=name)
        raise LoginRefusedError(f"The organization {name} does not exist.")
    return found


async def check_candidate(tx: Transaction, username: str) -> LoginCandidate:
    """The user of a login name, if the provider may log the user in. Raises LoginRefusedError."""
    candidate = await user_store.find_login_candidate(tx, username)
    if candidate is None or not candidate.is_active:
        raise LoginRefusedError(f"The user {username} is deactivated.")
    if candidate.password_hash is not None:
        raise LoginRefusedError(f"The user {username} logs in with a password.")
    return candidate


async def find_match(tx: Transaction, organization_id: int, identity: Identity) -> str | None:
    """The login name of the user whom an identity seen for the first time stands for; None when nobody fits.

    Raises:
        LoginRefusedError: It is not clear who fits, or who fits is somebody else already.
    """
    email = identity.verified_email
    usernames = await store.list_usernames_by_email(tx, organization_id, email) if email else []
    if len(usernames) > 1:
        raise LoginRefusedError(f"Several users have the e-mail address {email}.")
    if usernames:
        # Also when the user had another identity: a provider that starts anew gives new subjects, and the address proves the person.
        return usernames[0]
    user = await user_store.find_user_by_name(tx, identity.username) if identity.username else None
    if user is None:
        return None
    if await store.find_identity(tx, user.organization_id, user.id) is not None:
        raise LoginRefusedError(f"The user {user.username} has another identity.")
    if user.email and identity.email and name_key(user.email) != name_key(identity.email):
        raise LoginRefusedError(f"The user {user.username} has another e-mail address.")
    return user.username


async def link_identity(tx: Transaction, user: User, identity: Identity, origin: Origin, now: datetime) -> None:
    """Makes an identity the user's. What the identity before it started ends."""
    before = await store.find_identity(tx, user.organization_id, user.id)
    await store.set_identity(tx, user.organization_id, user.id, identity, now)
    if before is not None:
        await session_store.revoke_sessions_of(tx, user.organization_id, user.id, now)
        tx.wake(CREDENTIALS_CHANNEL)
    caller = caller_of(origin, user.organization_id, None, SYSTEM_NAME)
    await record_audit(
        tx, caller, "User.IdentityLinked", "User", user.id, now, before=None if before is None else audited(before), after=audited(identity)
    )


async def provision(
    tx: Transaction, organization: Organization, identity: Identity, settings: OidcSettings, origin: Origin, now: datetime
) -> User:
    """Creates the user of an identity with the default roles. Raises LoginRefusedError when unknown people may not log in."""
    if not settings.default_role_names:
        raise LoginRefusedError("Nobody created a user for this identity.")
    known = {name_key(role.name) for role in await role_store.list_roles(tx, organization.id)}
    unknown = [name for name in settings.default_role_names if name_key(name) not in known]
    if unknown:
        log.error("the default roles of the OpenID provider do not exist", roles=unknown, organization=organization.name)
        raise LoginRefusedError(f"The default roles {', '.join(unknown)} do not exist.")
    new = NewUser(
        username=await choose_username(tx, identity),
        roles=settings.default_role_names,
        email=identity.email,
        display_name=identity.display_name,
    )
    return await create_user(tx, caller_of(origin, organization.id, None, SYSTEM_NAME), new, now)


async def choose_username(tx: Transaction, identity: Identity) -> str:
    """A free login name: the provider's, which nobody has or the identity would have matched, else the address, else one of our making."""
    if identity.username:
        return identity.username
    email = identity.email
    if email and USERNAME.fullmatch(email) and await user_store.find_login_candidate(tx, email) is None:
        return email
    return f"oidc-{identity.digest.hex()[:24]}"


def audited(identity: Identity) -> dict[str, object]:
    """What the audit log keeps of an identity."""
    return {"issuer": identity.issuer, "subject": identity.subject}
