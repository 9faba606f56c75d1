"""What an agent tells of itself and of the processes of its host, as messages. Pure."""

from collections.abc import Sequence
from datetime import datetime

from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as agents_pb
from lumetry_core.collectors.agent.hostagent.usage import Usage, rank_cpu, rank_memory
from lumetry_core.collectors.agent.hostagent.wanted import Pack

MAX_PROCESSES = 1000
"""Of a report; a host with more executables reports the busiest."""
MAX_HOSTNAME = 255
MAX_HOST_ID = 128
MAX_ARCH = 64


def build_heartbeat(
    version: str,
    packs: Sequence[Pack],
    software: Sequence[str],
    queue: tuple[int, int],
    series: tuple[int, int],
    now: datetime,
) -> agents_pb.SendHostAgentHeartbeatRequest:
    """A heartbeat.

    Args:
        version: Of the agent.
        packs: Those in use.
        software: What was found.
        queue: Points that wait, and points dropped since the installation.
        series: Series that are sent, and series that are left out.
        now: The machine's clock: how far it is off is the product's to judge.
    """
    request = agents_pb.SendHostAgentHeartbeatRequest(
        version=version,
        queue_depth=queue[0],
        dropped_count=queue[1],
        series_count=series[0],
        series_dropped=series[1],
        packs=[agents_pb.ActivePack(pack_id=pack.pack_id, version=pack.version) for pack in packs],
        detected_software=software,
    )
    request.send_time.FromDatetime(now)
    return request


def build_report(usages: Sequence[Usage], time: datetime) -> agents_pb.ReportHostProcessesRequest:
    """A report of processes, ascending by executable."""
    reported = usages
    if len(usages) > MAX_PROCESSES:
        half = MAX_PROCESSES // 2
        busy = {usage.executable for usage in sorted(usages, key=rank_cpu, reverse=True)[:half]}
        large = [usage for usage in sorted(usages, key=rank_memory, reverse=True) if usage.executable not in busy]
        kept = busy | {usage.executable for usage in large[: MAX_PROCESSES - half]}
        reported = [usage for usage in usages if usage.executable in kept]
    request = agents_pb.ReportHostProcessesRequest(
        processes=[
            agents_pb.HostProcess(
                executable=usage.executable,
                instance_count=usage.instance_count,
                cpu_percent=usage.cpu_percent,
                memory_percent=usage.memory_percent,
                rss_bytes=usage.rss_bytes,
            )
            for usage in reported
        ]
    )
    request.collect_time.FromDatetime(time)
    return request


def build_enrollment(
    installation_id: str, labels: dict[str, str], version: str, cluster: str, cluster_id: str
) -> agents_pb.EnrollHostAgentRequest:
    """An enrollment of the host that the labels describe."""
    return agents_pb.EnrollHostAgentRequest(
        installation_id=installation_id,
        host_id=labels["host.id"][:MAX_HOST_ID],
        hostname=labels["host.name"][:MAX_HOSTNAME],
        os=labels["os.type"],
        arch=labels["arch"][:MAX_ARCH],
        version=version,
        cluster=cluster,
        cluster_id=cluster_id,
    )
