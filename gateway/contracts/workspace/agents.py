"""Agents (contract workspace 3)."""

from typing import Any

import msgspec
from aiohttp import web
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.contracts.workspace.checking import call_checked
from gateway.contracts.workspace.projects import read_document
from gateway.contracts.workspace.values import (
    Deleted,
    Items,
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
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.agents.v1 import agent_pb2
from lumetry.agents.v1 import agent_service_pb2 as pb

CREATE = find_rpc(pb.DESCRIPTOR, "AgentService", "CreateAgent")
UPDATE = find_rpc(pb.DESCRIPTOR, "AgentService", "UpdateAgent")
DOCUMENTS = ("settings", "metadata")
"""The fields that hold JSON objects of the caller's."""
RESTRICTIONS = ("allowed_tools", "allowed_peers", "allowed_connectors")
KIND = {agent_pb2.AGENT_KIND_AUTOMATION: "automation", agent_pb2.AGENT_KIND_HOST: "host"}
STATUS = {
    agent_pb2.AGENT_STATUS_ONLINE: "online",
    agent_pb2.AGENT_STATUS_OFFLINE: "offline",
    agent_pb2.AGENT_STATUS_DISABLED: "disabled",
}


class AgentQuery(msgspec.Struct):
    """Which agents are listed."""

    kind: str = ""
    status: str = ""
    search: str = ""
    limit: int | None = None
    cursor: str = ""


class AgentBody(msgspec.Struct, rename="camel"):
    """What may be written of an agent."""

    name: str | None = None
    slug: str | None = None
    description: str | None = None
    avatar: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    allowed_tools: list[str] | None = None
    allowed_peers: list[str] | None = None
    allowed_connectors: list[str] | None = None
    is_active: bool | None = None
    settings: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class Agent(msgspec.Struct, rename="camel"):
    """An agent."""

    id: str
    org_id: str
    workspace_id: None
    kind: str
    name: str
    slug: str
    description: str | None
    avatar: str | None
    model: str | None
    system_prompt: str | None
    allowed_tools: list[str]
    allowed_peers: list[str]
    allowed_connectors: list[str]
    is_active: bool
    is_default: bool
    status: str
    machine: str | None
    version: str | None
    last_seen_at: Time | None
    settings: dict[str, Any]
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time


NAMES = dict(zip(AgentBody.__struct_fields__, AgentBody.__struct_encode_fields__, strict=True))
"""Fields of the core, and their names in bodies."""


def decode_list_agents(request: Request) -> pb.ListAgentsRequest:
    """3 `GET /agents`."""
    query = request.query(AgentQuery)
    return pb.ListAgentsRequest(
        kind=query.kind, status=query.status, search=query.search, limit=read_limit(query.limit), cursor=query.cursor
    )


def encode_list_agents(reply: pb.ListAgentsResponse, _asked: object) -> Success[Listing[Agent]]:
    """3 a page of agents."""
    return make_listing([encode_agent(agent) for agent in reply.agents], reply.next_cursor)


def decode_get_agent(request: Request) -> pb.GetAgentRequest:
    """3 `GET /agents/{id}`."""
    return pb.GetAgentRequest(id=read_identity(request))


def encode_get_agent(reply: pb.GetAgentResponse, _asked: object) -> Success[Agent]:
    """3 one agent."""
    return Success(encode_agent(reply.agent))


def decode_list_peers(request: Request) -> pb.ListAgentPeersRequest:
    """3 `GET /agents/{id}/peers`."""
    return pb.ListAgentPeersRequest(id=read_identity(request))


def encode_list_peers(reply: pb.ListAgentPeersResponse, _asked: object) -> Success[Items[Agent]]:
    """3 the peers of an agent."""
    return Success(Items([encode_agent(agent) for agent in reply.agents]))


def decode_delete_agent(request: Request) -> pb.DeleteAgentRequest:
    """3 `DELETE /agents/{id}`."""
    return pb.DeleteAgentRequest(id=read_identity(request))


def encode_delete_agent(reply: pb.DeleteAgentResponse, _asked: object) -> Success[Deleted]:
    """3 the deletion."""
    return Success(Deleted(id=reply.id))


async def answer_create_agent(request: Request) -> web.StreamResponse:
    """3 `POST /agents`; `null` stands for what is not given."""
    data, faults = await read_object(request), list[Fault]()
    asked = pb.CreateAgentRequest(fields=read_fields(data, faults))
    reply = await call_checked(request, CREATE, asked, faults)
    return json_response(Success(encode_agent(reply.agent)), web.HTTPCreated.status_code)


async def answer_update_agent(request: Request) -> web.StreamResponse:
    """3 `PATCH /agents/{id}`: what appears is changed, what is `null` is cleared."""
    data, faults = await read_object(request), list[Fault]()
    paths = [f"{name}_json" if name in DOCUMENTS else name for name, spelled in NAMES.items() if spelled in data]
    asked = pb.UpdateAgentRequest(id=read_identity(request), fields=read_fields(data, faults), update_mask=FieldMask(paths=paths))
    reply = await call_checked(request, UPDATE, asked, faults)
    return json_response(Success(encode_agent(reply.agent)))


def read_fields(data: dict[str, Any], faults: list[Fault]) -> agent_pb2.AgentFields:
    """The writable fields of a body. Those of a wrong type are noted and left out, but for restrictions, which not everybody may send."""
    body = read_body(AgentBody, {name: value for name, value in data.items() if name not in DOCUMENTS}, faults)
    given: dict[str, Any] = {f"{name}_json": read_document(data[name], name, faults) for name in DOCUMENTS if data.get(name) is not None}
    given |= {name: read_entries(getattr(body, name)) for name in RESTRICTIONS if data.get(NAMES[name]) is not None}
    return agent_pb2.AgentFields(
        name=body.name,
        slug=body.slug,
        description=body.description,
        avatar=body.avatar,
        model=body.model,
        system_prompt=body.system_prompt,
        is_active=body.is_active,
        **given,
    )


def read_entries(values: list[str] | None) -> agent_pb2.Entries:
    """A list, empty when it is faulty; of its entries those that are none are left out."""
    return agent_pb2.Entries(values=[value for value in values or () if value is not None])


def encode_agent(agent: agent_pb2.Agent) -> Agent:
    """3 one agent; what only hosts have is null."""
    return Agent(
        id=agent.id,
        org_id=identity_of("organization", agent.organization_id),
        workspace_id=None,
        kind=KIND[agent.kind],
        name=agent.name,
        slug=agent.slug,
        description=agent.description if agent.HasField("description") else None,
        avatar=agent.avatar if agent.HasField("avatar") else None,
        model=agent.model if agent.HasField("model") else None,
        system_prompt=agent.system_prompt if agent.HasField("system_prompt") else None,
        allowed_tools=list(agent.allowed_tools),
        allowed_peers=list(agent.allowed_peers),
        allowed_connectors=list(agent.allowed_connectors),
        is_active=agent.is_active,
        is_default=agent.is_default,
        status=STATUS[agent.status],
        machine=agent.machine if agent.HasField("machine") else None,
        version=agent.version if agent.HasField("version") else None,
        last_seen_at=format_time(agent.last_seen_time) if agent.HasField("last_seen_time") else None,
        settings=msgspec.json.decode(agent.settings_json),
        metadata=msgspec.json.decode(agent.metadata_json),
        created_at=format_time(agent.create_time),
        updated_at=format_time(agent.update_time),
    )
