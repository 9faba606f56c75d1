"""The routes of host agents and of those who look after them (contract lumetry 17.2, 17.3)."""

from gateway.contracts.lumetry import host_agent_channel, host_agents
from gateway.contracts.lumetry.values import Page
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.hostagents.v1 import host_agent_channel_service_pb2, host_agent_service_pb2


def agent_rpc(method: str) -> Rpc:
    """An RPC for those who look after agents."""
    return find_rpc(host_agent_service_pb2.DESCRIPTOR, "HostAgentService", method)


def channel_rpc(method: str) -> Rpc:
    """An RPC for agents."""
    return find_rpc(host_agent_channel_service_pb2.DESCRIPTOR, "HostAgentChannelService", method)


AGENT = (agent_rpc("GetHostAgent"), host_agents.decode_get_agent)

HOST_AGENT_ROUTES = (
    Route(
        method="GET",
        path="/api/agents",
        heading="List host agents",
        rpc=agent_rpc("ListHostAgents"),
        query=host_agents.AgentFilters,
        decode=host_agents.decode_list_agents,
        encode=host_agents.encode_list_agents,
        answer=Page[host_agents.AgentRow],
    ),
    Route(
        method="GET",
        path="/api/agents/enrollment-profiles",
        heading="List enrollment profiles",
        rpc=agent_rpc("ListEnrollmentProfiles"),
        decode=host_agents.decode_list_profiles,
        encode=host_agents.encode_list_profiles,
        answer=list[host_agents.EnrollmentProfile],
    ),
    Route(
        method="POST",
        path="/api/agents/enrollment-profiles",
        heading="Create an enrollment profile",
        rpc=agent_rpc("CreateEnrollmentProfile"),
        body=host_agents.ProfileBody,
        decode=host_agents.decode_create_profile,
        encode=host_agents.encode_create_profile,
        status=201,
        answer=host_agents.CreatedProfile,
    ),
    Route(
        method="GET",
        path="/api/agents/{id:int}",
        heading="Read a host agent",
        rpc=agent_rpc("GetHostAgent"),
        decode=host_agents.decode_get_agent,
        encode=host_agents.encode_get_agent,
        answer=host_agents.AgentDetail,
    ),
    Route(
        method="PUT",
        path="/api/agents/{id:int}",
        heading="Change a host agent",
        rpc=agent_rpc("UpdateHostAgent"),
        body=host_agents.AgentBody,
        decode=host_agents.decode_update_agent,
        encode=host_agents.encode_changed_agent,
        answer=host_agents.AgentRow,
        existence=AGENT,
    ),
    Route(
        method="POST",
        path="/api/agents/{id:int}/revoke",
        heading="Revoke a host agent",
        rpc=agent_rpc("RevokeHostAgent"),
        decode=host_agents.decode_revoke_agent,
        encode=host_agents.encode_changed_agent,
        answer=host_agents.AgentRow,
    ),
    Route(
        method="GET",
        path="/api/agents/{id:int}/telemetry",
        heading="Telemetry of a host",
        rpc=agent_rpc("GetHostTelemetry"),
        query=host_agents.TelemetryFilters,
        decode=host_agents.decode_host_telemetry,
        encode=host_agents.encode_host_telemetry,
        answer=host_agents.HostTelemetry,
        existence=AGENT,
    ),
    Route(
        method="GET",
        path="/api/agents/{id:int}/processes/{executable:key}/telemetry",
        heading="Telemetry of processes",
        rpc=agent_rpc("GetHostProcessTelemetry"),
        query=host_agents.TelemetryFilters,
        decode=host_agents.decode_process_telemetry,
        encode=host_agents.encode_process_telemetry,
        answer=host_agents.ProcessTelemetry,
        existence=AGENT,
    ),
    Route(
        method="POST",
        path="/v1/agents/enroll",
        heading="Enroll a host agent",
        rpc=channel_rpc("EnrollHostAgent"),
        body=host_agent_channel.AgentEnrollBody,
        decode=host_agent_channel.decode_enroll,
        encode=host_agent_channel.encode_enroll,
        status=201,
        gzip=True,
        answer=host_agent_channel.AgentEnrollment,
    ),
    Route(
        method="POST",
        path="/v1/agents/heartbeat",
        heading="Heartbeat of a host agent",
        rpc=channel_rpc("SendHostAgentHeartbeat"),
        body=host_agent_channel.AgentHeartbeatBody,
        decode=host_agent_channel.decode_heartbeat,
        encode=host_agent_channel.encode_heartbeat,
        gzip=True,
        answer=host_agent_channel.AgentHeartbeatAnswer,
    ),
)
