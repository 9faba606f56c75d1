"""The relay for agents of a product that is reached over gRPC: passes bytes on without reading them."""

import asyncio
from collections.abc import Iterable, Sequence

import grpc

from lumetry_core.collectors.agent.passing import REFUSAL, may_pass
from lumetry_core.collectors.agent.wanted import ConfigError
from lumetry_core.runtime.windows import STEADY_WINDOWS

ENROLL = "/lumetry.hostagents.v1.HostAgentChannelService/EnrollHostAgent"
METHODS = frozenset(
    {
        ENROLL,
        "/lumetry.hostagents.v1.HostAgentChannelService/SendHostAgentHeartbeat",
        "/lumetry.hostagents.v1.HostAgentChannelService/ReportHostProcesses",
        "/lumetry.metrics.v1.IngestionService/IngestMetrics",
        "/lumetry.metrics.v1.IngestionService/IngestColumns",
    }
)
"""All that passes; anything else is answered UNIMPLEMENTED."""
RELAY_KEY = "x-lumetry-relay"
PASSED_KEYS = frozenset({"authorization", "x-request-id"})
"""What of an agent's metadata travels on."""
OWN_KEYS = ("grpc-status", "grpc-message", "content-type", "date", "server", "user-agent")
"""What the transport says by itself."""
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Contract lumetry 20, the largest body."""
MAX_CALLS = 32
"""At once; those beyond are refused with RESOURCE_EXHAUSTED, come again and cost no memory meanwhile."""
CALL_SECONDS = 15.0
CONNECT_SECONDS = 3.0
STOP_SECONDS = 1.0
SERVER_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second process on the port is a fault to report, not a helper
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    *STEADY_WINDOWS,
)

Metadata = Sequence[tuple[str, str | bytes]]
Context = grpc.aio.ServicerContext[bytes, bytes]


class GrpcRelay(grpc.GenericRpcHandler):
    """A server for agents that calls the product for them."""

    def __init__(self, channel: grpc.aio.Channel, collector_id: str) -> None:
        """Relays over the channel, which it closes."""
        self._channel = channel
        self._collector_id = collector_id
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int) -> int:
        """Listens on all addresses; 0 picks a free port. Answers the port.

        Raises:
            ConfigError: It cannot.
        """
        server = grpc.aio.server(handlers=(self,), options=SERVER_OPTIONS, maximum_concurrent_rpcs=MAX_CALLS)
        try:
            bound = server.add_insecure_port(f"[::]:{port}")
        except RuntimeError as error:
            raise ConfigError(f"relay.port: port {port} cannot be listened on, something else uses it or it is not allowed") from error
        await server.start()
        self._server = server
        return bound

    async def close(self) -> None:
        """Stops listening and ends the calls under way."""
        if self._server is not None:
            await self._server.stop(STOP_SECONDS)
            self._server = None
        await self._channel.close()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """What passes; None for everything else."""
        method = handler_call_details.method
        if method not in METHODS:
            return None

        async def pass_on(request: bytes, context: Context) -> bytes:
            return await self._pass(method, request, context)

        return grpc.unary_unary_rpc_method_handler(pass_on)

    async def _pass(self, method: str, request: bytes, context: Context) -> bytes:
        metadata = [(key, value) for key, value in context.invocation_metadata() or () if key in PASSED_KEYS]
        credentials = [str(value) for key, value in metadata if key == "authorization"]
        if len(credentials) != 1 or not may_pass(credentials[0], is_enrollment=method == ENROLL):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, REFUSAL)
        metadata.append((RELAY_KEY, self._collector_id))
        left = context.time_remaining()
        try:
            await connect(self._channel)
            call_product: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(method)
            call = call_product(
                request, metadata=grpc.aio.Metadata(*metadata), timeout=CALL_SECONDS if left is None else min(left, CALL_SECONDS)
            )
            answer = await call
            await context.send_initial_metadata(keep_told(await call.initial_metadata()))
            context.set_trailing_metadata(keep_told(await call.trailing_metadata()))
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "", keep_told(error.trailing_metadata()))
        except TimeoutError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "The collector cannot reach the product at the moment.")
        return answer


async def connect(channel: grpc.aio.Channel) -> None:
    """Waits until the channel is connected or known to be not.

    Raises:
        TimeoutError: Nobody answers.
    """
    async with asyncio.timeout(CONNECT_SECONDS):
        while (state := channel.get_state(try_to_connect=True)) in (grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING):
            await channel.wait_for_state_change(state)


def keep_told(metadata: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """What the product itself said beside its answer."""
    return tuple((key, value) for key, value in metadata or () if key not in OWN_KEYS)
