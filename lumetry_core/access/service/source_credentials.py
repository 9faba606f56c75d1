"""Credentials of external alert sources. What a source is, the area of external alerts knows."""

from datetime import datetime

from lumetry_core.access.model import CREDENTIALS_CHANNEL, PREFIX_OF
from lumetry_core.access.store import source_credentials as store
from lumetry_core.runtime.caller import CredentialKind
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.identifiers import digest_secret, new_secret, visible_prefix


async def rotate_source_credential(tx: Transaction, organization_id: int, source_id: int, now: datetime) -> str:
    """Makes the credential of a source, in place of the one it may have. Returns its secret, which cannot be read again."""
    await revoke_source_credentials(tx, organization_id, source_id, now)
    secret = new_secret(PREFIX_OF[CredentialKind.EXTERNAL_SOURCE])
    await store.insert_credential(tx, organization_id, source_id, digest=digest_secret(secret), prefix=visible_prefix(secret), now=now)
    return secret


async def revoke_source_credentials(tx: Transaction, organization_id: int, source_id: int, now: datetime) -> None:
    """Ends the credentials of a source at once."""
    await store.revoke_credentials(tx, organization_id, source_id, now)
    tx.wake(CREDENTIALS_CHANNEL)
