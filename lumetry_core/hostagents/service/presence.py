"""Telling that agents come and go."""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.access.service.holders import find_holders
from lumetry_core.activity.model import Draft, Resource, Severity
from lumetry_core.activity.service import record
from lumetry_core.hostagents.model import OFFLINE_AFTER, HostAgent, is_overdue
from lumetry_core.hostagents.store import agents as store
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.notices.service import notify
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Transaction


async def tell_online(tx: Transaction, organization_id: int, agents: Sequence[HostAgent], now: datetime) -> None:
    """Tells that agents are heard, for the first time or again."""
    await record(tx, organization_id, [describe_presence(agent, "online", Severity.INFO) for agent in agents], now)


async def find_overdue(tx: Transaction, organization_id: int, watch_time: datetime, now: datetime) -> list[HostAgent]:
    """Agents that went silent and of which nobody was told; see `is_overdue`."""
    return [agent for agent in await store.list_silent(tx, organization_id, now - OFFLINE_AFTER) if is_overdue(agent, watch_time, now)]


async def tell_offline(tx: Transaction, organization_id: int, overdue: Sequence[HostAgent], now: datetime) -> None:
    """Tells, once per outage, those who manage the infrastructure of agents that went silent."""
    silent = [agent for agent in overdue if await store.mark_offline(tx, agent, now)]
    if not silent:
        return
    await record(tx, organization_id, [describe_presence(agent, "offline", Severity.WARNING) for agent in silent], now)
    holders = await find_holders(tx, organization_id, Permission.MANAGE_INFRASTRUCTURE)
    await notify(tx, organization_id, holders, [describe_silence(agent) for agent in silent], now)


def describe_presence(agent: HostAgent, action: str, severity: Severity) -> Draft:
    """What the activity feed says of an agent that comes or goes."""
    return Draft(
        kind="agent",
        action=action,
        title=f"Agent on {agent.hostname} is {action}",
        severity=severity,
        agent_id=agent.key,
        machine=agent.host_id,
        resource=Resource("agent", agent.key),
    )


def describe_silence(agent: HostAgent) -> NoticeDraft:
    """What inboxes are told of an agent that went silent."""
    seen = f"It has sent no heartbeat since it enrolled at {spell_time(agent.contact_time)}."
    if agent.last_seen_time is not None:
        seen = f"Its last heartbeat came at {spell_time(agent.last_seen_time)}."
    return NoticeDraft(
        kind=NoticeKind.AGENT_OFFLINE,
        severity=NoticeSeverity.WARNING,
        title=f"Agent on {agent.hostname} is offline",
        body=seen,
        resource_type="agent",
        resource_id=agent.key,
        link="/agents",
    )
