"""The verbs of collectors."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.credentials import (
    issue_collector_credential,
    issue_enrollment_token,
    revoke_collector_credentials,
)
from lumetry_core.access.service.holders import find_holders
from lumetry_core.activity.model import Draft, Resource, Severity
from lumetry_core.activity.service import record
from lumetry_core.collectors import store
from lumetry_core.collectors.model import (
    ENROLLMENT_TOKEN_LIFE,
    Collector,
    Heartbeat,
    Installation,
    Status,
    after_heartbeat,
    enrolled,
    is_overdue,
    may_enroll,
    revision_of,
)
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.notices.service import notify
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.runtime.identifiers import new_uuid

MAX_NAME = 100
MAX_HOSTNAME = 255
MAX_VERSION = 64
MAX_CAPABILITIES = 64
MAX_CAPABILITY = 64
MAX_COUNT = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Registration:
    """A collector with its enrollment token, which cannot be read again."""

    collector: Collector
    enrollment_token: str
    enrollment_expire_time: datetime


@dataclass(frozen=True, slots=True)
class Enrollment:
    """A collector with its credential, which cannot be read again."""

    collector: Collector
    credential: str


async def create(tx: Transaction, caller: Caller, name: str, now: datetime) -> Registration:
    """Registers a collector. Fails with VALIDATION_FAILED (`name`)."""
    name = name.strip()
    faults = Faults()
    faults.check(is_text(name, MAX_NAME), "name", f"must have 1 to {MAX_NAME} printable characters")
    faults.raise_if_any()
    collector = Collector(
        organization_id=caller.organization_id,
        id=new_uuid(),
        name=name,
        status=Status.PENDING,
        create_time=now,
        created_by=caller.user_id,
    )
    if not await store.insert(tx, collector):
        faults.add("name", "is taken by another collector")
        faults.raise_if_any()
    await record_audit(tx, caller, "Collector.Created", "Collector", collector.id, now, after=revision_of(collector))
    return await register(tx, collector, now)


async def renew_enrollment_token(tx: Transaction, caller: Caller, collector_id: str, now: datetime) -> Registration:
    """Replaces the token of a collector that never enrolled. Fails with NOT_FOUND, CONFLICT."""
    collector = await store.find_locked(tx, caller.organization_id, collector_id)
    if collector is None:
        raise not_found("Collector", collector_id)
    if collector.status is not Status.PENDING:
        raise LumetryError(
            Reason.CONFLICT,
            f"Collector {collector.name} has enrolled already.",
            type="Collector",
            id=collector.id,
            state=collector.status.value,
        )
    await record_audit(tx, caller, "Collector.EnrollmentTokenRenewed", "Collector", collector.id, now)
    return await register(tx, collector, now)


async def register(tx: Transaction, collector: Collector, now: datetime) -> Registration:
    """Issues the token that enrolls a collector."""
    expire_time = now + ENROLLMENT_TOKEN_LIFE
    token = await issue_enrollment_token(tx, collector.organization_id, collector.id, expire_time, now)
    return Registration(collector, token, expire_time)


async def list_collectors(tx: Transaction, organization_id: int) -> list[Collector]:
    """The organization's collectors, ascending by name."""
    return await store.list_all(tx, organization_id)


async def enroll(tx: Transaction, caller: Caller, installation: Installation, now: datetime) -> Enrollment:
    """Exchanges the caller's enrollment token for a credential, once.

    The same installation may repeat it within ten minutes and gets a fresh credential, which voids the first. Fails with
    UNAUTHENTICATED, VALIDATION_FAILED.
    """
    faults = Faults()
    faults.check(is_uuid(installation.installation_id), "installationId", "must be a UUID")
    faults.check(is_text(installation.hostname, MAX_HOSTNAME), "hostname", f"must have 1 to {MAX_HOSTNAME} printable characters")
    check_software(faults, installation.version, installation.capabilities)
    faults.raise_if_any()
    collector = await own_collector(tx, caller)
    if not may_enroll(collector, installation.installation_id, now):
        raise used_up()
    if collector.status is not Status.PENDING:
        await revoke_collector_credentials(tx, collector.organization_id, collector.id, now, kinds=(CredentialKind.COLLECTOR,))
    after = enrolled(collector, installation, now)
    await store.save(tx, after)
    credential = await issue_collector_credential(tx, collector.organization_id, collector.id, now)
    await record_audit(
        tx, caller, "Collector.Enrolled", "Collector", collector.id, now, before=revision_of(collector), after=revision_of(after)
    )
    return Enrollment(after, credential)


async def heartbeat(tx: Transaction, caller: Caller, beat: Heartbeat, now: datetime) -> Collector:
    """Notes that the calling collector lives. Not audited, like everything that machines repeat. Fails with VALIDATION_FAILED."""
    faults = Faults()
    faults.check(is_uuid(beat.instance_id), "instanceId", "must be a UUID")
    faults.check(0 <= beat.queue_depth <= MAX_COUNT, "queueDepth", "must not be negative")
    faults.check(0 <= beat.dropped_count <= MAX_COUNT, "droppedCount", "must not be negative")
    faults.check(0 <= beat.config_revision_applied <= MAX_COUNT, "configRevisionApplied", "must not be negative")
    check_software(faults, beat.version, beat.capabilities)
    faults.raise_if_any()
    collector = await own_collector(tx, caller)
    if collector.status in (Status.PENDING, Status.REVOKED):
        raise used_up()
    after = after_heartbeat(collector, beat, now)
    await store.save(tx, after)
    if collector.last_seen_time is None or collector.offline_time is not None:
        await record(tx, collector.organization_id, [describe_presence(after, "online", Severity.INFO)], now)
    return after


async def find_overdue(tx: Transaction, organization_id: int, watch_time: datetime, now: datetime) -> list[Collector]:
    """Collectors that went silent and of which nobody was told; see `is_overdue`."""
    return [collector for collector in await store.list_all(tx, organization_id) if is_overdue(collector, watch_time, now)]


async def tell_offline(tx: Transaction, organization_id: int, overdue: Sequence[Collector], now: datetime) -> None:
    """Tells, once per outage, those who manage the infrastructure of collectors that went silent."""
    silent = [collector for collector in overdue if await store.mark_offline(tx, collector, now)]
    if not silent:
        return
    await record(tx, organization_id, [describe_presence(collector, "offline", Severity.WARNING) for collector in silent], now)
    holders = await find_holders(tx, organization_id, Permission.MANAGE_INFRASTRUCTURE)
    await notify(tx, organization_id, holders, [describe_silence(collector) for collector in silent], now)


def describe_presence(collector: Collector, action: str, severity: Severity) -> Draft:
    """What the activity feed says of a collector that comes or goes."""
    title, resource = f"Collector {collector.name} is {action}", Resource("collector", collector.id)
    return Draft(kind="collector", action=action, title=title, severity=severity, resource=resource)


def describe_silence(collector: Collector) -> NoticeDraft:
    """What inboxes are told of a collector that went silent."""
    seen = "" if collector.last_seen_time is None else f"Its last heartbeat came at {spell_time(collector.last_seen_time)}."
    return NoticeDraft(
        kind=NoticeKind.COLLECTOR_OFFLINE,
        severity=NoticeSeverity.WARNING,
        title=f"Collector {collector.name} is offline",
        body=seen,
        resource_type="collector",
        resource_id=collector.id,
        link="/collectors",
    )


async def own_collector(tx: Transaction, caller: Caller) -> Collector:
    """The collector that a machine credential belongs to."""
    collector = await store.find_locked(tx, caller.organization_id, caller.collector_id or "")
    if collector is None:
        raise used_up()
    return collector


def used_up() -> LumetryError:
    """The one answer for secrets that no longer serve."""
    return LumetryError(Reason.UNAUTHENTICATED, "The credential is missing, unknown, expired or revoked.")


def check_software(faults: Faults, version: str, capabilities: Sequence[str]) -> None:
    """Notes what is wrong with a version and capabilities."""
    faults.check(not version or is_text(version, MAX_VERSION), "version", f"must have at most {MAX_VERSION} printable characters")
    faults.check(len(capabilities) <= MAX_CAPABILITIES, "capabilities", f"must have at most {MAX_CAPABILITIES} elements")
    for position, capability in enumerate(capabilities[:MAX_CAPABILITIES]):
        path = f"capabilities[{position}]"
        faults.check(is_text(capability, MAX_CAPABILITY), path, f"must have 1 to {MAX_CAPABILITY} printable characters")


def is_text(text: str, max_length: int) -> bool:
    """Whether the text is there, short enough and printable."""
    return 0 < len(text) <= max_length and text.isprintable()


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its canonical form."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
