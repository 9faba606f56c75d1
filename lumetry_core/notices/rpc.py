"""NoticeService on the wire."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from lumetry.notices.v1 import notice_pb2
from lumetry.notices.v1 import notice_service_pb2 as pb
from lumetry.notices.v1.notice_service_pb2_grpc import NoticeServiceServicer
from lumetry_core.notices import service
from lumetry_core.notices.model import Inbox, Notice
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]

FindHidden = Callable[[Transaction, int, int], Awaitable[frozenset[str]]]
"""The projects of an organization that a user does not see. The area that knows stands above this one."""


class NoticeServicer(NoticeServiceServicer):
    """Shows users their inboxes."""

    def __init__(self, database: Database, clock: Clock, find_hidden: FindHidden) -> None:
        self._database = database
        self._clock = clock
        self._find_hidden = find_hidden

    async def ListNotices(self, request: pb.ListNoticesRequest, context: Context) -> pb.ListNoticesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            page = await service.list_notices(
                tx,
                await self._inbox(tx),
                only_unread=request.unread,
                kinds=request.kinds,
                severity=request.severity,
                limit=request.limit if request.HasField("limit") else None,
                cursor=request.cursor,
            )
        return pb.ListNoticesResponse(
            notices=[encode_notice(notice) for notice in page.notices], next_cursor=page.next_cursor, unread_count=page.unread_count
        )

    async def GetNotice(self, request: pb.GetNoticeRequest, context: Context) -> pb.GetNoticeResponse:
        """See the proto."""
        async with self._database.read() as tx:
            notice = await service.get_notice(tx, await self._inbox(tx), request.id)
        return pb.GetNoticeResponse(notice=encode_notice(notice))

    async def UpdateNotice(self, request: pb.UpdateNoticeRequest, context: Context) -> pb.UpdateNoticeResponse:
        """See the proto."""
        async with self._database.write() as tx:
            notice = await service.mark(tx, await self._inbox(tx), request.id, self._clock.now(), read=request.read)
        return pb.UpdateNoticeResponse(notice=encode_notice(notice))

    async def MarkNoticesRead(self, request: pb.MarkNoticesReadRequest, context: Context) -> pb.MarkNoticesReadResponse:
        """See the proto."""
        faults = Faults()
        before = decode_time(request.before, "before", faults) if request.HasField("before") else None
        faults.raise_if_any()
        async with self._database.write() as tx:
            updated, unread = await service.mark_all(tx, await self._inbox(tx), before, self._clock.now())
        return pb.MarkNoticesReadResponse(updated=updated, unread_count=unread)

    async def DeleteNotice(self, request: pb.DeleteNoticeRequest, context: Context) -> pb.DeleteNoticeResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await service.delete(tx, await self._inbox(tx), request.id)
        return pb.DeleteNoticeResponse(id=request.id)

    async def _inbox(self, tx: Transaction) -> Inbox:
        caller = current_caller()
        user_id = caller.user_id or 0
        return Inbox(caller.organization_id, user_id, await self._find_hidden(tx, caller.organization_id, user_id))


def encode_notice(notice: Notice) -> notice_pb2.Notice:
    """A notice."""
    draft = notice.draft
    return notice_pb2.Notice(
        id=notice.id,
        kind=draft.kind.value,
        severity=draft.severity.value,
        title=draft.title,
        body=draft.body,
        resource_type=draft.resource_type,
        resource_id=draft.resource_id,
        project_id=draft.project_id,
        link=draft.link,
        read_time=None if notice.read_time is None else encode_time(notice.read_time),
        create_time=encode_time(notice.create_time),
    )
