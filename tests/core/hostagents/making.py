"""What tests of agents start from: profiles that admit installations, and agents that report."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.activity.store.items import activity_items
from lumetry_core.collectors.config import Config, Relay
from lumetry_core.collectors.model import Installation as CollectorInstallation
from lumetry_core.collectors.service import administering as collectors
from lumetry_core.collectors.service.enrolling import enroll as enroll_collector
from lumetry_core.hostagents.drafts import ProfileDraft
from lumetry_core.hostagents.model import Beat, HostAgent, Installation
from lumetry_core.hostagents.service import enrolling, profiles
from lumetry_core.hostagents.service.beating import Answer, Submission, record_beats
from lumetry_core.metrics.senders import Sender
from lumetry_core.metrics.service.senders import list_senders
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from tests.core.hostagents.fleet import ADMIN, ORGANIZATION, of_agent

SETTINGS = OrganizationSettings()
BEAT = Beat("1.0", 3, 1, 42, 2, "Direct", (), ())


def installation(number: int = 1, **fields: Any) -> Installation:
    """The installation of a number on a host of its own."""
    plain = Installation(str(UUID(int=number)), f"srv-{number}", f"web-{number}", "linux", "x86_64", "1.0")
    return replace(plain, **fields)


def holder_of(profile_id: int, organization_id: int = ORGANIZATION, relay: str | None = None) -> Caller:
    """Who presents the token of a profile."""
    return Caller(organization_id, CredentialKind.AGENT_ENROLLMENT, enrollment_profile_id=profile_id, relay_collector_id=relay)


async def offer(database: Database, now: datetime, organization_id: int = ORGANIZATION, **fields: Any) -> profiles.Offer:
    """A profile with its token."""
    caller = replace(ADMIN, organization_id=organization_id)
    async with database.write() as tx:
        return await profiles.create_profile(tx, caller, ProfileDraft(**({"name": "Servers"} | fields)), now)


async def enroll(
    database: Database, now: datetime, profile_id: int, sent: Installation, *, organization_id: int = ORGANIZATION, relay: str | None = None
) -> enrolling.Enrollment:
    """What an installation gets for the token of a profile."""
    async with database.write() as tx:
        return await enrolling.enroll(tx, holder_of(profile_id, organization_id, relay), sent, SETTINGS, now)


async def add_collector(database: Database, now: datetime, name: str = "Edge", *, enrolls: bool = True, relays: bool = True) -> str:
    """The UUID of a collector that can relay, unless it has not enrolled or is not to relay."""
    async with database.write() as tx:
        collector = (await collectors.create(tx, ADMIN, name, now)).collector
        if enrolls:
            token = Caller(ORGANIZATION, CredentialKind.COLLECTOR_ENROLLMENT, collector_id=collector.id)
            await enroll_collector(tx, token, CollectorInstallation(str(uuid4()), "edge-1", "1.0", ("relay",)), now)
    await set_relay(database, now, collector.id, relays=relays)
    return collector.id


async def set_relay(database: Database, now: datetime, collector_id: str, *, relays: bool) -> None:
    """Decides whether a collector is to relay."""
    async with database.write() as tx:
        await collectors.update_config(tx, ADMIN, collector_id, Config(relay=Relay(enabled=relays)), now)


async def send(
    database: Database, now: datetime, agents: Sequence[HostAgent], beat: Beat = BEAT, relay: str | None = None
) -> list[Answer | LumetryError]:
    """What agents are told on a heartbeat of each, all in one transaction."""
    submissions = [Submission(of_agent(agent.id, agent.organization_id, relay), beat) for agent in agents]
    async with database.write() as tx:
        return await record_beats(tx, submissions, SETTINGS, now)


async def read_senders(database: Database, organization_id: int = ORGANIZATION) -> dict[int, Sender]:
    """What ingestion knows of agents."""
    async with database.read() as tx:
        return dict(await list_senders(tx, organization_id))


async def read_actions(database: Database, entity_type: str) -> list[str]:
    """What was audited of a type of entity, in order."""
    async with database.read() as tx:
        statement = select(audit_logs.c.action).where(audit_logs.c.entity_type == entity_type).order_by(audit_logs.c.id)
        return list((await tx.execute(statement)).scalars())


async def read_activity(database: Database) -> list[tuple[str, str, str]]:
    """Actions, titles and machines of the feed's items about agents, in order."""
    columns = activity_items.c
    async with database.read() as tx:
        rows = await tx.execute(select(columns.action, columns.title, columns.machine).where(columns.kind == "agent").order_by(columns.id))
        return [(row.action, row.title, row.machine) for row in rows]
