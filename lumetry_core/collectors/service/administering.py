"""What people do with collectors: register, configure, revoke and look at them."""

from dataclasses import dataclass
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.credentials import issue_enrollment_token, revoke_collector_credentials
from lumetry_core.collectors.checks import is_text
from lumetry_core.collectors.config import Config, check_config
from lumetry_core.collectors.model import ENROLLMENT_TOKEN_LIFE, Collector, Status, reconfigured, revision_of, revoked
from lumetry_core.collectors.service.troubles import close_troubles
from lumetry_core.collectors.service.working import give_up
from lumetry_core.collectors.store import collectors as store
from lumetry_core.collectors.work import work_channel
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.runtime.identifiers import new_uuid

MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Registration:
    """A collector with its enrollment token, which cannot be read again."""

    collector: Collector
    enrollment_token: str
    enrollment_expire_time: datetime


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
    collector = await find_to_change(tx, caller, collector_id)
    if collector.status is Status.REVOKED:
        raise conflict(collector, "is revoked")
    if collector.status is not Status.PENDING:
        raise conflict(collector, "has enrolled already")
    await record_audit(tx, caller, "Collector.EnrollmentTokenRenewed", "Collector", collector.id, now)
    return await register(tx, collector, now)


async def register(tx: Transaction, collector: Collector, now: datetime) -> Registration:
    """Issues the token that enrolls a collector."""
    expire_time = now + ENROLLMENT_TOKEN_LIFE
    token = await issue_enrollment_token(tx, collector.organization_id, collector.id, expire_time, now)
    return Registration(collector, token, expire_time)


async def update_config(tx: Transaction, caller: Caller, collector_id: str, config: Config, now: datetime) -> Collector:
    """Replaces the desired configuration. Fails with NOT_FOUND, VALIDATION_FAILED, OUT_OF_RANGE, CONFLICT for a revoked collector."""
    collector = await find_to_change(tx, caller, collector_id)
    check_config(config)
    if collector.status is Status.REVOKED:
        raise conflict(collector, "is revoked")
    after = reconfigured(collector, config)
    await store.save(tx, after)
    await record_audit(
        tx, caller, "Collector.ConfigUpdated", "Collector", collector.id, now, before=revision_of(collector), after=revision_of(after)
    )
    tx.wake(work_channel(collector.id))
    return after


async def revoke(tx: Transaction, caller: Caller, collector_id: str, now: datetime) -> Collector:
    """Ends a collector with all its secrets, for good; repeating it changes nothing. Fails with NOT_FOUND."""
    collector = await find_to_change(tx, caller, collector_id)
    if collector.status is Status.REVOKED:
        return collector
    after = revoked(collector)
    await store.save(tx, after)
    kinds = (CredentialKind.COLLECTOR, CredentialKind.COLLECTOR_ENROLLMENT)
    await revoke_collector_credentials(tx, collector.organization_id, collector.id, now, kinds=kinds)
    await close_troubles(tx, collector, now)
    await give_up(tx, collector.organization_id, collector.id, now)
    await record_audit(
        tx, caller, "Collector.Revoked", "Collector", collector.id, now, before=revision_of(collector), after=revision_of(after)
    )
    tx.wake(work_channel(collector.id))
    return after


async def get_collector(tx: Transaction, organization_id: int, collector_id: str) -> Collector:
    """A collector. Fails with NOT_FOUND."""
    collector = await store.find(tx, organization_id, collector_id)
    if collector is None:
        raise not_found("Collector", collector_id)
    return collector


async def find_to_change(tx: Transaction, caller: Caller, collector_id: str) -> Collector:
    """A collector that nobody else changes until the transaction ends. Fails with NOT_FOUND."""
    collector = await store.find_locked(tx, caller.organization_id, collector_id)
    if collector is None:
        raise not_found("Collector", collector_id)
    return collector


def conflict(collector: Collector, why: str) -> LumetryError:
    """The failure of what a collector's status forbids."""
    message = f"Collector {collector.name} {why}."
    return LumetryError(Reason.CONFLICT, message, type="Collector", id=collector.id, state=collector.status.value)


async def list_collectors(tx: Transaction, organization_id: int) -> list[Collector]:
    """The organization's collectors, ascending by name."""
    return await store.list_all(tx, organization_id)
