"""Models to protobuf."""

import msgspec

from lumetry.sessions.v1 import session_pb2
from lumetry_core.agents.model import Agent
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.sessions.model import Message, Role, Session, SessionStatus

STATUSES = {
    SessionStatus.ACTIVE: session_pb2.SESSION_STATUS_ACTIVE,
    SessionStatus.AWAITING_PEER: session_pb2.SESSION_STATUS_AWAITING_PEER,
    SessionStatus.IDLE: session_pb2.SESSION_STATUS_IDLE,
    SessionStatus.CLOSED: session_pb2.SESSION_STATUS_CLOSED,
}
ROLES = {
    Role.USER: session_pb2.MESSAGE_ROLE_USER,
    Role.AGENT: session_pb2.MESSAGE_ROLE_AGENT,
    Role.SYSTEM: session_pb2.MESSAGE_ROLE_SYSTEM,
}


def encode_session(session: Session, agent: Agent | None) -> session_pb2.Session:
    """A session with its agent."""
    return session_pb2.Session(
        id=session.id,
        organization_id=session.organization_id,
        owner_id=session.owner_id,
        project_id=session.project_id,
        incident_id=session.incident_id,
        agent_id=session.agent_id,
        agent_name=None if agent is None else agent.name,
        agent_avatar=None if agent is None else agent.avatar,
        label=session.label,
        status=STATUSES[session.status],
        metadata_json=msgspec.json.encode(session.metadata).decode(),
        message_count=session.message_count,
        last_message_time=None if session.last_message_time is None else encode_time(session.last_message_time),
        create_time=encode_time(session.create_time),
        update_time=encode_time(session.update_time),
    )


def encode_message(message: Message) -> session_pb2.SessionMessage:
    """A message."""
    return session_pb2.SessionMessage(
        id=message.id,
        session_id=message.session_id,
        role=ROLES[message.role],
        author_user_id=message.author_user_id,
        agent_id=message.agent_id,
        author_name=message.author_name,
        content=message.content,
        attachments=message.attachments,
        references=[session_pb2.MessageReference(type=each.type.value, id=each.id, label=each.label) for each in message.references],
        metadata_json=msgspec.json.encode(message.metadata).decode(),
        create_time=encode_time(message.create_time),
    )
