"""`lumetry.access.v1.AuditService`."""

from typing import Any

import grpc

from lumetry.access.v1 import audit_service_pb2 as pb
from lumetry.access.v1.audit_service_pb2_grpc import AuditServiceServicer
from lumetry_core.access.service import history
from lumetry_core.access.trail import AuditFilter, AuditLog, Revision
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class AuditServicer(AuditServiceServicer):
    """Reads the audit log and revisions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ListAuditLogs(self, request: pb.ListAuditLogsRequest, context: Context) -> pb.ListAuditLogsResponse:
        """See the proto."""
        wanted = decode_filter(request)
        async with self._database.read() as tx:
            found, total_count = await history.list_audit_logs(tx, current_caller(), wanted, request.page, request.page_size)
        return pb.ListAuditLogsResponse(audit_logs=[encode_log(log) for log in found], total_count=total_count)

    async def ListRevisions(self, request: pb.ListRevisionsRequest, context: Context) -> pb.ListRevisionsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found, total_count = await history.list_revisions(
                tx, current_caller(), request.entity_type, request.entity_id, request.page, request.page_size
            )
        return pb.ListRevisionsResponse(revisions=[encode_revision(revision) for revision in found], total_count=total_count)


def decode_filter(request: pb.ListAuditLogsRequest) -> AuditFilter:
    """The filters of a request. Fails with VALIDATION_FAILED when a time is outside the calendar."""
    faults = Faults()
    start_time = decode_time(request.start_time, "from", faults) if request.HasField("start_time") else None
    end_time = decode_time(request.end_time, "to", faults) if request.HasField("end_time") else None
    faults.raise_if_any()
    return AuditFilter(
        search=request.search,
        action=request.action,
        entity_type=request.entity_type,
        actor_user_id=request.actor_user_id if request.HasField("actor_user_id") else None,
        start_time=start_time,
        end_time=end_time,
    )


def encode_log(log: AuditLog) -> pb.AuditLog:
    """A row of the audit log."""
    entry = log.entry
    return pb.AuditLog(
        id=log.id,
        action=entry.action,
        entity_type=entry.entity_type,
        entity_id=entry.entity_id,
        old_values_json=entry.old_values_json,
        new_values_json=entry.new_values_json,
        actor_user_id=entry.actor_user_id,
        actor_display_name=entry.actor_name,
        ip_address=entry.address,
        user_agent=entry.user_agent,
        create_time=encode_time(entry.create_time),
        correlation_id=entry.correlation_id,
    )


def encode_revision(revision: Revision) -> pb.Revision:
    """A change of an entity."""
    return pb.Revision(
        operation=revision.operation,
        before_json=revision.before_json,
        after_json=revision.after_json,
        actor_user_id=revision.actor_user_id,
        actor_display_name=revision.actor_name,
        create_time=encode_time(revision.create_time),
        correlation_id=revision.correlation_id,
    )
