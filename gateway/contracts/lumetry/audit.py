"""The audit log and the histories of entities (contract lumetry 18)."""

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.values import Id, Page, PageNumber, PageSize, Time, make_page, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.access.v1 import audit_service_pb2


class AuditFilters(msgspec.Struct, rename="camel"):
    """Which audit rows."""

    search: str | None = None
    action: str | None = None
    entity_type: str | None = None
    actor_user_id: Id | None = None
    from_: Timestamp | None = msgspec.field(default=None, name="from")
    to: Timestamp | None = None
    page: PageNumber = 1
    page_size: PageSize = 25


class HistoryPage(msgspec.Struct, rename="camel"):
    """Which part of a history."""

    page: PageNumber = 1
    page_size: PageSize = 25


class AuditLog(msgspec.Struct, rename="camel"):
    """An audited action."""

    id: int
    action: str
    entity_type: str
    entity_id: str
    old_values_json: str | None
    new_values_json: str | None
    actor_user_id: int | None
    actor_display_name: str | None
    ip_address: str | None
    user_agent: str | None
    created_at: Time
    correlation_id: str | None


class Revision(msgspec.Struct, rename="camel"):
    """A change of an entity."""

    operation: str
    before_json: str | None
    after_json: str | None
    actor_user_id: int | None
    actor_display_name: str | None
    created_at: Time
    correlation_id: str | None


def decode_list_audit_logs(request: Request) -> audit_service_pb2.ListAuditLogsRequest:
    """18 `GET /api/audit-logs`."""
    filters = request.query(AuditFilters, ordered=("from_", "to"))
    return audit_service_pb2.ListAuditLogsRequest(
        search=filters.search or "",
        action=filters.action or "",
        entity_type=filters.entity_type or "",
        actor_user_id=filters.actor_user_id,
        start_time=filters.from_,
        end_time=filters.to,
        page=filters.page,
        page_size=filters.page_size,
    )


def encode_list_audit_logs(reply: audit_service_pb2.ListAuditLogsResponse, asked: audit_service_pb2.ListAuditLogsRequest) -> Page[AuditLog]:
    """18 a page of the audit log."""
    items = [encode_audit_log(log) for log in reply.audit_logs]
    return make_page(items, page=asked.page, page_size=asked.page_size, total_count=reply.total_count)


def encode_audit_log(log: audit_service_pb2.AuditLog) -> AuditLog:
    """18 one row of the audit log."""
    return AuditLog(
        id=log.id,
        action=log.action,
        entity_type=log.entity_type,
        entity_id=log.entity_id,
        old_values_json=optional_value(log, "old_values_json"),
        new_values_json=optional_value(log, "new_values_json"),
        actor_user_id=optional_value(log, "actor_user_id"),
        actor_display_name=optional_value(log, "actor_display_name"),
        ip_address=optional_value(log, "ip_address"),
        user_agent=optional_value(log, "user_agent"),
        created_at=format_time(log.create_time),
        correlation_id=optional_value(log, "correlation_id"),
    )


def decode_list_revisions(request: Request) -> audit_service_pb2.ListRevisionsRequest:
    """18 `GET /api/revisions/{entityType}/{entityId}`."""
    part = request.query(HistoryPage)
    return audit_service_pb2.ListRevisionsRequest(
        entity_type=request.key("entityType"), entity_id=request.key("entityId"), page=part.page, page_size=part.page_size
    )


def encode_list_revisions(reply: audit_service_pb2.ListRevisionsResponse, asked: audit_service_pb2.ListRevisionsRequest) -> Page[Revision]:
    """18 a page of a history."""
    items = [encode_revision(revision) for revision in reply.revisions]
    return make_page(items, page=asked.page, page_size=asked.page_size, total_count=reply.total_count)


def encode_revision(revision: audit_service_pb2.Revision) -> Revision:
    """18 one change."""
    return Revision(
        operation=revision.operation,
        before_json=optional_value(revision, "before_json"),
        after_json=optional_value(revision, "after_json"),
        actor_user_id=optional_value(revision, "actor_user_id"),
        actor_display_name=optional_value(revision, "actor_display_name"),
        created_at=format_time(revision.create_time),
        correlation_id=optional_value(revision, "correlation_id"),
    )
