"""Logins that wait for the OpenID provider's answer, and the identities that users have there."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, Text, UniqueConstraint, delete, func, insert, select, update

from lumetry_core.access.model import OIDC_PROVIDER
from lumetry_core.access.oidc import MAX_SUBJECT_LENGTH, Identity, PendingLogin
from lumetry_core.access.store.users import users
from lumetry_core.runtime.database import Time, Transaction, metadata

oidc_logins = Table(
    "oidc_logins",
    metadata,
    # Alone: the state is all that the browser comes back with.
    Column("state_digest", LargeBinary, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("redirect_url", Text, nullable=False),
    Column("expire_time", Time, nullable=False),
    Index("ix_oidc_logins_organization_id_expire_time", "organization_id", "expire_time"),
)
oidc_identities = Table(
    "oidc_identities",
    metadata,
    # Alone: issuer and subject are all that the provider tells for sure, and they determine the organization.
    Column("identity_digest", LargeBinary, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", String(MAX_SUBJECT_LENGTH), nullable=False),
    Column("create_time", Time, nullable=False),
    UniqueConstraint("organization_id", "user_id"),
)


@dataclass(frozen=True, slots=True)
class Link:
    """The user whom an identity stands for."""

    organization_id: int
    user_id: int


async def insert_login(tx: Transaction, login: PendingLogin) -> None:
    """Remembers a login that has begun."""
    await tx.execute(
        insert(oidc_logins),
        {
            "state_digest": login.state_digest,
            "organization_id": login.organization_id,
            "verifier": login.verifier,
            "nonce": login.nonce,
            "redirect_url": login.redirect_url,
            "expire_time": login.expire_time,
        },
    )


async def take_login(tx: Transaction, state_digest: bytes) -> PendingLogin | None:
    """Removes a login and gives it to the remover, in whichever organization. Of two at once, one gets it."""
    row = (await tx.execute(delete(oidc_logins).where(oidc_logins.c.state_digest == state_digest).returning(oidc_logins))).one_or_none()
    if row is None:
        return None
    return PendingLogin(
        organization_id=row.organization_id,
        state_digest=row.state_digest,
        verifier=row.verifier,
        nonce=row.nonce,
        redirect_url=row.redirect_url,
        expire_time=row.expire_time,
    )


async def delete_expired_logins(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Forgets logins that nobody finished."""
    await tx.execute(delete(oidc_logins).where(oidc_logins.c.organization_id == organization_id, oidc_logins.c.expire_time <= now))


async def find_link(tx: Transaction, identity_digest: bytes) -> Link | None:
    """The user of an identity, in whichever organization."""
    statement = select(oidc_identities).where(oidc_identities.c.identity_digest == identity_digest)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else Link(row.organization_id, row.user_id)


async def find_identity(tx: Transaction, organization_id: int, user_id: int) -> Identity | None:
    """The identity that a user has; only issuer and subject of it are known."""
    statement = select(oidc_identities).where(oidc_identities.c.organization_id == organization_id, oidc_identities.c.user_id == user_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else Identity(row.issuer, row.subject)


async def set_identity(tx: Transaction, organization_id: int, user_id: int, identity: Identity, now: datetime) -> None:
    """Gives a user an identity instead of any before it; from now on the user is the provider's."""
    await tx.execute(
        delete(oidc_identities).where(oidc_identities.c.organization_id == organization_id, oidc_identities.c.user_id == user_id)
    )
    await tx.execute(
        insert(oidc_identities),
        {
            "identity_digest": identity.digest,
            "organization_id": organization_id,
            "user_id": user_id,
            "issuer": identity.issuer,
            "subject": identity.subject,
            "create_time": now,
        },
    )
    await tx.execute(
        update(users).where(users.c.organization_id == organization_id, users.c.id == user_id).values(auth_provider_type=OIDC_PROVIDER)
    )


async def list_usernames_by_email(tx: Transaction, organization_id: int, email: str) -> list[str]:
    """The login names of the organization's users with an e-mail address, ignoring the case of ASCII letters; ascending."""
    statement = select(users.c.username).where(users.c.organization_id == organization_id, func.lower(users.c.email) == email.lower())
    return list((await tx.execute(statement.order_by(users.c.name_key))).scalars())
