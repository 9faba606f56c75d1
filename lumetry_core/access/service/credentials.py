"""Credentials of collectors and the tokens that enroll them. What a collector is, the collectors area knows."""

from datetime import datetime

from lumetry_core.access.model import CREDENTIALS_CHANNEL, PREFIX_OF, CollectorCredential
from lumetry_core.access.store import credentials as store
from lumetry_core.runtime.caller import CredentialKind
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import not_found
from lumetry_core.runtime.identifiers import digest_secret, new_secret, visible_prefix


async def issue_collector_credential(tx: Transaction, organization_id: int, collector_id: str, now: datetime) -> str:
    """Makes a credential, valid until it is revoked, next to those the collector has. Returns its secret."""
    return await issue(tx, organization_id, collector_id, CredentialKind.COLLECTOR, None, now)


async def issue_enrollment_token(tx: Transaction, organization_id: int, collector_id: str, expire_time: datetime, now: datetime) -> str:
    """Makes an enrollment token in place of the collector's earlier ones. Returns its secret.

    It authenticates until it expires or is revoked; that it enrolls once is for the collectors area to see to.
    """
    kinds = (CredentialKind.COLLECTOR_ENROLLMENT,)
    await revoke_collector_credentials(tx, organization_id, collector_id, now, kinds=kinds)
    return await issue(tx, organization_id, collector_id, CredentialKind.COLLECTOR_ENROLLMENT, expire_time, now)


async def revoke_collector_credentials(
    tx: Transaction,
    organization_id: int,
    collector_id: str,
    now: datetime,
    *,
    kinds: tuple[CredentialKind, ...] = (CredentialKind.COLLECTOR,),
) -> None:
    """Ends the collector's credentials.

    Args:
        kinds: The default leaves an enrollment token alive, so that an enrollment whose answer was lost can be repeated.
    """
    await store.revoke_credentials(tx, organization_id, collector_id, kinds, now)
    tx.wake(CREDENTIALS_CHANNEL)


async def find_collector_credential(tx: Transaction, organization_id: int, credential_id: int) -> CollectorCredential:
    """The credential that `Caller.credential_id` names, with its age. Fails with NOT_FOUND."""
    credential = await store.find_credential(tx, organization_id, credential_id)
    if credential is None:
        raise not_found("Credential", credential_id)
    return credential


async def issue(
    tx: Transaction, organization_id: int, collector_id: str, kind: CredentialKind, expire_time: datetime | None, now: datetime
) -> str:
    """Makes a secret of a kind and stores what may be stored of it."""
    secret = new_secret(PREFIX_OF[kind])
    await store.insert_credential(
        tx,
        organization_id,
        collector_id,
        kind=kind,
        digest=digest_secret(secret),
        prefix=visible_prefix(secret),
        expire_time=expire_time,
        now=now,
    )
    return secret
