"""The routes of the audit log and of revisions (contract lumetry 18)."""

from gateway.contracts.lumetry import audit
from gateway.contracts.lumetry.values import Page
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.access.v1 import audit_service_pb2


def audit_rpc(method: str) -> Rpc:
    """An RPC of the audit service."""
    return find_rpc(audit_service_pb2.DESCRIPTOR, "AuditService", method)


AUDIT_ROUTES = (
    Route(
        method="GET",
        path="/api/revisions/{entityType:key}/{entityId:key}",
        heading="History of an entity",
        rpc=audit_rpc("ListRevisions"),
        query=audit.HistoryPage,
        decode=audit.decode_list_revisions,
        encode=audit.encode_list_revisions,
        answer=Page[audit.Revision],
    ),
    Route(
        method="GET",
        path="/api/audit-logs",
        heading="Audit log",
        rpc=audit_rpc("ListAuditLogs"),
        query=audit.AuditFilters,
        decode=audit.decode_list_audit_logs,
        encode=audit.encode_list_audit_logs,
        answer=Page[audit.AuditLog],
    ),
)
