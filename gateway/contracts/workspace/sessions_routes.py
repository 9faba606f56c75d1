"""The routes of sessions and messages."""

from collections.abc import Sequence

from gateway.contracts.workspace import sessions
from gateway.contracts.workspace.values import MAX_BODY_BYTES, Deleted, Listing, Success
from gateway.transcode.channel import find_rpc
from gateway.transcode.routes import Route
from lumetry.sessions.v1 import session_service_pb2

ROUTES: Sequence[Route] = (
    Route(
        method="GET",
        path="/api/v1/sessions",
        heading="List sessions",
        rpc=find_rpc(session_service_pb2.DESCRIPTOR, "SessionService", "ListSessions"),
        query=sessions.SessionQuery,
        decode=sessions.decode_list_sessions,
        encode=sessions.encode_list_sessions,
        answer=Success[Listing[sessions.Session]],
    ),
    Route(
        method="POST",
        path="/api/v1/sessions",
        heading="Open a session",
        rpc=sessions.CREATE,
        body=sessions.NewSessionBody,
        body_limit=MAX_BODY_BYTES,
        handle=sessions.answer_create_session,
        status=201,
        answer=Success[sessions.Session],
    ),
    Route(
        method="GET",
        path="/api/v1/sessions/{id:key}",
        heading="Read a session",
        rpc=find_rpc(session_service_pb2.DESCRIPTOR, "SessionService", "GetSession"),
        decode=sessions.decode_get_session,
        encode=sessions.encode_get_session,
        answer=Success[sessions.Session],
    ),
    Route(
        method="PATCH",
        path="/api/v1/sessions/{id:key}",
        heading="Change a session",
        rpc=sessions.UPDATE,
        body=sessions.SessionBody,
        body_limit=MAX_BODY_BYTES,
        handle=sessions.answer_update_session,
        answer=Success[sessions.Session],
    ),
    Route(
        method="DELETE",
        path="/api/v1/sessions/{id:key}",
        heading="Delete a session",
        rpc=find_rpc(session_service_pb2.DESCRIPTOR, "SessionService", "DeleteSession"),
        decode=sessions.decode_delete_session,
        encode=sessions.encode_delete_session,
        answer=Success[Deleted],
    ),
    Route(
        method="GET",
        path="/api/v1/sessions/{id:key}/messages",
        heading="List messages",
        rpc=find_rpc(session_service_pb2.DESCRIPTOR, "SessionService", "ListSessionMessages"),
        query=sessions.MessageQuery,
        decode=sessions.decode_list_session_messages,
        encode=sessions.encode_list_messages,
        answer=Success[Listing[sessions.Message]],
    ),
    Route(
        method="POST",
        path="/api/v1/sessions/{id:key}/messages",
        heading="Write a message",
        rpc=sessions.WRITE,
        body=sessions.MessageBody,
        body_limit=MAX_BODY_BYTES,
        handle=sessions.answer_create_message,
        status=201,
        answer=Success[sessions.Message],
    ),
)
