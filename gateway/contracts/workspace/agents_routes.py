"""The routes of agents."""

from collections.abc import Sequence

from gateway.contracts.workspace import agents, sessions
from gateway.contracts.workspace.values import MAX_BODY_BYTES, Deleted, Items, Listing, Success
from gateway.transcode.channel import find_rpc
from gateway.transcode.routes import Route
from lumetry.agents.v1 import agent_service_pb2
from lumetry.sessions.v1 import session_service_pb2

ROUTES: Sequence[Route] = (
    Route(
        method="GET",
        path="/api/v1/agents",
        heading="List agents",
        rpc=find_rpc(agent_service_pb2.DESCRIPTOR, "AgentService", "ListAgents"),
        query=agents.AgentQuery,
        decode=agents.decode_list_agents,
        encode=agents.encode_list_agents,
        answer=Success[Listing[agents.Agent]],
    ),
    Route(
        method="POST",
        path="/api/v1/agents",
        heading="Create an agent",
        rpc=agents.CREATE,
        body=agents.AgentBody,
        body_limit=MAX_BODY_BYTES,
        handle=agents.answer_create_agent,
        status=201,
        answer=Success[agents.Agent],
    ),
    Route(
        method="GET",
        path="/api/v1/agents/{id:key}",
        heading="Read an agent",
        rpc=find_rpc(agent_service_pb2.DESCRIPTOR, "AgentService", "GetAgent"),
        decode=agents.decode_get_agent,
        encode=agents.encode_get_agent,
        answer=Success[agents.Agent],
    ),
    Route(
        method="PATCH",
        path="/api/v1/agents/{id:key}",
        heading="Change an agent",
        rpc=agents.UPDATE,
        body=agents.AgentBody,
        body_limit=MAX_BODY_BYTES,
        handle=agents.answer_update_agent,
        answer=Success[agents.Agent],
    ),
    Route(
        method="DELETE",
        path="/api/v1/agents/{id:key}",
        heading="Delete an agent",
        rpc=find_rpc(agent_service_pb2.DESCRIPTOR, "AgentService", "DeleteAgent"),
        decode=agents.decode_delete_agent,
        encode=agents.encode_delete_agent,
        answer=Success[Deleted],
    ),
    Route(
        method="GET",
        path="/api/v1/agents/{id:key}/sessions",
        heading="List an agent's sessions",
        rpc=find_rpc(session_service_pb2.DESCRIPTOR, "SessionService", "ListAgentSessions"),
        query=sessions.PageQuery,
        decode=sessions.decode_list_agent_sessions,
        encode=sessions.encode_list_sessions,
        answer=Success[Listing[sessions.Session]],
    ),
    Route(
        method="GET",
        path="/api/v1/agents/{id:key}/messages",
        heading="List an agent's messages",
        rpc=find_rpc(session_service_pb2.DESCRIPTOR, "SessionService", "ListAgentMessages"),
        query=sessions.PageQuery,
        decode=sessions.decode_list_agent_messages,
        encode=sessions.encode_list_messages,
        answer=Success[Listing[sessions.Message]],
    ),
    Route(
        method="GET",
        path="/api/v1/agents/{id:key}/peers",
        heading="List an agent's peers",
        rpc=find_rpc(agent_service_pb2.DESCRIPTOR, "AgentService", "ListAgentPeers"),
        decode=agents.decode_list_peers,
        encode=agents.encode_list_peers,
        answer=Success[Items[agents.Agent]],
    ),
)
