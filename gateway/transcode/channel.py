"""The connection to the core: which RPCs exist, and calling them with a deadline."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message

from gateway.transcode.credentials import Metadata
from gateway.transcode.failures import from_rpc
from lumetry.access.v1 import access_service_pb2, permission_pb2

DEFAULT_DEADLINE_SECONDS = 15.0
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_retries", 0),
    ("grpc.http2.bdp_probe", 0),  # a ping for nearly every answer, to measure a line that is this machine's or the data centre's
    ("grpc.http2.lookahead_bytes", 1 << 20),
)


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method of the core."""

    path: str
    """Full method name such as `/lumetry.alerts.v1.AlertService/ListAlerts`."""
    response: type[Message]
    public: bool
    permissions: tuple[str, ...]
    """Any one of these is needed, in the contract's spelling; empty: a credential of the right kind is enough."""
    streaming: bool


def find_rpc(file: FileDescriptor, service: str, method: str) -> Rpc:
    """Reads an RPC and its access rule from the generated code."""
    described = file.services_by_name[service]
    found = described.methods_by_name[method]
    access = found.GetOptions().Extensions[permission_pb2.access]
    names = [permission_pb2.Permission.Name(number).removeprefix("PERMISSION_") for number in access.any_of]
    return Rpc(
        path=f"/{described.full_name}/{method}",
        response=message_factory.GetMessageClass(found.output_type),
        public=access.public,
        permissions=tuple("".join(word.capitalize() for word in name.split("_")) for name in names),
        streaming=found.server_streaming,
    )


CHECK_ACCESS = find_rpc(access_service_pb2.DESCRIPTOR, "AccessService", "CheckAccess")


@dataclass(slots=True)
class Rates:
    """What the core said of the caller's rate; None: nothing. `reset` is Unix time in seconds."""

    limit: int | None = None
    remaining: int | None = None
    reset: int | None = None

    def read(self, metadata: Iterable[tuple[str, str | bytes]] | None) -> None:
        """Takes what trailing metadata tell."""
        told = {key: int(value) for key, value in metadata or () if key in RATE_KEYS and str(value).isdigit()}
        if len(told) == len(RATE_KEYS):
            self.limit, self.remaining, self.reset = (told[key] for key in RATE_KEYS)


RATE_KEYS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
UNCHARGED = (("x-lumetry-charge", "0"),)
"""The call stands for another one that is charged."""


STATUS_SECONDS = 1.0
"""How long the status of a call may come after its end."""
STATUS_STEP_SECONDS = 0.005


@dataclass(slots=True)
class Sending:
    """A call whose requests go out one by one, each when the core has room for it."""

    call: grpc.aio.StreamUnaryCall[Any, Any]

    async def put(self, message: Message) -> None:
        """Sends a request, unless the core has answered already. Raises `Failure`."""
        try:
            await self.call.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self._settle()

    async def finish(self, rates: Rates) -> Any:  # noqa: ANN401 -- the response class of the RPC
        """Ends the requests; the response. Raises `Failure`."""
        await self.call.done_writing()
        reply = await self._settle()
        rates.read(await self.call.trailing_metadata())
        return reply

    def cancel(self) -> None:
        """Ends the call, if it has not ended."""
        self.call.cancel()

    async def _settle(self) -> Any:  # noqa: ANN401 -- the response class of the RPC
        # A write that meets the end of the call makes the library say INTERNAL of itself until the core's own status comes.
        deadline = asyncio.get_running_loop().time() + STATUS_SECONDS
        while True:
            try:
                return await self.call
            except grpc.aio.AioRpcError as error:
                is_own = error.code() is grpc.StatusCode.INTERNAL and not error.trailing_metadata()
                if not is_own or asyncio.get_running_loop().time() > deadline:
                    raise from_rpc(error) from None
                await asyncio.sleep(STATUS_STEP_SECONDS)


@dataclass(slots=True)
class Core:
    """The core behind one channel."""

    channel: grpc.aio.Channel
    _calls: dict[str, Callable[..., Any]] = field(default_factory=dict)

    async def call(
        self,
        rpc: Rpc,
        request: Message,
        metadata: Metadata,
        *,
        timeout: float = DEFAULT_DEADLINE_SECONDS,  # noqa: ASYNC109 -- gRPC keeps it
        rates: Rates | None = None,
    ) -> Any:  # noqa: ANN401 -- the response class of the RPC
        """Calls a unary RPC.

        Args:
            rates: Gets what the core says of the caller's rate.

        Raises:
            Failure: The call failed.
        """
        call = self._calls.get(rpc.path)
        if call is None:
            call = self._calls[rpc.path] = self.channel.unary_unary(
                rpc.path, request_serializer=serialize, response_deserializer=rpc.response.FromString
            )
        under_way = call(request, metadata=metadata, timeout=timeout)
        try:
            reply = await under_way
        except grpc.aio.AioRpcError as error:
            if rates is not None:
                rates.read(error.trailing_metadata())
            raise from_rpc(error) from None
        if rates is not None:
            rates.read(await under_way.trailing_metadata())
        return reply

    def watch(self, rpc: Rpc, request: Message, metadata: Metadata) -> grpc.aio.UnaryStreamCall[Any, Any]:
        """Starts a streaming RPC; it has no deadline."""
        call = self.channel.unary_stream(rpc.path, request_serializer=serialize, response_deserializer=rpc.response.FromString)
        return call(request, metadata=metadata)

    def send(self, rpc: Rpc, metadata: Metadata) -> Sending:
        """Starts an RPC that takes a stream; it has no deadline."""
        call = self.channel.stream_unary(rpc.path, request_serializer=serialize, response_deserializer=rpc.response.FromString)
        return Sending(call(metadata=metadata))

    async def check_access(self, rpc: Rpc, metadata: Metadata, *, charged: bool = True, rates: Rates | None = None) -> None:
        """Asks whether the credential may call an RPC.

        Args:
            charged: Whether the question counts against the caller's rate, as it must when the call itself is not made.
            rates: See `call`.

        Raises:
            Failure: As that RPC would fail.
        """
        if not charged:
            metadata = (*metadata, *UNCHARGED)
        await self.call(CHECK_ACCESS, access_service_pb2.CheckAccessRequest(method=rpc.path), metadata, rates=rates)


def serialize(message: Message) -> bytes:
    """Writes any message."""
    return message.SerializeToString()


def open_core(address: str) -> Core:
    """Opens the channel; it connects when first used and again whenever the core comes back."""
    return Core(grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS))
