"""What tests of collectors start from: people who register them, and collectors that enroll and report."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.access.store.credentials import collector_credentials
from lumetry_core.activity.store.items import activity_items
from lumetry_core.alerts.service.system_alerts import list_system_alerts
from lumetry_core.collectors.model import Collector, Heartbeat, Installation
from lumetry_core.collectors.service import administering, enrolling
from lumetry_core.collectors.service.beating import Arrival, record_heartbeats
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database

ORGANIZATION = 7
ADMIN = Caller(organization_id=ORGANIZATION, kind=CredentialKind.INTERACTIVE, user_id=3, user_name="admin")
INSTALLATION = Installation(str(uuid4()), "web-1", "0.1.0", ("host_metrics",))
FIRST, SECOND, THIRD = (str(UUID(int=number)) for number in (1, 2, 3))
"""Instances."""


def enrolling_as(collector: Collector) -> Caller:
    """Who presents the enrollment token."""
    return Caller(collector.organization_id, CredentialKind.COLLECTOR_ENROLLMENT, collector_id=collector.id)


def collecting_as(collector: Collector, credential_id: int | None = None) -> Caller:
    """Who presents a credential."""
    return Caller(collector.organization_id, CredentialKind.COLLECTOR, credential_id=credential_id, collector_id=collector.id)


async def create(database: Database, clock: Clock, name: str = "Web") -> administering.Registration:
    """Registers a collector."""
    async with database.write() as tx:
        return await administering.create(tx, ADMIN, name, clock.now())


async def enroll(database: Database, clock: Clock, collector: Collector, installation: Installation = INSTALLATION) -> enrolling.Enrollment:
    """Enrolls a collector."""
    async with database.write() as tx:
        return await enrolling.enroll(tx, enrolling_as(collector), installation, clock.now())


async def settle(database: Database, clock: Clock, name: str = "Web") -> Collector:
    """A collector that has enrolled."""
    return (await enroll(database, clock, (await create(database, clock, name)).collector)).collector


def make_beat(now: datetime, instance_id: str = FIRST, **changes: Any) -> Heartbeat:
    """A heartbeat of a collector that is well."""
    return replace(Heartbeat(instance_id, "0.1.0", 10, 3, now, 1, ("host_metrics",)), **changes)


async def send(
    database: Database, now: datetime, collector: Collector, sent: Heartbeat, credential_id: int | None = None
) -> Collector | None:
    """Takes a heartbeat in."""
    async with database.write() as tx:
        [outcome] = await record_heartbeats(tx, [Arrival(collecting_as(collector, credential_id), sent, now)], now)
    return outcome


async def read(database: Database, collector: Collector) -> Collector:
    """The collector as it is stored."""
    async with database.read() as tx:
        return await administering.get_collector(tx, collector.organization_id, collector.id)


async def read_audit(database: Database) -> list[str]:
    """The audited actions, oldest first."""
    async with database.read() as tx:
        return list((await tx.execute(select(audit_logs.c.action).order_by(audit_logs.c.id))).scalars())


async def read_activity(database: Database) -> list[tuple[str, str]]:
    """Action and title of what the feed says of collectors, oldest first."""
    async with database.read() as tx:
        columns = activity_items.c
        found = select(columns.action, columns.title).where(columns.kind == "collector").order_by(columns.id)
        return [(row.action, row.title) for row in await tx.execute(found)]


async def read_troubles(database: Database, organization_id: int = ORGANIZATION) -> list[tuple[str, str]]:
    """Code and state of the system alerts, oldest first."""
    async with database.read() as tx:
        found = await list_system_alerts(tx, organization_id, None, 100)
    return [(alert.code, alert.state.value) for alert in reversed(found)]


async def live_kinds(database: Database) -> list[str]:
    """The kinds of the secrets that were not revoked, oldest first."""
    async with database.read() as tx:
        alive = collector_credentials.c.revoke_time.is_(None)
        rows = await tx.execute(select(collector_credentials.c.kind).where(alive).order_by(collector_credentials.c.id))
        return list(rows.scalars())
