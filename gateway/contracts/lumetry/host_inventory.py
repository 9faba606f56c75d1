"""What host agents report of processes, and what they collect (contract lumetry 17.2, 17.3)."""

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.values import Count, Int32, Page, PageNumber, PageSize, Time, make_page, optional_time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as channel_pb
from lumetry.hostagents.v1 import host_inventory_service_pb2 as pb

DEFAULT_PAGE_SIZE = 25


class ReportedProcess(msgspec.Struct, rename="camel"):
    """The processes of one executable; without `identity` they are the same as others of its name."""

    executable: str = ""
    identity: str | None = None
    instance_count: Int32 = 0
    cpu_percent: float = 0.0
    memory_percent: float = 0.0
    rss_bytes: Count = 0


class ProcessReportBody(msgspec.Struct, rename="camel"):
    """All that runs on a host."""

    collected_at: Timestamp | None = None
    processes: list[ReportedProcess] | None = None


class AcceptedProcesses(msgspec.Struct, rename="camel"):
    """How many were taken."""

    accepted: int


class InventoryEntry(msgspec.Struct, rename="camel"):
    """The processes of one executable on a host."""

    executable: str
    identity: str
    instance_count: int
    first_seen_at: Time
    last_seen_at: Time
    stale_at: Time
    is_stale: bool


class ProcessFilters(msgspec.Struct, rename="camel"):
    """Which identities."""

    search: str | None = None
    page: PageNumber = 1
    page_size: PageSize = DEFAULT_PAGE_SIZE


class ProcessIdentity(msgspec.Struct, rename="camel"):
    """What is the same on several hosts."""

    identity: str
    display_name: str
    host_count: int
    instance_count: int
    is_monitored: bool
    topology_node_id: int | None
    last_seen_at: Time | None


class MonitorBody(msgspec.Struct, rename="camel"):
    """Whether an identity is monitored."""

    enabled: bool


class RulePackBody(msgspec.Struct, rename="camel"):
    """How a rule pack is used."""

    enabled: bool
    interval_seconds_override: Int32 | None = None
    always_collect_processes: list[str] | None = None


class RulePack(msgspec.Struct, rename="camel"):
    """A rule pack; `os` is null when it is for all."""

    pack_id: str
    name: str
    version: int
    os: str | None
    description: str
    metrics: list[str]
    enabled: bool
    interval_seconds_override: int | None
    always_collect_processes: list[str]


class HostClusterBody(msgspec.Struct, rename="camel"):
    """A cluster to add."""

    display_name: str = ""
    external_id: str | None = None


class HostCluster(msgspec.Struct, rename="camel"):
    """A cluster of the topology."""

    id: int
    external_id: str
    display_name: str
    member_count: int


class AgentTagBody(msgspec.Struct, rename="camel"):
    """A tag to add."""

    name: str = ""


class AgentTag(msgspec.Struct, rename="camel"):
    """A tag."""

    id: int
    name: str
    agent_count: int


def decode_report(request: Request) -> channel_pb.ReportHostProcessesRequest:
    """17.3 `POST /v1/agents/process-inventory`."""
    body = request.body(ProcessReportBody)
    return channel_pb.ReportHostProcessesRequest(
        collect_time=body.collected_at,
        processes=[
            channel_pb.HostProcess(
                executable=process.executable,
                identity=process.identity or "",
                instance_count=process.instance_count,
                cpu_percent=process.cpu_percent,
                memory_percent=process.memory_percent,
                rss_bytes=process.rss_bytes,
            )
            for process in body.processes or ()
        ],
    )


def encode_report(reply: channel_pb.ReportHostProcessesResponse, _asked: object) -> AcceptedProcesses:
    """17.3 how many were taken."""
    return AcceptedProcesses(accepted=reply.accepted_count)


def decode_inventory(request: Request) -> pb.ListHostProcessesRequest:
    """17.2 `GET /api/agents/{id}/process-inventory`."""
    return pb.ListHostProcessesRequest(agent_id=request.number("id"))


def encode_inventory(reply: pb.ListHostProcessesResponse, _asked: object) -> list[InventoryEntry]:
    """17.2 the inventory of a host."""
    return [
        InventoryEntry(
            executable=entry.executable,
            identity=entry.identity,
            instance_count=entry.instance_count,
            first_seen_at=format_time(entry.first_seen_time),
            last_seen_at=format_time(entry.last_seen_time),
            stale_at=format_time(entry.stale_time),
            is_stale=entry.is_stale,
        )
        for entry in reply.processes
    ]


def decode_list_processes(request: Request) -> pb.ListProcessIdentitiesRequest:
    """17.2 `GET /api/processes`."""
    filters = request.query(ProcessFilters)
    return pb.ListProcessIdentitiesRequest(search=filters.search or "", page=filters.page, page_size=filters.page_size)


def encode_list_processes(reply: pb.ListProcessIdentitiesResponse, asked: pb.ListProcessIdentitiesRequest) -> Page[ProcessIdentity]:
    """17.2 a page of identities."""
    items = [encode_identity(process) for process in reply.processes]
    return make_page(items, page=asked.page, page_size=asked.page_size, total_count=reply.total_count)


def decode_get_process(request: Request) -> pb.GetProcessIdentityRequest:
    """The identity that a change is about."""
    return pb.GetProcessIdentityRequest(identity=request.key("identity"))


def decode_monitor(request: Request) -> pb.SetProcessMonitoringRequest:
    """17.2 `PUT /api/processes/{identity}/monitor`."""
    return pb.SetProcessMonitoringRequest(identity=request.key("identity"), enabled=request.body(MonitorBody).enabled)


def encode_monitor(reply: pb.SetProcessMonitoringResponse, _asked: object) -> ProcessIdentity:
    """17.2 the identity after the change."""
    return encode_identity(reply.process)


def encode_identity(process: pb.ProcessIdentity) -> ProcessIdentity:
    """17.2 an identity."""
    return ProcessIdentity(
        identity=process.identity,
        display_name=process.display_name,
        host_count=process.host_count,
        instance_count=process.instance_count,
        is_monitored=process.monitored,
        topology_node_id=optional_value(process, "topology_node_id"),
        last_seen_at=optional_time(process, "last_seen_time"),
    )


def decode_list_packs(_request: Request) -> pb.ListAgentRulePacksRequest:
    """17.2 `GET /api/agents/rule-packs`."""
    return pb.ListAgentRulePacksRequest()


def encode_list_packs(reply: pb.ListAgentRulePacksResponse, _asked: object) -> list[RulePack]:
    """17.2 the rule packs."""
    return [encode_pack(pack) for pack in reply.packs]


def decode_get_pack(request: Request) -> pb.GetAgentRulePackRequest:
    """The rule pack that a change is about."""
    return pb.GetAgentRulePackRequest(pack_id=request.key("packId"))


def decode_update_pack(request: Request) -> pb.UpdateAgentRulePackRequest:
    """17.2 `PUT /api/agents/rule-packs/{packId}`."""
    body = request.body(RulePackBody)
    return pb.UpdateAgentRulePackRequest(
        pack_id=request.key("packId"),
        enabled=body.enabled,
        interval_seconds_override=body.interval_seconds_override,
        always_collect_processes=body.always_collect_processes,
    )


def encode_update_pack(reply: pb.UpdateAgentRulePackResponse, _asked: object) -> RulePack:
    """17.2 the rule pack after the change."""
    return encode_pack(reply.pack)


def encode_pack(pack: pb.AgentRulePack) -> RulePack:
    """17.2 a rule pack."""
    return RulePack(
        pack_id=pack.pack_id,
        name=pack.name,
        version=pack.version,
        os=optional_value(pack, "os"),
        description=pack.description,
        metrics=list(pack.metrics),
        enabled=pack.enabled,
        interval_seconds_override=optional_value(pack, "interval_seconds_override"),
        always_collect_processes=list(pack.always_collect_processes),
    )


def decode_list_clusters(_request: Request) -> pb.ListHostClustersRequest:
    """17.2 `GET /api/agents/host-clusters`."""
    return pb.ListHostClustersRequest()


def encode_list_clusters(reply: pb.ListHostClustersResponse, _asked: object) -> list[HostCluster]:
    """17.2 the clusters."""
    return [encode_cluster(cluster) for cluster in reply.clusters]


def decode_create_cluster(request: Request) -> pb.CreateHostClusterRequest:
    """17.2 `POST /api/agents/host-clusters`."""
    body = request.body(HostClusterBody)
    return pb.CreateHostClusterRequest(display_name=body.display_name, external_id=body.external_id)


def encode_create_cluster(reply: pb.CreateHostClusterResponse, _asked: object) -> HostCluster:
    """17.2 the new cluster."""
    return encode_cluster(reply.cluster)


def encode_cluster(cluster: pb.HostCluster) -> HostCluster:
    """17.2 a cluster."""
    return HostCluster(id=cluster.id, external_id=cluster.external_id, display_name=cluster.display_name, member_count=cluster.member_count)


def decode_list_tags(_request: Request) -> pb.ListAgentTagsRequest:
    """17.2 `GET /api/agents/tags`."""
    return pb.ListAgentTagsRequest()


def encode_list_tags(reply: pb.ListAgentTagsResponse, _asked: object) -> list[AgentTag]:
    """17.2 the tags."""
    return [encode_tag(tag) for tag in reply.tags]


def decode_create_tag(request: Request) -> pb.CreateAgentTagRequest:
    """17.2 `POST /api/agents/tags`."""
    return pb.CreateAgentTagRequest(name=request.body(AgentTagBody).name)


def encode_create_tag(reply: pb.CreateAgentTagResponse, _asked: object) -> AgentTag:
    """17.2 the new tag."""
    return encode_tag(reply.tag)


def encode_tag(tag: pb.AgentTag) -> AgentTag:
    """17.2 a tag."""
    return AgentTag(id=tag.id, name=tag.name, agent_count=tag.agent_count)
