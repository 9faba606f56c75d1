from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as channel_pb
from lumetry.hostagents.v1 import host_inventory_service_pb2 as pb
from lumetry.hostagents.v1.host_agent_channel_service_pb2_grpc import (
    HostAgentChannelServiceStub,
    add_HostAgentChannelServiceServicer_to_server,
)
from lumetry.hostagents.v1.host_inventory_service_pb2_grpc import HostInventoryServiceStub, add_HostInventoryServiceServicer_to_server
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.hostagents.model import HostAgent
from lumetry_core.hostagents.rpc.channel import HostAgentChannelServicer
from lumetry_core.hostagents.rpc.inventory import HostInventoryServicer
from lumetry_core.hostagents.service.beating import BeatAppender
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ADMIN, Fleet, of_agent

PACKAGE = "lumetry.hostagents.v1"


class Client:
    """Stubs of a running server."""

    def __init__(self, channel: grpc.aio.Channel, agent_id: int) -> None:
        self.inventory: Any = HostInventoryServiceStub(channel)
        self._channel: Any = HostAgentChannelServiceStub(channel)
        self.agent_id = agent_id

    async def ask(self, rpc: str, request: Any) -> Any:
        """The answer to an administrator."""
        return await getattr(self.inventory, rpc)(request, metadata=(("authorization", "Bearer admin"),))

    async def report(self, request: channel_pb.ReportHostProcessesRequest) -> Any:
        """The answer to the agent."""
        return await self._channel.ReportHostProcesses(request, metadata=(("authorization", "Bearer agent"),))


@pytest.fixture
async def client(database: Database, clock: FakeClock) -> AsyncIterator[Client]:
    """A client of a running server; its caller is an administrator or the agent on `web-1`."""
    agent = await Fleet(database, clock).enroll("web-1")

    async def authenticate(origin: Origin) -> Caller:
        return ADMIN if origin.secret == "admin" else of_agent(agent.id)

    async def show(_tx: Transaction, _agent: HostAgent, _now: object) -> None:
        """Nobody looks on."""

    defaults = OrganizationSettings()
    channel_servicer = HostAgentChannelServicer(database, clock, defaults, BeatAppender(database, clock, defaults), show)
    services = {
        f"{PACKAGE}.HostInventoryService": (add_HostInventoryServiceServicer_to_server, HostInventoryServicer(database, clock)),
        f"{PACKAGE}.HostAgentChannelService": (add_HostAgentChannelServiceServicer_to_server, channel_servicer),
    }
    built = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield Client(channel, agent.id)
    await built.server.stop(None)


async def failure_of(call: Awaitable[Any]) -> tuple[str, list[str]]:
    """Code and paths of a failure."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call
    details = error_details_pb2.BadRequest()
    status = rpc_status.from_call(failure.value)
    assert status is not None
    if len(status.details) > 1:
        assert status.details[1].Unpack(details)
    return failure.value.code().name, [violation.field for violation in details.field_violations]


async def test_reported_processes_are_shown_and_monitored(client: Client, clock: Clock) -> None:
    """A report, the inventory that comes of it, the identity, and its monitoring."""
    now = encode_time(clock.now())
    nginx = channel_pb.HostProcess(executable="nginx", identity="web", instance_count=3, cpu_percent=1.5, rss_bytes=10)
    reply = await client.report(channel_pb.ReportHostProcessesRequest(collect_time=now, processes=[nginx]))
    assert reply == channel_pb.ReportHostProcessesResponse(accepted_count=1)
    entry = pb.HostProcessEntry(
        executable="nginx",
        identity="web",
        instance_count=3,
        first_seen_time=now,
        last_seen_time=now,
        stale_time=encode_time(clock.now() + timedelta(minutes=10)),
    )
    found = await client.ask("ListHostProcesses", pb.ListHostProcessesRequest(agent_id=client.agent_id))
    assert found == pb.ListHostProcessesResponse(processes=[entry])
    web = pb.ProcessIdentity(identity="web", display_name="web", host_count=1, instance_count=3, last_seen_time=now)
    listed = await client.ask("ListProcessIdentities", pb.ListProcessIdentitiesRequest(search="W"))
    assert listed == pb.ListProcessIdentitiesResponse(processes=[web], total_count=1)
    monitored = (await client.ask("SetProcessMonitoring", pb.SetProcessMonitoringRequest(identity="web", enabled=True))).process
    assert monitored.monitored
    assert monitored == (await client.ask("GetProcessIdentity", pb.GetProcessIdentityRequest(identity="web"))).process
    ended = await client.ask("SetProcessMonitoring", pb.SetProcessMonitoringRequest(identity="web"))
    assert ended == pb.SetProcessMonitoringResponse(process=web)


async def test_faulty_report_names_its_faults(client: Client, clock: Clock) -> None:
    """A time that is none counts as one fault, and hides no other."""
    faulty = channel_pb.ReportHostProcessesRequest(processes=[channel_pb.HostProcess(executable="a", cpu_percent=float("nan"))])
    paths = ["collectedAt", "processes[0].instanceCount", "processes[0].cpuPercent"]
    assert await failure_of(client.report(faulty)) == ("INVALID_ARGUMENT", paths)
    faulty.collect_time.seconds = 10**15
    assert await failure_of(client.report(faulty)) == ("INVALID_ARGUMENT", paths)
    assert await client.ask("ListProcessIdentities", pb.ListProcessIdentitiesRequest()) == pb.ListProcessIdentitiesResponse()


async def test_rule_packs_are_listed_and_changed(client: Client) -> None:
    """Absent is absent: the operating system of a pack for all, the interval that nobody overrides."""
    listed = (await client.ask("ListAgentRulePacks", pb.ListAgentRulePacksRequest())).packs
    packs = {pack.pack_id: pack for pack in listed}
    assert list(packs) == ["host.linux", "host.windows", "iis", "mssql", "mysql", "nginx", "postgres", "process"]
    assert [packs[name].HasField("os") for name in ("host.linux", "process")] == [True, False]
    assert not packs["process"].HasField("interval_seconds_override")
    request = pb.UpdateAgentRulePackRequest(pack_id="process", interval_seconds_override=30, always_collect_processes=["sshd"])
    expected = packs["process"]
    expected.enabled, expected.interval_seconds_override = False, 30
    expected.always_collect_processes.append("sshd")
    assert (await client.ask("UpdateAgentRulePack", request)).pack == expected
    assert (await client.ask("GetAgentRulePack", pb.GetAgentRulePackRequest(pack_id="process"))).pack == expected
    refused = client.ask("UpdateAgentRulePack", pb.UpdateAgentRulePackRequest(pack_id="process", interval_seconds_override=1))
    assert (await failure_of(refused))[1] == ["intervalSecondsOverride"]
    assert await failure_of(client.ask("GetAgentRulePack", pb.GetAgentRulePackRequest(pack_id="never"))) == ("NOT_FOUND", [])


async def test_clusters_and_tags_are_added_and_listed(client: Client) -> None:
    """Each with how many are in it or bear it."""
    farm = (await client.ask("CreateHostCluster", pb.CreateHostClusterRequest(display_name="Farm", external_id="farm"))).cluster
    edge = (await client.ask("CreateHostCluster", pb.CreateHostClusterRequest(display_name="Edge"))).cluster
    assert farm == pb.HostCluster(id=farm.id, external_id="farm", display_name="Farm")
    assert edge == pb.HostCluster(id=edge.id, external_id=f"node:{edge.id}", display_name="Edge")
    assert list((await client.ask("ListHostClusters", pb.ListHostClustersRequest())).clusters) == [edge, farm]
    empty = client.ask("CreateHostCluster", pb.CreateHostClusterRequest(display_name="Other", external_id=""))
    assert await failure_of(empty) == ("INVALID_ARGUMENT", ["externalId"])
    tag = (await client.ask("CreateAgentTag", pb.CreateAgentTagRequest(name="Production"))).tag
    assert tag == pb.AgentTag(id=tag.id, name="Production")
    assert list((await client.ask("ListAgentTags", pb.ListAgentTagsRequest())).tags) == [tag]
    assert await failure_of(client.ask("CreateAgentTag", pb.CreateAgentTagRequest(name="PRODUCTION"))) == ("INVALID_ARGUMENT", ["name"])
