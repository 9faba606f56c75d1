"""The one public page of the deployment as a gateway keeps it: for a moment, so that a crowd costs the core nothing."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any

import grpc

from gateway.contracts.monitoring.status_events import read_event
from gateway.statuspage.limits import AddressLimits
from gateway.transcode.channel import Core, find_rpc
from gateway.transcode.credentials import Metadata
from gateway.transcode.failures import from_rpc
from gateway.transcode.fanout import Frame, Hub, Position
from gateway.transcode.relaying import OpenStreams
from lumetry.statuspages.v1 import status_page_service_pb2 as pb

GET_PAGE = find_rpc(pb.DESCRIPTOR, "StatusPageService", "GetStatusPage")
WATCH_PAGE = find_rpc(pb.DESCRIPTOR, "StatusPageService", "WatchStatusPage")
KEPT_SECONDS = 0.75
"""With the core's half second what is shown is never two seconds old."""
READ_SECONDS = 5.0


class PublicPage:
    """What all public requests of a gateway share."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._kept: dict[str, Kept] = {}
        self.hub = Hub(self._watch, on_frame=self._forget)
        self.limits = AddressLimits()
        self.streams = OpenStreams()

    async def read(self, name: str, render: Callable[[pb.GetStatusPageResponse], bytes], *, with_days: bool) -> bytes:
        """The page in one of its forms, at most a moment old and made once for all who ask meanwhile.

        Args:
            name: Of the form.
            render: Makes it.
            with_days: Whether it shows days.

        Raises:
            Failure: The core cannot be asked.
        """
        kept = self._kept.get(name)
        if kept is None or kept.end < monotonic():
            kept = self._kept[name] = Kept(asyncio.ensure_future(self._make(render, with_days=with_days)))
        return await asyncio.shield(kept.made)

    async def close(self) -> None:
        """Ends all streams."""
        await self.hub.close()

    async def _make(self, render: Callable[[pb.GetStatusPageResponse], bytes], *, with_days: bool) -> bytes:
        asked = pb.GetStatusPageRequest(with_days=with_days)
        return render(await self._core.call(GET_PAGE, asked, make_metadata(), timeout=READ_SECONDS))

    async def _watch(self) -> AsyncIterator[Position | Frame]:
        watching = self._core.watch(WATCH_PAGE, pb.WatchStatusPageRequest(), make_metadata())
        try:
            while True:
                message: Any = await watching.read()
                if message is grpc.aio.EOF:
                    return
                if message.HasField("start"):
                    yield Position(message.start.floor_id, message.start.latest_id, message.start.kept_count)
                else:
                    yield read_event(message)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None
        finally:
            watching.cancel()

    def _forget(self, _frame: Frame) -> None:
        self._kept.clear()  # who hears of a change and asks again must see it


class Kept:
    """A form that is made or was made a moment ago."""

    __slots__ = ("end", "made")

    def __init__(self, made: asyncio.Future[bytes]) -> None:
        self.made = made
        self.end = float("inf")
        made.add_done_callback(self._settle)

    def _settle(self, made: asyncio.Future[bytes]) -> None:
        failed = made.cancelled() or made.exception() is not None
        self.end = monotonic() + (0.0 if failed else KEPT_SECONDS)


def make_metadata() -> Metadata:
    """Of a call that is made for nobody in particular."""
    return (("x-request-id", uuid.uuid4().hex), ("x-lumetry-family", "monitoring"))
