"""Exchanges enrollment tokens for credentials."""

from dataclasses import dataclass
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.credentials import issue_collector_credential, revoke_collector_credentials
from lumetry_core.collectors.checks import check_software, is_text, is_uuid
from lumetry_core.collectors.model import Collector, Installation, Status, enrolled, may_enroll, revision_of, takes_enrollments
from lumetry_core.collectors.service.calling import own_collector, used_up
from lumetry_core.collectors.service.troubles import DUPLICATE_SUSPECTED, close_trouble
from lumetry_core.collectors.store import collectors as store
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults

MAX_HOSTNAME = 255


@dataclass(frozen=True, slots=True)
class Enrollment:
    """A collector with its credential, which cannot be read again."""

    collector: Collector
    credential: str


async def enroll(tx: Transaction, caller: Caller, installation: Installation, now: datetime) -> Enrollment:
    """Exchanges the caller's enrollment token for a credential, once.

    The same installation may repeat it within ten minutes and gets a fresh credential, which voids the first. Fails with
    UNAUTHENTICATED, VALIDATION_FAILED.
    """
    collector = await own_collector(tx, caller)
    if not takes_enrollments(collector, now):
        raise used_up()
    faults = Faults()
    faults.check(is_uuid(installation.installation_id), "installationId", "must be a UUID")
    faults.check(is_text(installation.hostname, MAX_HOSTNAME), "hostname", f"must have 1 to {MAX_HOSTNAME} printable characters")
    check_software(faults, installation.version, installation.capabilities)
    faults.raise_if_any()
    if not may_enroll(collector, installation.installation_id, now):
        raise used_up()
    if collector.status is not Status.PENDING:
        await close_trouble(tx, collector, DUPLICATE_SUSPECTED, now)
        await revoke_collector_credentials(tx, collector.organization_id, collector.id, now, kinds=(CredentialKind.COLLECTOR,))
    after = enrolled(collector, installation, now)
    await store.save(tx, after)
    credential = await issue_collector_credential(tx, collector.organization_id, collector.id, now)
    await record_audit(
        tx, caller, "Collector.Enrolled", "Collector", collector.id, now, before=revision_of(collector), after=revision_of(after)
    )
    return Enrollment(after, credential)
