"""Works off the queue `sessions`: writes what happens to incidents into their sessions (contract workspace 5)."""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.activity.model import SYSTEM
from lumetry_core.agents.model import Agent
from lumetry_core.agents.service.settling import default_agent
from lumetry_core.incidents.model import Incident
from lumetry_core.incidents.service.reading import find_incidents
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.identifiers import new_uuid
from lumetry_core.runtime.queue import WorkItem, claim, complete
from lumetry_core.sessions.announcing import describe
from lumetry_core.sessions.model import Message, Role, Session
from lumetry_core.sessions.service.hearing import QUEUE
from lumetry_core.sessions.service.messages import add_messages
from lumetry_core.sessions.store import sessions as store

CLAIMED_AT_ONCE = 500


async def announce_waiting(tx: Transaction, now: datetime) -> bool:
    """Works off the waiting events of one organization; True when there may be more.

    The events go with the messages in one transaction, so each is written once into every session.
    """
    items = await claim(tx, QUEUE, CLAIMED_AT_ONCE)
    if not items:
        return False
    organization_id = items[0].organization_id
    sessions = await store.lock_of_incidents(tx, organization_id, {item.payload["incident_id"] for item in items})
    if sessions:
        incidents = await find_incidents(tx, organization_id, {session.incident_id or 0 for session in sessions})
        agent = await default_agent(tx, organization_id, now)
        for session in sessions:
            incident = incidents.get(session.incident_id or 0)
            messages = [] if incident is None else write_messages(session, incident, items, agent, now)
            if messages:
                await add_messages(tx, session, messages, agent, SYSTEM, now)
    await complete(tx, items)
    return True


def write_messages(session: Session, incident: Incident, items: Sequence[WorkItem], agent: Agent, now: datetime) -> list[Message]:
    """A message for each event of a session's incident, in order."""
    messages = []
    for item in items:
        if item.payload["incident_id"] != incident.id:
            continue
        content, references = describe(item.kind, incident, item.payload.get("alert_ids", ()))
        messages.append(
            Message(
                organization_id=session.organization_id,
                id=new_uuid(),
                session_id=session.id,
                role=Role.SYSTEM,
                agent_id=agent.id,
                author_name=agent.name,
                content=content,
                references=references,
                create_time=max(now, session.last_message_time or now),
            )
        )
    return messages
