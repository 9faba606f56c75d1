"""`lumetry.hostagents.v1.HostInventoryService`."""

from typing import Any

import grpc

from lumetry.hostagents.v1 import host_inventory_service_pb2 as pb
from lumetry.hostagents.v1.host_inventory_service_pb2_grpc import HostInventoryServiceServicer
from lumetry_core.hostagents.model import Tag
from lumetry_core.hostagents.packs import Usage, UsedPack
from lumetry_core.hostagents.processes import Identity, Seen
from lumetry_core.hostagents.service import clusters, identities, packs, processes, tags
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.topology.model import Node

Context = grpc.aio.ServicerContext[Any, Any]


class HostInventoryServicer(HostInventoryServiceServicer):
    """Serves those who decide what agents collect, and look at what they report."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListHostProcesses(self, request: pb.ListHostProcessesRequest, context: Context) -> pb.ListHostProcessesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await processes.list_inventory(tx, current_caller().organization_id, request.agent_id, self._clock.now())
        return pb.ListHostProcessesResponse(processes=[encode_seen(seen) for seen in found])

    async def ListProcessIdentities(self, request: pb.ListProcessIdentitiesRequest, context: Context) -> pb.ListProcessIdentitiesResponse:
        """See the proto."""
        asked = request.search, request.page, request.page_size
        async with self._database.read() as tx:
            found, total = await identities.list_identities(tx, current_caller().organization_id, *asked, self._clock.now())
        return pb.ListProcessIdentitiesResponse(processes=[encode_identity(identity) for identity in found], total_count=total)

    async def GetProcessIdentity(self, request: pb.GetProcessIdentityRequest, context: Context) -> pb.GetProcessIdentityResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await identities.get_identity(tx, current_caller().organization_id, request.identity, self._clock.now())
        return pb.GetProcessIdentityResponse(process=encode_identity(found))

    async def SetProcessMonitoring(self, request: pb.SetProcessMonitoringRequest, context: Context) -> pb.SetProcessMonitoringResponse:
        """See the proto."""
        async with self._database.write() as tx:
            found = await identities.set_monitoring(
                tx, current_caller(), request.identity, is_enabled=request.enabled, now=self._clock.now()
            )
        return pb.SetProcessMonitoringResponse(process=encode_identity(found))

    async def ListAgentRulePacks(self, request: pb.ListAgentRulePacksRequest, context: Context) -> pb.ListAgentRulePacksResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await packs.list_packs(tx, current_caller().organization_id)
        return pb.ListAgentRulePacksResponse(packs=[encode_pack(used) for used in found])

    async def GetAgentRulePack(self, request: pb.GetAgentRulePackRequest, context: Context) -> pb.GetAgentRulePackResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await packs.get_pack(tx, current_caller().organization_id, request.pack_id)
        return pb.GetAgentRulePackResponse(pack=encode_pack(found))

    async def UpdateAgentRulePack(self, request: pb.UpdateAgentRulePackRequest, context: Context) -> pb.UpdateAgentRulePackResponse:
        """See the proto."""
        seconds = request.interval_seconds_override if request.HasField("interval_seconds_override") else None
        usage = Usage(request.enabled, seconds, tuple(request.always_collect_processes))
        async with self._database.write() as tx:
            changed = await packs.update_pack(tx, current_caller(), request.pack_id, usage, self._clock.now())
        return pb.UpdateAgentRulePackResponse(pack=encode_pack(changed))

    async def ListHostClusters(self, request: pb.ListHostClustersRequest, context: Context) -> pb.ListHostClustersResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await clusters.list_clusters(tx, current_caller().organization_id)
        return pb.ListHostClustersResponse(clusters=[encode_cluster(node, count) for node, count in found])

    async def CreateHostCluster(self, request: pb.CreateHostClusterRequest, context: Context) -> pb.CreateHostClusterResponse:
        """See the proto."""
        external_id = request.external_id if request.HasField("external_id") else None
        async with self._database.write() as tx:
            created = await clusters.create_cluster(tx, current_caller(), request.display_name, external_id, self._clock.now())
        return pb.CreateHostClusterResponse(cluster=encode_cluster(created, 0))

    async def ListAgentTags(self, request: pb.ListAgentTagsRequest, context: Context) -> pb.ListAgentTagsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await tags.list_tags(tx, current_caller().organization_id)
        return pb.ListAgentTagsResponse(tags=[encode_tag(tag, count) for tag, count in found])

    async def CreateAgentTag(self, request: pb.CreateAgentTagRequest, context: Context) -> pb.CreateAgentTagResponse:
        """See the proto."""
        async with self._database.write() as tx:
            created = await tags.create_tag(tx, current_caller(), request.name, self._clock.now())
        return pb.CreateAgentTagResponse(tag=encode_tag(created, 0))


def encode_seen(seen: Seen) -> pb.HostProcessEntry:
    """The processes of one executable on a host."""
    return pb.HostProcessEntry(
        executable=seen.entry.executable,
        identity=seen.entry.identity,
        instance_count=seen.entry.instance_count,
        first_seen_time=encode_time(seen.entry.first_seen_time),
        last_seen_time=encode_time(seen.last_seen_time),
        stale_time=encode_time(seen.stale_time),
        is_stale=seen.is_stale,
    )


def encode_identity(identity: Identity) -> pb.ProcessIdentity:
    """What is the same on several hosts."""
    return pb.ProcessIdentity(
        identity=identity.identity,
        display_name=identity.identity,
        host_count=identity.host_count,
        instance_count=identity.instance_count,
        monitored=identity.node_id is not None,
        topology_node_id=identity.node_id,
        last_seen_time=encode_time(identity.last_seen_time),
    )


def encode_pack(used: UsedPack) -> pb.AgentRulePack:
    """A rule pack with how it is used."""
    pack, usage = used.pack, used.usage
    return pb.AgentRulePack(
        pack_id=pack.id,
        name=pack.name,
        version=pack.version,
        os=None if pack.os is None else pack.os.value,
        description=pack.description,
        metrics=pack.metrics,
        enabled=usage.is_enabled,
        interval_seconds_override=usage.interval_seconds,
        always_collect_processes=usage.always_collect,
    )


def encode_cluster(node: Node, member_count: int) -> pb.HostCluster:
    """A cluster."""
    return pb.HostCluster(id=node.id, external_id=node.external_id, display_name=node.display_name, member_count=member_count)


def encode_tag(tag: Tag, agent_count: int) -> pb.AgentTag:
    """A tag."""
    return pb.AgentTag(id=tag.id, name=tag.name, agent_count=agent_count)
