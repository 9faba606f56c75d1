"""`ReportHostProcesses` of `lumetry.hostagents.v1.HostAgentChannelService`."""

from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as pb
from lumetry_core.hostagents.processes import Process
from lumetry_core.hostagents.service.processes import report_processes
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time


async def report_host_processes(database: Database, clock: Clock, request: pb.ReportHostProcessesRequest) -> pb.ReportHostProcessesResponse:
    """See the proto."""
    faults = Faults()
    collect_time = decode_time(request.collect_time, "collectedAt", faults) if request.HasField("collect_time") else None
    processes = [
        Process(each.executable, each.identity, each.instance_count, each.cpu_percent, each.memory_percent, each.rss_bytes)
        for each in request.processes
    ]
    async with database.write() as tx:
        count = await report_processes(tx, current_caller(), collect_time, processes, faults, clock.now())
    return pb.ReportHostProcessesResponse(accepted_count=count)
