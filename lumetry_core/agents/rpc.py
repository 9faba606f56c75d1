"""AgentService on the wire."""

from typing import Any

import grpc
import msgspec

from lumetry.agents.v1 import agent_pb2
from lumetry.agents.v1 import agent_service_pb2 as pb
from lumetry.agents.v1.agent_service_pb2_grpc import AgentServiceServicer
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.agents.draft import Draft
from lumetry_core.agents.model import RESTRICTIONS, Agent, Kind, Status
from lumetry_core.agents.service import reading, settling, writing
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]

STATUSES = {
    Status.ONLINE: agent_pb2.AGENT_STATUS_ONLINE,
    Status.OFFLINE: agent_pb2.AGENT_STATUS_OFFLINE,
    Status.DISABLED: agent_pb2.AGENT_STATUS_DISABLED,
}
KINDS = {Kind.AUTOMATION: agent_pb2.AGENT_KIND_AUTOMATION, Kind.HOST: agent_pb2.AGENT_KIND_HOST}
JSON_FIELDS = {"metadata": "metadata_json", "settings": "settings_json"}
"""Fields of a draft that have another name on the wire."""


class AgentServicer(AgentServiceServicer):
    """Manages agents."""

    def __init__(self, database: Database, clock: Clock, defaults: OrganizationSettings) -> None:
        """Builds the servicer.

        Args:
            database: Where agents are.
            clock: Tells when they changed.
            defaults: What the deployment sets for organizations that do not.
        """
        self._database = database
        self._clock = clock
        self._defaults = defaults

    async def ListAgents(self, request: pb.ListAgentsRequest, context: Context) -> pb.ListAgentsResponse:
        """See the proto."""
        caller = current_caller()
        await self._settle(caller)
        async with self._database.read() as tx:
            agents, next_cursor = await reading.list_agents(
                tx,
                caller,
                kind=request.kind,
                status=request.status,
                search=request.search,
                limit=request.limit if request.HasField("limit") else None,
                cursor=request.cursor,
                now=self._clock.now(),
            )
        return pb.ListAgentsResponse(agents=[encode_agent(agent) for agent in agents], next_cursor=next_cursor)

    async def GetAgent(self, request: pb.GetAgentRequest, context: Context) -> pb.GetAgentResponse:
        """See the proto."""
        caller = current_caller()
        await self._settle(caller)
        async with self._database.read() as tx:
            found = await reading.get_agent(tx, caller, request.id)
            [agent] = await reading.hear(tx, caller.organization_id, [found], self._clock.now())
        return pb.GetAgentResponse(agent=encode_agent(agent))

    async def ListAgentPeers(self, request: pb.ListAgentPeersRequest, context: Context) -> pb.ListAgentPeersResponse:
        """See the proto."""
        caller = current_caller()
        await self._settle(caller)
        async with self._database.read() as tx:
            found = await reading.list_peers(tx, caller, request.id)
            agents = await reading.hear(tx, caller.organization_id, found, self._clock.now())
        return pb.ListAgentPeersResponse(agents=[encode_agent(agent) for agent in agents])

    async def CreateAgent(self, request: pb.CreateAgentRequest, context: Context) -> pb.CreateAgentResponse:
        """See the proto."""
        draft, caller = decode_draft(request.fields), current_caller()
        if request.validate_only:
            writing.check_new(caller, draft)
            return pb.CreateAgentResponse()
        async with self._database.write() as tx:
            agent = await writing.create(tx, caller, draft, self._clock.now())
        return pb.CreateAgentResponse(agent=encode_agent(agent))

    async def UpdateAgent(self, request: pb.UpdateAgentRequest, context: Context) -> pb.UpdateAgentResponse:
        """See the proto."""
        draft, caller = decode_draft(request.fields), current_caller()
        names = frozenset(path.removesuffix("_json") for path in request.update_mask.paths)
        if request.validate_only:
            writing.check_change(caller, draft, names)
            return pb.UpdateAgentResponse()
        async with self._database.write() as tx:
            changed = await writing.update(tx, caller, request.id, draft, names, self._defaults, self._clock.now())
            [agent] = await reading.hear(tx, caller.organization_id, [changed], self._clock.now())
        return pb.UpdateAgentResponse(agent=encode_agent(agent))

    async def DeleteAgent(self, request: pb.DeleteAgentRequest, context: Context) -> pb.DeleteAgentResponse:
        """See the proto."""
        async with self._database.write() as tx:
            agent = await writing.delete(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteAgentResponse(id=agent.id)

    async def _settle(self, caller: Caller) -> None:
        async with self._database.read() as tx:
            settled = await settling.is_settled(tx, caller.organization_id)
        if not settled:
            async with self._database.write() as tx:
                await settling.settle(tx, caller.organization_id, self._clock.now())


def decode_draft(fields: agent_pb2.AgentFields) -> Draft:
    """The fields as they were sent."""
    sent = {name: JSON_FIELDS.get(name, name) for name in Draft.__dataclass_fields__}
    values: dict[str, Any] = {name: getattr(fields, wire) for name, wire in sent.items() if fields.HasField(wire)}  # type: ignore[arg-type]
    values |= {name: tuple(values[name].values) for name in RESTRICTIONS & values.keys()}
    return Draft(**values)


def encode_agent(agent: Agent) -> agent_pb2.Agent:
    """An agent."""
    return agent_pb2.Agent(
        id=agent.id,
        organization_id=agent.organization_id,
        kind=KINDS[agent.kind],
        slug=agent.slug,
        name=agent.name,
        description=agent.description,
        avatar=agent.avatar,
        model=agent.model,
        system_prompt=agent.system_prompt,
        allowed_tools=agent.allowed_tools,
        allowed_peers=agent.allowed_peers,
        allowed_connectors=agent.allowed_connectors,
        is_active=agent.is_active,
        settings_json=msgspec.json.encode(agent.settings).decode(),
        metadata_json=msgspec.json.encode(agent.metadata).decode(),
        is_default=agent.is_default,
        status=STATUSES[agent.status],
        machine=agent.machine,
        version=None if agent.heard is None else agent.heard.version or None,
        last_seen_time=encode_time(agent.last_seen_time),
        create_time=encode_time(agent.create_time),
        update_time=encode_time(agent.update_time),
    )
