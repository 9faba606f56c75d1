"""Notifications, which the core knows as notices (contract workspace 9)."""

from collections.abc import Sequence

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.workspace.values import Deleted, Success, Time, read_limit
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.notices.v1 import notice_pb2
from lumetry.notices.v1 import notice_service_pb2 as pb


class NotificationQuery(msgspec.Struct):
    """Which notifications are listed."""

    unread: bool = False
    kind: str = ""
    severity: str = ""
    limit: int | None = None
    cursor: str = ""


class NotificationBody(msgspec.Struct):
    """What may be changed of a notification."""

    read: bool


class ReadAllBody(msgspec.Struct):
    """Which notifications are marked as read; without a time all."""

    before: Timestamp | None = None


class Resource(msgspec.Struct):
    """What a notification is about."""

    type: str
    id: str


class Notification(msgspec.Struct, rename="camel"):
    """A notification."""

    id: str
    kind: str
    severity: str
    title: str
    body: str
    resource: Resource | None
    project_id: str | None
    link: str | None
    read_at: Time | None
    created_at: Time


class Notifications(msgspec.Struct, rename="camel"):
    """A page of the inbox, and how many of all its notifications are not read."""

    items: list[Notification]
    next_cursor: str | None
    has_more: bool
    unread_count: int


class ReadAll(msgspec.Struct, rename="camel"):
    """What marking many did."""

    updated: int
    unread_count: int


def decode_list_notifications(request: Request) -> pb.ListNoticesRequest:
    """9 `GET /notifications`."""
    query = request.query(NotificationQuery)
    return pb.ListNoticesRequest(
        unread=query.unread,
        kinds=split(query.kind),
        severity=query.severity,
        limit=read_limit(query.limit),
        cursor=query.cursor,
    )


def split(text: str) -> Sequence[str]:
    """What stands between the commas; empty parts are ignored."""
    return [part for part in (part.strip() for part in text.split(",")) if part]


def encode_list_notifications(reply: pb.ListNoticesResponse, _asked: object) -> Success[Notifications]:
    """9 a page of notifications."""
    return Success(
        Notifications(
            items=[encode_notification(notice) for notice in reply.notices],
            next_cursor=reply.next_cursor or None,
            has_more=bool(reply.next_cursor),
            unread_count=reply.unread_count,
        )
    )


def decode_get_notification(request: Request) -> pb.GetNoticeRequest:
    """9 `GET /notifications/{id}`."""
    return pb.GetNoticeRequest(id=request.uuid("id"))


def encode_get_notification(reply: pb.GetNoticeResponse | pb.UpdateNoticeResponse, _asked: object) -> Success[Notification]:
    """9 one notification."""
    return Success(encode_notification(reply.notice))


def decode_update_notification(request: Request) -> pb.UpdateNoticeRequest:
    """9 `PATCH /notifications/{id}`."""
    return pb.UpdateNoticeRequest(read=request.body(NotificationBody).read, id=request.uuid("id"))


def decode_read_all(request: Request) -> pb.MarkNoticesReadRequest:
    """9 `POST /notifications/read-all`."""
    return pb.MarkNoticesReadRequest(before=request.body(ReadAllBody, optional=True).before)


def encode_read_all(reply: pb.MarkNoticesReadResponse, _asked: object) -> Success[ReadAll]:
    """9 what it did."""
    return Success(ReadAll(updated=reply.updated, unread_count=reply.unread_count))


def decode_delete_notification(request: Request) -> pb.DeleteNoticeRequest:
    """9 `DELETE /notifications/{id}`."""
    return pb.DeleteNoticeRequest(id=request.uuid("id"))


def encode_delete_notification(reply: pb.DeleteNoticeResponse, _asked: object) -> Success[Deleted]:
    """9 the deletion."""
    return Success(Deleted(id=reply.id))


def encode_notification(notice: notice_pb2.Notice) -> Notification:
    """9 one notification."""
    return Notification(
        id=notice.id,
        kind=notice.kind,
        severity=notice.severity,
        title=notice.title,
        body=notice.body,
        resource=Resource(notice.resource_type, notice.resource_id) if notice.HasField("resource_type") else None,
        project_id=notice.project_id if notice.HasField("project_id") else None,
        link=notice.link if notice.HasField("link") else None,
        read_at=format_time(notice.read_time) if notice.HasField("read_time") else None,
        created_at=format_time(notice.create_time),
    )
