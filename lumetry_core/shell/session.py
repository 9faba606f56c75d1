"""A connection to the server for the length of a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import grpc

from lumetry_core.shell.failures import meaning_of
from lumetry_core.shell.options import Options
from lumetry_core.shell.place import Place, check_token, find_place
from lumetry_core.shell.screen import Screen, open_screen

CALL_SECONDS = 15.0
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 330_000),  # servers end connections that ask more often than every five minutes
    ("grpc.keepalive_timeout_ms", 20_000),
)

Request = TypeVar("Request")
Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class Session:
    """A connection, and how answers are shown."""

    channel: grpc.aio.Channel
    place: Place
    metadata: tuple[tuple[str, str], ...]
    screen: Screen
    is_json: bool

    async def call(self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request) -> Response:
        """Calls with credential and deadline. Raises RefusedError, UnreachableError."""
        try:
            return await method(request, timeout=CALL_SECONDS, metadata=self.metadata)
        except grpc.aio.AioRpcError as error:
            raise meaning_of(error, self.place) from None


@asynccontextmanager
async def open_session(options: Options) -> AsyncIterator[Session]:
    """A session by these options; it connects with the first call."""
    token = check_token(options.token)
    place = find_place(options.server, options.data_dir)
    async with open_channel(place) as channel:
        yield Session(channel, place, (("authorization", f"Bearer {token}"),), open_screen(is_utc=options.is_utc), options.is_json)


def open_channel(place: Place) -> grpc.aio.Channel:
    """A channel to a place."""
    if place.target.secure:
        return grpc.aio.secure_channel(place.target.authority, grpc.ssl_channel_credentials(), options=CHANNEL_OPTIONS)
    return grpc.aio.insecure_channel(place.target.authority, options=CHANNEL_OPTIONS)
