"""SessionService on the wire."""

from collections.abc import Iterable, Sequence
from typing import Any

import grpc

from lumetry.sessions.v1 import session_pb2
from lumetry.sessions.v1 import session_service_pb2 as pb
from lumetry.sessions.v1.session_service_pb2_grpc import SessionServiceServicer
from lumetry_core.agents.service import settling
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.sessions.draft import MessageDraft, ReferenceDraft, SessionDraft
from lumetry_core.sessions.model import Session
from lumetry_core.sessions.rpc.encoding import encode_message, encode_session
from lumetry_core.sessions.service import messages, reading, writing

Context = grpc.aio.ServicerContext[Any, Any]

JSON_FIELDS = {"metadata": "metadata_json"}
"""Fields of a draft that have another name on the wire."""


class SessionServicer(SessionServiceServicer):
    """Manages sessions and their messages."""

    def __init__(self, database: Database, clock: Clock, find_visible_files: messages.FindVisibleFiles) -> None:
        self._database = database
        self._clock = clock
        self._find_visible_files = find_visible_files

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Context) -> pb.ListSessionsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            sessions, next_cursor = await reading.list_sessions(
                tx,
                current_caller(),
                project_id=request.project_id,
                incident_id=request.incident_id if request.HasField("incident_id") else None,
                agent_id=request.agent_id,
                status=request.status,
                search=request.search,
                limit=request.limit if request.HasField("limit") else None,
                cursor=request.cursor,
            )
            shown = await encode_sessions(tx, current_caller(), sessions)
        return pb.ListSessionsResponse(sessions=shown, next_cursor=next_cursor)

    async def ListAgentSessions(self, request: pb.ListAgentSessionsRequest, context: Context) -> pb.ListAgentSessionsResponse:
        """See the proto."""
        caller, limit = current_caller(), request.limit if request.HasField("limit") else None
        await self._settle(caller)
        async with self._database.read() as tx:
            sessions, next_cursor = await reading.list_agent_sessions(tx, caller, request.id, limit=limit, cursor=request.cursor)
            shown = await encode_sessions(tx, caller, sessions)
        return pb.ListAgentSessionsResponse(sessions=shown, next_cursor=next_cursor)

    async def GetSession(self, request: pb.GetSessionRequest, context: Context) -> pb.GetSessionResponse:
        """See the proto."""
        async with self._database.read() as tx:
            session = await reading.get_session(tx, current_caller(), request.id)
            [shown] = await encode_sessions(tx, current_caller(), [session])
        return pb.GetSessionResponse(session=shown)

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Context) -> pb.CreateSessionResponse:
        """See the proto."""
        draft, caller = decode_draft(request.fields), current_caller()
        if request.validate_only:
            writing.check_new(draft)
            return pb.CreateSessionResponse()
        agent_id = request.agent_id if request.HasField("agent_id") else None
        async with self._database.write() as tx:
            session = await writing.create(tx, caller, draft, agent_id, self._clock.now())
            [shown] = await encode_sessions(tx, caller, [session])
        return pb.CreateSessionResponse(session=shown)

    async def UpdateSession(self, request: pb.UpdateSessionRequest, context: Context) -> pb.UpdateSessionResponse:
        """See the proto."""
        draft, caller = decode_draft(request.fields), current_caller()
        names = frozenset(path.removesuffix("_json") for path in request.update_mask.paths)
        if request.validate_only:
            writing.check_change(draft, names)
            return pb.UpdateSessionResponse()
        async with self._database.write() as tx:
            session = await writing.update(tx, caller, request.id, draft, names, self._clock.now())
            [shown] = await encode_sessions(tx, caller, [session])
        return pb.UpdateSessionResponse(session=shown)

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Context) -> pb.DeleteSessionResponse:
        """See the proto."""
        async with self._database.write() as tx:
            session = await writing.delete(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteSessionResponse(id=session.id)

    async def ListSessionMessages(self, request: pb.ListSessionMessagesRequest, context: Context) -> pb.ListSessionMessagesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found, next_cursor = await reading.list_session_messages(
                tx,
                current_caller(),
                request.id,
                order=request.order,
                limit=request.limit if request.HasField("limit") else None,
                cursor=request.cursor,
            )
        return pb.ListSessionMessagesResponse(messages=map(encode_message, found), next_cursor=next_cursor)

    async def ListAgentMessages(self, request: pb.ListAgentMessagesRequest, context: Context) -> pb.ListAgentMessagesResponse:
        """See the proto."""
        caller, limit = current_caller(), request.limit if request.HasField("limit") else None
        await self._settle(caller)
        async with self._database.read() as tx:
            found, next_cursor = await reading.list_agent_messages(tx, caller, request.id, limit=limit, cursor=request.cursor)
        return pb.ListAgentMessagesResponse(messages=map(encode_message, found), next_cursor=next_cursor)

    async def CreateSessionMessage(self, request: pb.CreateSessionMessageRequest, context: Context) -> pb.CreateSessionMessageResponse:
        """See the proto."""
        draft = decode_message(request.fields)
        if request.validate_only:
            messages.check_message(draft)
            return pb.CreateSessionMessageResponse()
        async with self._database.write() as tx:
            message = await messages.write_message(tx, current_caller(), request.id, draft, self._find_visible_files, self._clock.now())
        return pb.CreateSessionMessageResponse(message=encode_message(message))

    async def _settle(self, caller: Caller) -> None:
        async with self._database.read() as tx:
            settled = await settling.is_settled(tx, caller.organization_id)
        if not settled:
            async with self._database.write() as tx:
                await settling.settle(tx, caller.organization_id, self._clock.now())


async def encode_sessions(tx: Transaction, caller: Caller, sessions: Sequence[Session]) -> list[session_pb2.Session]:
    """Sessions with their agents as they are named now."""
    agents = await reading.find_session_agents(tx, caller.organization_id, sessions)
    return [encode_session(session, agents.get(session.agent_id or "")) for session in sessions]


def decode_draft(fields: session_pb2.SessionFields) -> SessionDraft:
    """The fields as they were sent."""
    sent = {name: JSON_FIELDS.get(name, name) for name in SessionDraft.__dataclass_fields__}
    values: dict[str, Any] = {name: getattr(fields, wire) for name, wire in sent.items() if fields.HasField(wire)}  # type: ignore[arg-type]
    return SessionDraft(**values)


def decode_message(fields: session_pb2.MessageFields) -> MessageDraft:
    """The message as it was sent."""
    return MessageDraft(
        content=fields.content if fields.HasField("content") else None,
        agent_id=fields.agent_id if fields.HasField("agent_id") else None,
        attachments=tuple(fields.attachments),
        references=decode_references(fields.references),
        metadata=fields.metadata_json if fields.HasField("metadata_json") else None,
    )


def decode_references(references: Iterable[session_pb2.MessageReference]) -> tuple[ReferenceDraft, ...]:
    """References as they were sent."""
    return tuple(ReferenceDraft(each.type, each.id, each.label if each.HasField("label") else None) for each in references)
