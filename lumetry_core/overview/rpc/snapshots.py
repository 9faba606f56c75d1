"""`lumetry.overview.v1.SnapshotService`."""

from typing import Any

import grpc

from lumetry.overview.v1 import figures_pb2
from lumetry.overview.v1 import snapshot_service_pb2 as pb
from lumetry.overview.v1.snapshot_service_pb2_grpc import SnapshotServiceServicer
from lumetry_core.overview.filters import Asked
from lumetry_core.overview.rpc.encoding import (
    encode_activity,
    encode_agent,
    encode_alerts,
    encode_collector,
    encode_filters,
    encode_fleet,
    encode_incident,
    encode_incidents,
    encode_ingest,
    encode_machine,
    encode_machines,
)
from lumetry_core.overview.rpc.encoding_dashboard import encode_dashboard
from lumetry_core.overview.service.dashboard import read_dashboard
from lumetry_core.overview.service.mission_control import MissionControl, read_mission_control
from lumetry_core.overview.service.scene import Scenes
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class SnapshotServicer(SnapshotServiceServicer):
    """Serves both snapshots."""

    def __init__(self, database: Database, clock: Clock, scenes: Scenes) -> None:
        self._database = database
        self._clock = clock
        self._scenes = scenes

    async def GetMissionControl(self, request: pb.GetMissionControlRequest, context: Context) -> pb.GetMissionControlResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await read_mission_control(tx, current_caller(), decode_filters(request.filters), self._scenes, self._clock.now())
        return encode_mission_control(found)

    async def GetDashboard(self, request: pb.GetDashboardRequest, context: Context) -> pb.GetDashboardResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await read_dashboard(tx, current_caller(), decode_filters(request.filters), self._scenes, self._clock.now())
        return encode_dashboard(found)


def decode_filters(filters: pb.SnapshotFilters) -> Asked:
    """The filters as they were sent."""
    return Asked(
        kinds=tuple(filters.kinds),
        agent=filters.agent,
        project=filters.project,
        machine=filters.machine,
        search=filters.search,
        limit=filters.limit if filters.HasField("limit") else None,
        cursor=filters.cursor,
    )


def encode_mission_control(found: MissionControl) -> pb.GetMissionControlResponse:
    """The snapshot."""
    monitors, pipeline = found.monitor_figures, found.pipeline
    return pb.GetMissionControlResponse(
        time=encode_time(found.time),
        filters=encode_filters(found.filters),
        incident_figures=encode_incidents(found.incident_figures),
        alert_figures=encode_alerts(found.alert_figures),
        agent_figures=encode_fleet(found.agent_figures),
        collector_figures=encode_fleet(found.collector_figures),
        machine_figures=encode_machines(found.machine_figures),
        monitor_figures=figures_pb2.MonitorFigures(total=monitors.total, up=monitors.up, down=monitors.down, unknown=monitors.unknown),
        ingest=encode_ingest(found.ingest),
        pipeline=figures_pb2.PipelineFigures(
            evaluation_backlog=pipeline.evaluation_backlog,
            oldest_unevaluated_seconds=pipeline.oldest_unevaluated_seconds,
            delivery_backlog=pipeline.delivery_backlog,
            failed_deliveries_24h=pipeline.failed_deliveries,
        ),
        agents=[encode_agent(agent, found.open_alerts.get(agent.machine or "", 0)) for agent in found.agents],
        agent_total=found.agent_total,
        collectors=[encode_collector(collector, found.time) for collector in found.collectors],
        collector_total=found.collector_total,
        machines=[encode_machine(machine) for machine in found.machines],
        machine_total=found.machine_total,
        incidents=[encode_incident(item) for item in found.incidents],
        incident_total=found.incident_total,
        activity=encode_activity(found.activity),
    )
