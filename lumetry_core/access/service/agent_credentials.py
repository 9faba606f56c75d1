"""Credentials of host agents and the tokens that enroll them. What an agent or a profile is, the area of host agents knows."""

from datetime import datetime

from lumetry_core.access.model import CREDENTIALS_CHANNEL, PREFIX_OF
from lumetry_core.access.store import agent_credentials as store
from lumetry_core.runtime.caller import CredentialKind
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.identifiers import digest_secret, new_secret, visible_prefix


async def issue_agent_credential(tx: Transaction, organization_id: int, agent_id: int, now: datetime) -> str:
    """Makes the credential of an agent that has none. Returns its secret, which cannot be read again."""
    secret = new_secret(PREFIX_OF[CredentialKind.AGENT])
    await store.insert_credential(tx, organization_id, agent_id, digest=digest_secret(secret), prefix=visible_prefix(secret), now=now)
    return secret


async def revoke_agent_credentials(tx: Transaction, organization_id: int, agent_id: int, now: datetime) -> None:
    """Ends the credentials of an agent at once."""
    await store.revoke_credentials(tx, organization_id, agent_id, now)
    tx.wake(CREDENTIALS_CHANNEL)


async def issue_agent_enrollment_token(tx: Transaction, organization_id: int, profile_id: int, expire_time: datetime, now: datetime) -> str:
    """Makes the token of a profile. Returns its secret, which cannot be read again.

    It authenticates until it expires; that it enrolls only so many agents is for the area of host agents to see to.
    """
    secret = new_secret(PREFIX_OF[CredentialKind.AGENT_ENROLLMENT])
    digest, prefix = digest_secret(secret), visible_prefix(secret)
    await store.insert_token(tx, organization_id, profile_id, digest=digest, prefix=prefix, expire_time=expire_time, now=now)
    return secret
