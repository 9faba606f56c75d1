"""The routes of notifications (contract workspace 9)."""

from collections.abc import Sequence

from gateway.contracts.workspace import notifications
from gateway.contracts.workspace.values import MAX_BODY_BYTES, Deleted, Success
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.notices.v1 import notice_service_pb2


def notice_rpc(method: str) -> Rpc:
    """An RPC of the notice service."""
    return find_rpc(notice_service_pb2.DESCRIPTOR, "NoticeService", method)


ROUTES: Sequence[Route] = (
    Route(
        method="GET",
        path="/api/v1/notifications",
        heading="List notifications",
        rpc=notice_rpc("ListNotices"),
        query=notifications.NotificationQuery,
        decode=notifications.decode_list_notifications,
        encode=notifications.encode_list_notifications,
        answer=Success[notifications.Notifications],
    ),
    Route(
        method="GET",
        path="/api/v1/notifications/{id:key}",
        heading="Read a notification",
        rpc=notice_rpc("GetNotice"),
        decode=notifications.decode_get_notification,
        encode=notifications.encode_get_notification,
        answer=Success[notifications.Notification],
    ),
    Route(
        method="PATCH",
        path="/api/v1/notifications/{id:key}",
        heading="Mark a notification",
        rpc=notice_rpc("UpdateNotice"),
        body=notifications.NotificationBody,
        body_limit=MAX_BODY_BYTES,
        decode=notifications.decode_update_notification,
        encode=notifications.encode_get_notification,
        answer=Success[notifications.Notification],
    ),
    Route(
        method="POST",
        path="/api/v1/notifications/read-all",
        heading="Mark all notifications as read",
        rpc=notice_rpc("MarkNoticesRead"),
        body=notifications.ReadAllBody,
        body_optional=True,
        body_limit=MAX_BODY_BYTES,
        decode=notifications.decode_read_all,
        encode=notifications.encode_read_all,
        answer=Success[notifications.ReadAll],
    ),
    Route(
        method="DELETE",
        path="/api/v1/notifications/{id:key}",
        heading="Delete a notification",
        rpc=notice_rpc("DeleteNotice"),
        decode=notifications.decode_delete_notification,
        encode=notifications.encode_delete_notification,
        answer=Success[Deleted],
    ),
)
