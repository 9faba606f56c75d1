"""The calls over gRPC, to the product's own services."""

from collections.abc import AsyncGenerator
from typing import TypeVar

import grpc
from google.rpc import error_details_pb2, status_pb2

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry.collectors.v1.collector_service_pb2_grpc import CollectorServiceStub
from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as agents_pb
from lumetry.hostagents.v1.host_agent_channel_service_pb2_grpc import HostAgentChannelServiceStub
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry.metrics.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.columns import ColumnEncoder
from lumetry_core.collectors.agent.failures import (
    AgentDisabledError,
    CallError,
    ConflictError,
    CredentialError,
    ForbiddenError,
    RejectedError,
    RelayRequiredError,
    UnknownDictionaryError,
    UnreachableError,
    UnsupportedError,
)
from lumetry_core.collectors.agent.transport import CALL_SECONDS
from lumetry_core.runtime.windows import STEADY_WINDOWS

ERROR_DOMAIN = "lumetry"
STATUS_KEY = "grpc-status-details-bin"
CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    *STEADY_WINDOWS,
)

Request = TypeVar("Request")
Response = TypeVar("Response")


def open_channel(target: Target) -> grpc.aio.Channel:
    """A channel that connects when it is needed and soon after an outage."""
    if target.secure:
        return grpc.aio.secure_channel(target.authority, grpc.ssl_channel_credentials(), options=CHANNEL_OPTIONS)
    return grpc.aio.insecure_channel(target.authority, options=CHANNEL_OPTIONS)


def meaning_of(error: grpc.aio.AioRpcError) -> CallError:
    """What a failed call means. What is not known to be final is tried again: a fault of the server must not lose points."""
    code = error.code()
    text = f"{code.name}: {error.details()}"
    info = find_info(error)
    if info is None:
        # Nobody but the product names a reason: proxies answer with a bare status, or with one of HTTP that gRPC translates.
        return UnsupportedError(text) if code == grpc.StatusCode.UNIMPLEMENTED else UnreachableError(text)
    if info.reason == "AGENT_DISABLED":
        return AgentDisabledError(text)
    if info.reason == "RELAY_REQUIRED":
        return RelayRequiredError(text, info.metadata.get("collector_id", ""))
    if code == grpc.StatusCode.UNAUTHENTICATED:
        return CredentialError(text)
    if code == grpc.StatusCode.PERMISSION_DENIED:
        return ForbiddenError(text)
    if info.reason == "UNKNOWN_DICTIONARY":
        return UnknownDictionaryError(text)
    if info.reason == "CONFLICT":
        return ConflictError(text)
    if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE) or info.reason == "PAYLOAD_TOO_LARGE":
        return RejectedError(text)
    return UnreachableError(text, read_seconds(info.metadata.get("retry_after_seconds", "")))


def find_info(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo | None:
    """The reason that the product names; None when it was not the product that answered."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
                    return info
    return None


def read_seconds(text: str) -> float | None:
    """How long the server asks to wait; None when it does not."""
    return float(text) if text.isascii() and text.isdigit() else None


class GrpcTransport:
    """See `Transport`."""

    can_watch = True

    def __init__(self, target: Target) -> None:
        self.target = target
        self.channel = open_channel(target)
        """Also the relay's."""
        self._collectors = CollectorServiceStub(self.channel)
        self._agents = HostAgentChannelServiceStub(self.channel)
        self._ingestion = IngestionServiceStub(self.channel)
        self._encoder = ColumnEncoder()

    async def enroll(self, secret: str, request: collectors_pb.EnrollCollectorRequest) -> collectors_pb.EnrollCollectorResponse:
        """See `Transport`."""
        return await call(self._collectors.EnrollCollector, request, secret)

    async def send_heartbeat(self, secret: str, request: collectors_pb.SendHeartbeatRequest) -> collectors_pb.SendHeartbeatResponse:
        """See `Transport`."""
        return await call(self._collectors.SendHeartbeat, request, secret)

    async def fetch_config(
        self, secret: str, request: collectors_pb.FetchCollectorConfigRequest
    ) -> collectors_pb.FetchCollectorConfigResponse:
        """See `Transport`."""
        return await call(self._collectors.FetchCollectorConfig, request, secret)

    async def rotate_credential(
        self, secret: str, request: collectors_pb.RotateCollectorCredentialRequest
    ) -> collectors_pb.RotateCollectorCredentialResponse:
        """See `Transport`."""
        return await call(self._collectors.RotateCollectorCredential, request, secret)

    async def claim_work(self, secret: str, request: collectors_pb.ClaimWorkRequest) -> collectors_pb.ClaimWorkResponse:
        """See `Transport`."""
        return await call(self._collectors.ClaimWork, request, secret)

    async def complete_work(self, secret: str, request: collectors_pb.CompleteWorkRequest) -> collectors_pb.CompleteWorkResponse:
        """See `Transport`."""
        return await call(self._collectors.CompleteWork, request, secret)

    async def watch(
        self, secret: str, request: collectors_pb.WatchCollectorRequest
    ) -> AsyncGenerator[collectors_pb.WatchCollectorResponse, None]:
        """See `Transport`."""
        stream = self._collectors.WatchCollector(request, metadata=bearer(secret))
        try:
            async for response in stream:
                yield response
        except grpc.aio.AioRpcError as error:
            raise meaning_of(error) from error
        finally:
            stream.cancel()
        raise UnreachableError("the server ended the stream")

    async def upload(self, secret: str, payload: bytes) -> None:
        """See `Transport`."""
        batch = metrics_pb.IngestMetricsRequest.FromString(payload)
        columns = self._encoder.encode(batch)
        try:
            await call(self._ingestion.IngestColumns, columns, secret)
        except UnknownDictionaryError:  # the server began anew since
            self._encoder.forget()
            columns = self._encoder.encode(batch)
            await call(self._ingestion.IngestColumns, columns, secret)
        self._encoder.confirm(columns)

    async def enroll_agent(self, secret: str, request: agents_pb.EnrollHostAgentRequest) -> agents_pb.EnrollHostAgentResponse:
        """See `Transport`."""
        return await call(self._agents.EnrollHostAgent, request, secret)

    async def send_agent_heartbeat(
        self, secret: str, request: agents_pb.SendHostAgentHeartbeatRequest
    ) -> agents_pb.SendHostAgentHeartbeatResponse:
        """See `Transport`."""
        return await call(self._agents.SendHostAgentHeartbeat, request, secret)

    async def report_processes(self, secret: str, request: agents_pb.ReportHostProcessesRequest) -> agents_pb.ReportHostProcessesResponse:
        """See `Transport`."""
        return await call(self._agents.ReportHostProcesses, request, secret)

    async def close(self) -> None:
        """See `Transport`."""
        await self.channel.close()


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    """The metadata that carry a credential."""
    return (("authorization", f"Bearer {secret}"),)


async def call(method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request, secret: str) -> Response:
    """Calls with a credential and a deadline."""
    try:
        return await method(request, timeout=CALL_SECONDS, metadata=bearer(secret))
    except grpc.aio.AioRpcError as error:
        raise meaning_of(error) from error
