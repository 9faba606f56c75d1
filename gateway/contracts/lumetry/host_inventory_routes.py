"""The routes of what host agents report and collect (contract lumetry 17.2, 17.3)."""

from gateway.contracts.lumetry import host_inventory
from gateway.contracts.lumetry.values import Page
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.hostagents.v1 import host_agent_channel_service_pb2, host_inventory_service_pb2


def inventory_rpc(method: str) -> Rpc:
    """An RPC of the inventory service."""
    return find_rpc(host_inventory_service_pb2.DESCRIPTOR, "HostInventoryService", method)


PROCESS = (inventory_rpc("GetProcessIdentity"), host_inventory.decode_get_process)
PACK = (inventory_rpc("GetAgentRulePack"), host_inventory.decode_get_pack)

HOST_INVENTORY_ROUTES = (
    Route(
        method="GET",
        path="/api/agents/{id:int}/process-inventory",
        heading="Process inventory of a host",
        rpc=inventory_rpc("ListHostProcesses"),
        decode=host_inventory.decode_inventory,
        encode=host_inventory.encode_inventory,
        answer=list[host_inventory.InventoryEntry],
    ),
    Route(
        method="GET",
        path="/api/processes",
        heading="List processes",
        rpc=inventory_rpc("ListProcessIdentities"),
        query=host_inventory.ProcessFilters,
        decode=host_inventory.decode_list_processes,
        encode=host_inventory.encode_list_processes,
        answer=Page[host_inventory.ProcessIdentity],
    ),
    Route(
        method="PUT",
        path="/api/processes/{identity:key}/monitor",
        heading="Monitor a process",
        rpc=inventory_rpc("SetProcessMonitoring"),
        body=host_inventory.MonitorBody,
        decode=host_inventory.decode_monitor,
        encode=host_inventory.encode_monitor,
        answer=host_inventory.ProcessIdentity,
        existence=PROCESS,
    ),
    Route(
        method="GET",
        path="/api/agents/rule-packs",
        heading="List rule packs",
        rpc=inventory_rpc("ListAgentRulePacks"),
        decode=host_inventory.decode_list_packs,
        encode=host_inventory.encode_list_packs,
        answer=list[host_inventory.RulePack],
    ),
    Route(
        method="PUT",
        path="/api/agents/rule-packs/{packId:key}",
        heading="Change a rule pack",
        rpc=inventory_rpc("UpdateAgentRulePack"),
        body=host_inventory.RulePackBody,
        decode=host_inventory.decode_update_pack,
        encode=host_inventory.encode_update_pack,
        answer=host_inventory.RulePack,
        existence=PACK,
    ),
    Route(
        method="GET",
        path="/api/agents/host-clusters",
        heading="List host clusters",
        rpc=inventory_rpc("ListHostClusters"),
        decode=host_inventory.decode_list_clusters,
        encode=host_inventory.encode_list_clusters,
        answer=list[host_inventory.HostCluster],
    ),
    Route(
        method="POST",
        path="/api/agents/host-clusters",
        heading="Create a host cluster",
        rpc=inventory_rpc("CreateHostCluster"),
        body=host_inventory.HostClusterBody,
        decode=host_inventory.decode_create_cluster,
        encode=host_inventory.encode_create_cluster,
        status=201,
        answer=host_inventory.HostCluster,
    ),
    Route(
        method="GET",
        path="/api/agents/tags",
        heading="List agent tags",
        rpc=inventory_rpc("ListAgentTags"),
        decode=host_inventory.decode_list_tags,
        encode=host_inventory.encode_list_tags,
        answer=list[host_inventory.AgentTag],
    ),
    Route(
        method="POST",
        path="/api/agents/tags",
        heading="Create an agent tag",
        rpc=inventory_rpc("CreateAgentTag"),
        body=host_inventory.AgentTagBody,
        decode=host_inventory.decode_create_tag,
        encode=host_inventory.encode_create_tag,
        status=201,
        answer=host_inventory.AgentTag,
    ),
    Route(
        method="POST",
        path="/v1/agents/process-inventory",
        heading="Report processes",
        rpc=find_rpc(host_agent_channel_service_pb2.DESCRIPTOR, "HostAgentChannelService", "ReportHostProcesses"),
        body=host_inventory.ProcessReportBody,
        decode=host_inventory.decode_report,
        encode=host_inventory.encode_report,
        status=202,
        gzip=True,
        answer=host_inventory.AcceptedProcesses,
    ),
)
