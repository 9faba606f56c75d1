"""Writes messages."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.naming import find_named_holders
from lumetry_core.activity.model import Actor, ActorType, Resource, actor_of
from lumetry_core.activity.model import Draft as ItemDraft
from lumetry_core.activity.service import record
from lumetry_core.agents.model import Agent
from lumetry_core.agents.service.acting import forbid_disabled, note_message
from lumetry_core.billing.model import Meter, Usage
from lumetry_core.billing.service.budgets import check_budget
from lumetry_core.billing.service.metering import count
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.notices.service import notify
from lumetry_core.projects.model import sees
from lumetry_core.projects.service import find_project
from lumetry_core.runtime.caller import Caller, Permission
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.runtime.identifiers import new_uuid
from lumetry_core.sessions.draft import MessageDraft, ReadMessage, read_message
from lumetry_core.sessions.mentions import find_mentions
from lumetry_core.sessions.model import Message, Role, Session, SessionStatus
from lumetry_core.sessions.service.reading import get_session
from lumetry_core.sessions.service.writing import AUDIT_TYPE, find_actor
from lumetry_core.sessions.store import sessions as session_store
from lumetry_core.sessions.store.messages import insert_messages

FindVisibleFiles = Callable[[Transaction, Caller, Collection[str]], Awaitable[Collection[str]]]
"""Which of these files the caller sees. The area that knows stands above this one."""
EXCERPT = 300
"""Characters of a message that those whom it mentions are shown."""


def check_message(draft: MessageDraft) -> ReadMessage:
    """What a message says. Fails with VALIDATION_FAILED."""
    faults = Faults()
    said = read_message(draft, faults)
    faults.raise_if_any()
    return said


async def write_message(
    tx: Transaction, caller: Caller, session_id: str, draft: MessageDraft, find_visible_files: FindVisibleFiles, now: datetime
) -> Message:
    """Adds a message to a session, as an agent when one is named, and tells those whom it mentions.

    Fails as `check_message`, with NOT_FOUND for the session, the agent and attachments, with PERMISSION_DENIED when the agent does not
    allow it, with QUOTA_EXHAUSTED, and with CONFLICT when the session is closed or the agent disabled.
    """
    said = check_message(draft)
    session = await get_session(tx, caller, session_id, lock=True)
    agent = await find_actor(tx, caller, said.agent_id)
    missing = set(said.attachments) - set(await find_visible_files(tx, caller, said.attachments)) if said.attachments else set()
    if missing:
        raise LumetryError(Reason.NOT_FOUND, "File not found", type="File", id=min(missing))
    await check_budget(tx, caller.organization_id, {Meter.SESSION_MESSAGES: 1}, now, project_id=session.project_id)
    if session.is_closed:
        raise LumetryError(Reason.CONFLICT, "The session is closed", type="Session", id=session.id, state=session.status.value)
    if agent is not None:
        forbid_disabled(agent)
    message = Message(
        organization_id=caller.organization_id,
        id=new_uuid(),
        session_id=session.id,
        role=Role.USER if agent is None else Role.AGENT,
        author_name=(caller.user_name or "") if agent is None else agent.name,
        author_user_id=caller.user_id,
        agent_id=None if agent is None else agent.id,
        content=said.content,
        attachments=said.attachments,
        references=said.references,
        metadata=said.metadata,
        create_time=max(now, session.last_message_time or now),
    )
    actor = actor_of(caller) if agent is None else Actor(ActorType.AGENT, agent.name, agent.id)
    await add_messages(tx, session, [message], agent, actor, now)
    await count(tx, caller.organization_id, [Usage(Meter.SESSION_MESSAGES, 1, session.project_id)], now)
    await tell_mentioned(tx, session, message, now)
    after = {"messageId": message.id, "role": message.role.value, "agentId": message.agent_id}
    await record_audit(tx, caller, "Session.MessageWritten", AUDIT_TYPE, session.id, now, after=after)
    return message


async def add_messages(
    tx: Transaction, session: Session, messages: list[Message], agent: Agent | None, actor: Actor, now: datetime
) -> None:
    """Stores messages of one author in a session that the transaction has locked, and what follows from them.

    Rows of a session ascend with time, because whoever adds one has the session to themselves until the commit.
    """
    last = messages[-1].create_time
    written = replace(
        session,
        status=SessionStatus.ACTIVE if session.status is SessionStatus.IDLE else session.status,
        message_count=session.message_count + len(messages),
        last_message_time=last,
        update_time=max(last, session.update_time),
    )
    await insert_messages(tx, messages)
    await session_store.save_written(tx, written)
    if agent is not None:
        await note_message(tx, agent, last)
    item = ItemDraft(
        kind="session",
        action="message",
        title=f"New message in {session.label}",
        actor=actor,
        agent_id=None if agent is None else agent.id,
        project_ids=() if session.project_id is None else (session.project_id,),
        incident_id=session.incident_id,
        resource=Resource("session", session.id),
    )
    await record(tx, session.organization_id, [item] * len(messages), now)


async def tell_mentioned(tx: Transaction, session: Session, message: Message, now: datetime) -> None:
    """Writes a notice to each user whom a message mentions and who sees the session. Nobody is told for agents."""
    mentions = find_mentions(message.content)
    if not mentions:
        return
    organization_id = session.organization_id
    named = await find_named_holders(tx, organization_id, Permission.VIEW_ALERTS, {name for names in mentions for name in names})
    meant = {next((named[name] for name in names if name in named), None) for names in mentions} - {None}
    project = None if session.project_id is None else await find_project(tx, organization_id, session.project_id)
    if session.project_id is not None and project is None:
        return
    users = [user_id for user_id in meant if user_id is not None and (project is None or sees(project, user_id))]
    notice = NoticeDraft(
        kind=NoticeKind.MENTION,
        severity=NoticeSeverity.INFO,
        title=f"{message.author_name} mentioned you in {session.label}",
        body=message.content if len(message.content) <= EXCERPT else f"{message.content[: EXCERPT - 1]}…",
        resource_type="session",
        resource_id=session.id,
        project_id=session.project_id,
        link=f"/sessions/{session.id}",
    )
    await notify(tx, organization_id, users, [notice], now)
