"""What keeps the area's tables true and small."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta

from lumetry_core.access.service.authentication import Use
from lumetry_core.access.store import agent_credentials as agent_store
from lumetry_core.access.store import audit as audit_store
from lumetry_core.access.store import credentials as credential_store
from lumetry_core.access.store import log_keys as log_key_store
from lumetry_core.access.store import sessions as session_store
from lumetry_core.access.store import source_credentials as source_store
from lumetry_core.access.store import tokens as token_store
from lumetry_core.access.store import workspace_keys as workspace_key_store
from lumetry_core.runtime.caller import CredentialKind
from lumetry_core.runtime.database import Transaction

KEPT_AFTER_END = timedelta(days=1)
"""How long ended login sessions and tokens are kept."""


WRITERS: Mapping[CredentialKind, Callable[[Transaction, int, int, datetime], Awaitable[None]]] = {
    CredentialKind.API_TOKEN: token_store.set_last_used,
    CredentialKind.COLLECTOR_ENROLLMENT: credential_store.set_last_used,
    CredentialKind.EXTERNAL_SOURCE: source_store.set_last_used,
    CredentialKind.LOG_KEY: log_key_store.set_last_used,
    CredentialKind.WORKSPACE_KEY: workspace_key_store.set_last_used,
    CredentialKind.AGENT: agent_store.set_credential_used,
    CredentialKind.AGENT_ENROLLMENT: agent_store.set_token_used,
}
"""Where the last use of each kind of credential is kept but for collectors, of which there may be thousands; login sessions keep none."""


async def record_uses(tx: Transaction, uses: Iterable[Use]) -> None:
    """Writes down when credentials were last used."""
    # In one order everywhere, so that two processes never wait for each other's rows.
    ordered = sorted(uses, key=lambda use: (use.kind, use.credential_id))
    await credential_store.set_all_last_used(
        tx, [(use.organization_id, use.credential_id, use.time) for use in ordered if use.kind is CredentialKind.COLLECTOR]
    )
    for use in ordered:
        if use.kind is not CredentialKind.COLLECTOR:
            await WRITERS[use.kind](tx, use.organization_id, use.credential_id, use.time)


async def drop_old(tx: Transaction, organization_id: int, audit_duration: timedelta, now: datetime) -> None:
    """Deletes login sessions that have ended and audit rows past their retention."""
    await session_store.delete_ended(tx, organization_id, now - KEPT_AFTER_END)
    await audit_store.delete_entries(tx, organization_id, now - audit_duration)
