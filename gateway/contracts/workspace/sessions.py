"""Sessions and messages (contract workspace 5)."""

from typing import Any

import msgspec
from aiohttp import web
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.contracts.workspace.checking import call_checked
from gateway.contracts.workspace.projects import read_document
from gateway.contracts.workspace.values import (
    Deleted,
    Listing,
    Success,
    Time,
    identity_of,
    make_listing,
    read_identity,
    read_limit,
    read_object,
)
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Fault
from gateway.transcode.handling import json_response
from gateway.transcode.reading import read_body
from gateway.transcode.request import LARGEST_INTEGER, Request
from gateway.transcode.times import format_time
from lumetry.sessions.v1 import session_pb2
from lumetry.sessions.v1 import session_service_pb2 as pb

CREATE = find_rpc(pb.DESCRIPTOR, "SessionService", "CreateSession")
UPDATE = find_rpc(pb.DESCRIPTOR, "SessionService", "UpdateSession")
WRITE = find_rpc(pb.DESCRIPTOR, "SessionService", "CreateSessionMessage")
FIELDS = {"label": "label", "status": "status", "projectId": "project_id", "incidentId": "incident_id", "metadata": "metadata_json"}
"""Names in bodies, and the fields of the core."""
STATUS = {
    session_pb2.SESSION_STATUS_ACTIVE: "active",
    session_pb2.SESSION_STATUS_AWAITING_PEER: "awaiting_peer",
    session_pb2.SESSION_STATUS_IDLE: "idle",
    session_pb2.SESSION_STATUS_CLOSED: "closed",
}
ROLE = {
    session_pb2.MESSAGE_ROLE_USER: "user",
    session_pb2.MESSAGE_ROLE_AGENT: "agent",
    session_pb2.MESSAGE_ROLE_SYSTEM: "system",
}
SessionsReply = pb.ListSessionsResponse | pb.ListAgentSessionsResponse
MessagesReply = pb.ListSessionMessagesResponse | pb.ListAgentMessagesResponse


class SessionQuery(msgspec.Struct, rename="camel"):
    """Which sessions are listed."""

    project_id: str = ""
    incident_id: int | None = None
    agent_id: str = ""
    status: str = ""
    search: str = ""
    limit: int | None = None
    cursor: str = ""


class PageQuery(msgspec.Struct):
    """Which part of a list is asked for."""

    limit: int | None = None
    cursor: str = ""


class MessageQuery(msgspec.Struct):
    """Which messages of a session are listed."""

    order: str = ""
    limit: int | None = None
    cursor: str = ""


class SessionBody(msgspec.Struct, rename="camel"):
    """What may be written of a session."""

    label: str | None = None
    status: str | None = None
    project_id: str | None = None
    incident_id: int | None = None
    metadata: dict[str, Any] | None = None


class NewSessionBody(msgspec.Struct, rename="camel"):
    """What may be given of a new session."""

    label: str | None = None
    project_id: str | None = None
    incident_id: int | None = None
    agent_id: str | None = None
    metadata: dict[str, Any] | None = None


class ReferenceBody(msgspec.Struct):
    """What a message points to."""

    type: str
    id: str
    label: str | None = None


class MessageBody(msgspec.Struct, rename="camel"):
    """What may be given of a message."""

    content: str | None = None
    agent_id: str | None = None
    attachments: list[str] | None = None
    references: list[ReferenceBody] | None = None
    metadata: dict[str, Any] | None = None


class Session(msgspec.Struct, rename="camel"):
    """A session."""

    id: str
    org_id: str
    user_id: str
    project_id: str | None
    incident_id: int | None
    agent_id: str | None
    agent_name: str | None
    agent_avatar: str | None
    label: str
    status: str
    metadata: dict[str, Any]
    message_count: int
    last_message_at: Time | None
    created_at: Time
    updated_at: Time


class Reference(msgspec.Struct):
    """What a message points to."""

    type: str
    id: str
    label: str | None


class Message(msgspec.Struct, rename="camel"):
    """A message."""

    id: str
    session_id: str
    role: str
    author_user_id: str | None
    agent_id: str | None
    author_name: str
    content: str
    attachments: list[str]
    references: list[Reference]
    metadata: dict[str, Any]
    created_at: Time


def decode_list_sessions(request: Request) -> pb.ListSessionsRequest:
    """5 `GET /sessions`."""
    query = request.query(SessionQuery)
    return pb.ListSessionsRequest(
        project_id=read_reference(query.project_id) or "",
        incident_id=read_number(query.incident_id),
        agent_id=read_reference(query.agent_id) or "",
        status=query.status,
        search=query.search,
        limit=read_limit(query.limit),
        cursor=query.cursor,
    )


def decode_list_agent_sessions(request: Request) -> pb.ListAgentSessionsRequest:
    """3 `GET /agents/{id}/sessions`."""
    query = request.query(PageQuery)
    return pb.ListAgentSessionsRequest(id=read_identity(request), limit=read_limit(query.limit), cursor=query.cursor)


def encode_list_sessions(reply: SessionsReply, _asked: object) -> Success[Listing[Session]]:
    """5 a page of sessions."""
    return make_listing([encode_session(session) for session in reply.sessions], reply.next_cursor)


def decode_get_session(request: Request) -> pb.GetSessionRequest:
    """5 `GET /sessions/{id}`."""
    return pb.GetSessionRequest(id=read_identity(request))


def encode_get_session(reply: pb.GetSessionResponse, _asked: object) -> Success[Session]:
    """5 one session."""
    return Success(encode_session(reply.session))


def decode_delete_session(request: Request) -> pb.DeleteSessionRequest:
    """5 `DELETE /sessions/{id}`."""
    return pb.DeleteSessionRequest(id=read_identity(request))


def encode_delete_session(reply: pb.DeleteSessionResponse, _asked: object) -> Success[Deleted]:
    """5 the deletion."""
    return Success(Deleted(id=reply.id))


async def answer_create_session(request: Request) -> web.StreamResponse:
    """5 `POST /sessions`; `null` stands for what is not given."""
    data, faults = await read_object(request), list[Fault]()
    body = read_body(NewSessionBody, without_metadata(data), faults)
    fields = session_pb2.SessionFields(
        label=body.label,
        project_id=read_reference(body.project_id),
        incident_id=read_number(body.incident_id),
        metadata_json=read_metadata(data, faults),
    )
    asked = pb.CreateSessionRequest(fields=fields, agent_id=read_reference(body.agent_id))
    reply = await call_checked(request, CREATE, asked, faults)
    return json_response(Success(encode_session(reply.session)), web.HTTPCreated.status_code)


async def answer_update_session(request: Request) -> web.StreamResponse:
    """5 `PATCH /sessions/{id}`: what appears is changed, what is `null` is cleared."""
    data, faults = await read_object(request), list[Fault]()
    body = read_body(SessionBody, without_metadata(data), faults)
    fields = session_pb2.SessionFields(
        label=body.label,
        status=body.status,
        project_id=read_reference(body.project_id),
        incident_id=read_number(body.incident_id),
        metadata_json=read_metadata(data, faults),
    )
    mask = FieldMask(paths=[field for spelled, field in FIELDS.items() if spelled in data])
    reply = await call_checked(request, UPDATE, pb.UpdateSessionRequest(id=read_identity(request), fields=fields, update_mask=mask), faults)
    return json_response(Success(encode_session(reply.session)))


def decode_list_session_messages(request: Request) -> pb.ListSessionMessagesRequest:
    """5 `GET /sessions/{id}/messages`."""
    query = request.query(MessageQuery)
    return pb.ListSessionMessagesRequest(id=read_identity(request), order=query.order, limit=read_limit(query.limit), cursor=query.cursor)


def decode_list_agent_messages(request: Request) -> pb.ListAgentMessagesRequest:
    """3 `GET /agents/{id}/messages`."""
    query = request.query(PageQuery)
    return pb.ListAgentMessagesRequest(id=read_identity(request), limit=read_limit(query.limit), cursor=query.cursor)


def encode_list_messages(reply: MessagesReply, _asked: object) -> Success[Listing[Message]]:
    """5 a page of messages."""
    return make_listing([encode_message(message) for message in reply.messages], reply.next_cursor)


async def answer_create_message(request: Request) -> web.StreamResponse:
    """5 `POST /sessions/{id}/messages`; `null` stands for what is not given."""
    data, faults = await read_object(request), list[Fault]()
    body = read_body(MessageBody, without_metadata(data), faults)
    fields = session_pb2.MessageFields(
        content=body.content,
        agent_id=read_reference(body.agent_id),
        attachments=[attachment for attachment in body.attachments or () if attachment is not None],
        references=[write_reference(reference) for reference in body.references or () if is_whole(reference)],
        metadata_json=read_metadata(data, faults),
    )
    reply = await call_checked(request, WRITE, pb.CreateSessionMessageRequest(id=read_identity(request), fields=fields), faults)
    return json_response(Success(encode_message(reply.message)), web.HTTPCreated.status_code)


def without_metadata(data: dict[str, Any]) -> dict[str, Any]:
    """A body without the caller's own object, which is not looked into."""
    return {name: value for name, value in data.items() if name != "metadata"}


def read_metadata(data: dict[str, Any], faults: list[Fault]) -> str | None:
    """The caller's own object as compact JSON; None: not given, or noted as faulty."""
    return None if data.get("metadata") is None else read_document(data["metadata"], "metadata", faults)


def read_reference(text: str | None) -> str | None:
    """The UUID, in lower case, or slug of something else; slugs are in lower case anyway."""
    return None if text is None else text.strip().lower()


def read_number(number: int | None) -> int | None:
    """The number of something else; what is too large for one names nothing."""
    return None if number is None else max(-1, min(number, LARGEST_INTEGER))


def is_whole(reference: ReferenceBody | None) -> bool:
    """Whether a reference was read without faults in what it must have."""
    return reference is not None and reference.type is not None and reference.id is not None


def write_reference(reference: ReferenceBody) -> session_pb2.MessageReference:
    """What a message points to."""
    return session_pb2.MessageReference(type=reference.type, id=reference.id, label=reference.label)


def encode_session(session: session_pb2.Session) -> Session:
    """5 one session."""
    return Session(
        id=session.id,
        org_id=identity_of("organization", session.organization_id),
        user_id=identity_of("user", session.owner_id),
        project_id=session.project_id if session.HasField("project_id") else None,
        incident_id=session.incident_id if session.HasField("incident_id") else None,
        agent_id=session.agent_id if session.HasField("agent_id") else None,
        agent_name=session.agent_name if session.HasField("agent_name") else None,
        agent_avatar=session.agent_avatar if session.HasField("agent_avatar") else None,
        label=session.label,
        status=STATUS[session.status],
        metadata=msgspec.json.decode(session.metadata_json),
        message_count=session.message_count,
        last_message_at=format_time(session.last_message_time) if session.HasField("last_message_time") else None,
        created_at=format_time(session.create_time),
        updated_at=format_time(session.update_time),
    )


def encode_message(message: session_pb2.SessionMessage) -> Message:
    """5 one message."""
    return Message(
        id=message.id,
        session_id=message.session_id,
        role=ROLE[message.role],
        author_user_id=identity_of("user", message.author_user_id) if message.HasField("author_user_id") else None,
        agent_id=message.agent_id if message.HasField("agent_id") else None,
        author_name=message.author_name,
        content=message.content,
        attachments=list(message.attachments),
        references=[Reference(each.type, each.id, each.label if each.HasField("label") else None) for each in message.references],
        metadata=msgspec.json.decode(message.metadata_json),
        created_at=format_time(message.create_time),
    )
