"""`lumetry.statuspages.v1.StatusPageService`: public."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from lumetry.statuspages.v1 import status_page_service_pb2 as pb
from lumetry.statuspages.v1.status_page_service_pb2_grpc import StatusPageServiceServicer
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.statuspages.rpc.messages import encode_event, encode_view
from lumetry_core.statuspages.service.following import Kept, follow_page
from lumetry_core.statuspages.service.organization import PublicOrganization
from lumetry_core.statuspages.service.page import read_public_view

Context = grpc.aio.ServicerContext[Any, Any]


class StatusPageServicer(StatusPageServiceServicer):
    """Serves the public page and its events."""

    def __init__(self, database: Database, clock: Clock, wakeups: Wakeups, organization: PublicOrganization) -> None:
        self._database = database
        self._clock = clock
        self._wakeups = wakeups
        self._organization = organization

    async def GetStatusPage(self, request: pb.GetStatusPageRequest, context: Context) -> pb.GetStatusPageResponse:
        """See the proto."""
        now = self._clock.now()
        async with self._database.read() as tx:
            organization_id = await self._organization.get(tx)
            view = await read_public_view(tx, organization_id, now, with_days=request.with_days)
        return encode_view(view, now)

    async def WatchStatusPage(self, request: pb.WatchStatusPageRequest, context: Context) -> AsyncIterator[pb.WatchStatusPageResponse]:
        """See the proto."""
        async with self._database.read() as tx:
            organization_id = await self._organization.get(tx)
        async with aclosing(follow_page(self._database, self._clock, self._wakeups, organization_id)) as pages:
            async for page in pages:
                if isinstance(page, Kept):
                    start = pb.StreamStart(floor_id=page.floor_id, latest_id=page.latest_id, kept_count=len(page.events))
                    yield pb.WatchStatusPageResponse(start=start)
                    for event in page.events:
                        yield encode_event(event)
                    continue
                for event in page:
                    yield encode_event(event)
