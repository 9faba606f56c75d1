"""Credentials of collectors and the tokens that enroll them. What a collector is, the collectors area knows."""

from datetime import datetime, timedelta

from lumetry_core.access.model import CREDENTIALS_CHANNEL, PREFIX_OF, CollectorCredential
from lumetry_core.access.store import credentials as store
from lumetry_core.runtime.caller import CredentialKind
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import not_found
from lumetry_core.runtime.identifiers import digest_secret, new_secret, visible_prefix

ROTATION_OVERLAP = timedelta(minutes=10)
"""How long a credential serves beside the one that takes its place, unless that is used earlier (contract lumetry 16.3)."""


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


async def rotate_collector_credential(
    tx: Transaction, organization_id: int, collector_id: str, credential_id: int, now: datetime
) -> str | None:
    """Makes a credential that takes the place of another one when it is first used, ten minutes from now at the latest.

    Of several made in the place of the same one only the newest serves, so that an answer that was lost is repeated without harm.

    Returns:
        Its secret; None: the other one serves no more.
    """
    live = await store.list_live_locked(tx, organization_id, collector_id, now)
    if credential_id not in (credential.id for credential in live):
        return None
    await store.end_credentials(tx, organization_id, [credential.id for credential in live if credential.id != credential_id], now)
    await store.set_expire_time(tx, organization_id, credential_id, now + ROTATION_OVERLAP)
    tx.wake(CREDENTIALS_CHANNEL)
    return await issue(tx, organization_id, collector_id, CredentialKind.COLLECTOR, None, now)


async def begin_use(tx: Transaction, organization_id: int, collector_id: str, credential_id: int, now: datetime) -> bool:
    """Notes the first use of a credential, which ends those in whose place it was made; False: it serves no more itself."""
    live = [credential.id for credential in await store.list_live_locked(tx, organization_id, collector_id, now)]
    if credential_id not in live:
        return False
    await store.end_credentials(tx, organization_id, [number for number in live if number < credential_id], now)
    await store.set_last_used(tx, organization_id, credential_id, now)
    tx.wake(CREDENTIALS_CHANNEL)
    return True


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
