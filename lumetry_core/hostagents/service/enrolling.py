"""Installations become agents (contract lumetry 17.3)."""

from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.access.model import unauthenticated
from lumetry_core.access.service.agent_credentials import issue_agent_credential, revoke_agent_credentials
from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.settings import read_settings
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.hostagents.drafts import check_installation
from lumetry_core.hostagents.model import HostAgent, Installation, Profile, Transport, enrolled_again, revision_of
from lumetry_core.hostagents.service.relays import find_relay
from lumetry_core.hostagents.service.sending import find_clusters, tell_ingestion
from lumetry_core.hostagents.store import agents as store
from lumetry_core.hostagents.store import profiles as profile_store
from lumetry_core.hostagents.store import tags as tag_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.identifiers import new_uuid, visible_prefix
from lumetry_core.topology.model import AGENT
from lumetry_core.topology.service.hosts import ensure_host_node, find_cluster, place_in_cluster
from lumetry_core.topology.service.workloads import write_node

ENTITY = "Agent"


@dataclass(frozen=True, slots=True)
class Enrollment:
    """An agent with its credential, which cannot be read again."""

    agent: HostAgent
    credential: str
    is_new: bool


async def enroll(tx: Transaction, caller: Caller, sent: Installation, defaults: OrganizationSettings, now: datetime) -> Enrollment:
    """Exchanges the caller's enrollment token for a credential.

    An installation that enrolls again keeps its agent, gets a fresh credential, which voids the old one, and is not counted again. A
    revoked one stays out. Fails with UNAUTHENTICATED, RELAY_REQUIRED, VALIDATION_FAILED.
    """
    profile = await profile_store.find_profile(tx, caller.organization_id, caller.enrollment_profile_id or 0)
    if profile is None or profile.expire_time <= now:
        raise unauthenticated()
    relay = await find_relay(tx, caller, profile.required_collector_id)
    installation = check_installation(sent)
    before = await store.find_installation(tx, caller.organization_id, installation.installation_id)
    agent = None if before is not None else await admit(tx, profile, installation, now)
    if agent is None:  # enrolled before, or a moment ago by another
        before = before or await store.find_installation(tx, caller.organization_id, installation.installation_id)
        agent = check_known(before, profile)
        await revoke_agent_credentials(tx, caller.organization_id, agent.id, now)
    credential = await issue_agent_credential(tx, caller.organization_id, agent.id, now)
    agent = replace(
        enrolled_again(agent, installation, visible_prefix(credential), now),
        required_collector_id=profile.required_collector_id,
        transport=Transport.DIRECT if relay is None else Transport.COLLECTOR,
        collector_id=relay,
    )
    agent = await place(tx, caller, agent, installation, None if before is None else before.hostname, now)
    await store.save_agent(tx, agent)
    clusters = await find_clusters(tx, caller.organization_id, [agent])
    settings = await read_settings(tx, caller.organization_id, defaults)
    await tell_ingestion(tx, agent, clusters.get(agent.id), settings.agents_max_series)
    tags = (await tag_store.list_tags_of(tx, caller.organization_id, [agent.id])).get(agent.id, ())
    was = None if before is None else revision_of(before, clusters.get(agent.id), tags)
    await record_audit(tx, caller, f"{ENTITY}.Enrolled", ENTITY, agent.id, now, was, revision_of(agent, clusters.get(agent.id), tags))
    return Enrollment(agent, credential, is_new=before is None)


async def admit(tx: Transaction, profile: Profile, installation: Installation, now: datetime) -> HostAgent | None:
    """Makes an agent of an installation; None when another has just done so. Fails with UNAUTHENTICATED when the profile is full."""
    if not await profile_store.take_place(tx, profile.organization_id, profile.id, now):
        raise unauthenticated()
    agent = HostAgent(
        organization_id=profile.organization_id,
        id=0,
        key=new_uuid(),
        installation_id=installation.installation_id,
        profile_id=profile.id,
        host_id=installation.host_id,
        hostname=installation.hostname,
        os=installation.os,
        arch=installation.arch,
        version=installation.version,
        credential_prefix="",
        enroll_time=now,
        contact_time=now,
    )
    number = await store.insert_agent(tx, agent)
    if number is None:
        await profile_store.give_place_back(tx, profile.organization_id, profile.id)
        return None
    return replace(agent, id=number)


def check_known(agent: HostAgent | None, profile: Profile) -> HostAgent:
    """The agent of an installation that enrolls again. Fails with UNAUTHENTICATED when it was revoked.

    A full profile admits those again that it admitted before, as their answer may have been lost.
    """
    is_full = profile.enrollment_count >= profile.max_enrollments
    if agent is None or agent.revoke_time is not None or (is_full and agent.profile_id != profile.id):
        raise unauthenticated()
    return agent


async def place(
    tx: Transaction, caller: Caller, agent: HostAgent, installation: Installation, former_name: str | None, now: datetime
) -> HostAgent:
    """The agent with its host in the topology, which joins the cluster that was asked for, if there is exactly one.

    Args:
        former_name: Of the host when it enrolled before. A node that is there because of the agent and still bears it is renamed; what
            people or an import named keeps its name.
    """
    facts = {"os": installation.os, "arch": installation.arch}
    node = await ensure_host_node(tx, caller, installation.host_id, installation.hostname, facts, now)
    if node.source == AGENT and node.display_name == former_name != installation.hostname:
        await write_node(tx, caller, node, replace(node, display_name=installation.hostname, update_time=now), now)
    if installation.cluster or installation.cluster_id:
        cluster = await find_cluster(tx, caller.organization_id, name=installation.cluster, external_id=installation.cluster_id)
        if cluster is not None:
            await place_in_cluster(tx, caller, node.id, cluster.id, now)
    return replace(agent, node_id=node.id)
