"""LogGroupService."""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import grpc

from lumetry.logs.v1 import log_group_service_pb2 as pb
from lumetry.logs.v1 import log_group_service_pb2_grpc, log_pb2
from lumetry_core.logs.groups import GroupFigures, GroupStatus
from lumetry_core.logs.rpc.logs import write_entry
from lumetry_core.logs.service import groups, handling
from lumetry_core.logs.service.groups import GroupQuery, IncidentScope
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]
STATUSES = {
    GroupStatus.OPEN: pb.LOG_GROUP_STATUS_OPEN,
    GroupStatus.RESOLVED: pb.LOG_GROUP_STATUS_RESOLVED,
    GroupStatus.IGNORED: pb.LOG_GROUP_STATUS_IGNORED,
}


class FindIncidents(Protocol):
    """Finds the present incident of each alert; incidents stand above logs."""

    def __call__(self, tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> Awaitable[Mapping[int, int | None]]:
        """Gives incidents by alert; None or left out: it has none."""


class FindScope(Protocol):
    """Finds out what an incident is about; incidents stand above logs."""

    def __call__(self, tx: Transaction, organization_id: int, incident_id: int, now: datetime) -> Awaitable[IncidentScope | None]:
        """Gives None when there is no such incident."""


class LogGroupServicer(log_group_service_pb2_grpc.LogGroupServiceServicer):
    """See `lumetry.logs.v1.LogGroupService`."""

    def __init__(self, database: Database, clock: Clock, find_incident_ids: FindIncidents, find_incident_scope: FindScope) -> None:
        self._database = database
        self._clock = clock
        self._find_incident_ids = find_incident_ids
        self._find_incident_scope = find_incident_scope

    async def ListLogGroups(self, request: pb.ListLogGroupsRequest, context: Context) -> pb.ListLogGroupsResponse:
        """See the proto."""
        organization_id, now = current_caller().organization_id, self._clock.now()
        faults = Faults()
        query = read_query(request, faults)
        async with self._database.read() as tx:
            scope = None if query.incident_id is None else await self._find_incident_scope(tx, organization_id, query.incident_id, now)
            page = await groups.list_groups(tx, organization_id, query, now, scope, faults)
            found = await self._write(tx, organization_id, page.groups)
        return pb.ListLogGroupsResponse(groups=found, next_cursor=page.next_cursor)

    async def GetLogGroup(self, request: pb.GetLogGroupRequest, context: Context) -> pb.GetLogGroupResponse:
        """See the proto."""
        organization_id = current_caller().organization_id
        async with self._database.read() as tx:
            figures = await groups.get_group(tx, organization_id, request.id, self._clock.now())
            (group,) = await self._write(tx, organization_id, [figures])
            samples = await groups.list_samples(tx, organization_id, request.id)
        return pb.GetLogGroupResponse(
            group=group,
            samples=[write_entry(entry) for entry in samples],
            hours=[pb.LogGroupHour(time=encode_time(time), count=count) for time, count in figures.hours],
        )

    async def ResolveLogGroup(self, request: pb.ResolveLogGroupRequest, context: Context) -> pb.ResolveLogGroupResponse:
        """See the proto."""
        caller = current_caller()
        note = request.note if request.HasField("note") else None
        async with self._database.write() as tx:
            figures = await handling.resolve_group(tx, caller, request.id, note, self._clock.now())
            (group,) = await self._write(tx, caller.organization_id, [figures])
        return pb.ResolveLogGroupResponse(group=group)

    async def IgnoreLogGroup(self, request: pb.IgnoreLogGroupRequest, context: Context) -> pb.IgnoreLogGroupResponse:
        """See the proto."""
        caller = current_caller()
        has = request.HasField
        faults = Faults()
        until = decode_time(request.until, "until", faults) if has("until") else None
        async with self._database.write() as tx:
            figures = await handling.ignore_group(
                tx,
                caller,
                request.id,
                request.note if has("note") else None,
                until,
                request.until_count if has("until_count") else None,
                self._clock.now(),
                faults,
            )
            (group,) = await self._write(tx, caller.organization_id, [figures])
        return pb.IgnoreLogGroupResponse(group=group)

    async def ReopenLogGroup(self, request: pb.ReopenLogGroupRequest, context: Context) -> pb.ReopenLogGroupResponse:
        """See the proto."""
        caller = current_caller()
        async with self._database.write() as tx:
            figures = await handling.reopen_group(tx, caller, request.id, self._clock.now())
            (group,) = await self._write(tx, caller.organization_id, [figures])
        return pb.ReopenLogGroupResponse(group=group)

    async def _write(self, tx: Transaction, organization_id: int, found: Sequence[GroupFigures]) -> list[pb.LogGroup]:
        alert_ids = {alert_id for figures in found for alert_id in figures.alert_ids}
        incidents = await self._find_incident_ids(tx, organization_id, alert_ids) if alert_ids else {}
        return [write_group(figures, incidents) for figures in found]


def read_query(request: pb.ListLogGroupsRequest, faults: Faults) -> GroupQuery:
    """What is asked for; notes times outside the calendar."""
    has = request.HasField
    return GroupQuery(
        statuses=tuple(request.statuses),
        project=request.project_id if has("project_id") else None,
        environment=request.environment if has("environment") else None,
        levels=tuple(request.levels),
        q=request.q,
        is_regressed=request.is_regressed if has("is_regressed") else None,
        start_time=decode_time(request.start_time, "from", faults) if has("start_time") else None,
        end_time=decode_time(request.end_time, "to", faults) if has("end_time") else None,
        incident_id=request.incident_id if has("incident_id") else None,
        sort=request.sort,
        limit=request.limit if has("limit") else None,
        cursor=request.cursor,
    )


def write_group(figures: GroupFigures, incidents: Mapping[int, int | None]) -> pb.LogGroup:
    """A group as its message."""
    group = figures.group
    return pb.LogGroup(
        id=group.id,
        fingerprint=group.fingerprint.hex(),
        project_id=group.project_id,
        title=group.title,
        error_type=group.error_type,
        error_message=group.error_message,
        culprit=group.culprit,
        level=log_pb2.LogLevel.ValueType(group.level),
        levels=[
            pb.LogGroupLevel(level=log_pb2.LogLevel.ValueType(level), count=count) for level, count in sorted(group.levels.items()) if count
        ],
        environments=group.environments,
        status=STATUSES[group.status],
        is_regressed=group.is_regressed,
        count=group.count,
        day_count=figures.day_count,
        first_time=encode_time(group.first_time),
        last_time=encode_time(group.last_time),
        resolve_time=encode_time(group.resolve_time),
        resolved_by=group.resolved_by,
        ignore_until=encode_time(group.ignore_until),
        ignore_until_count=group.ignore_end_count,
        note=group.note,
        trace_ids=group.trace_ids[::-1],
        alert_ids=figures.alert_ids,
        incident_ids=sorted({found for alert_id in figures.alert_ids if (found := incidents.get(alert_id)) is not None}),
    )
