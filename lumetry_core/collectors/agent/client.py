"""The calls that the collector makes, and what their failures mean to it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import grpc

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry.collectors.v1.collector_service_pb2_grpc import CollectorServiceStub
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry.metrics.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.reading import Sample
from lumetry_core.collectors.agent.state import Credential, digest_token

CALL_SECONDS = 15.0
CAPABILITIES = ("host_metrics",)
NAMESPACE = "host"
SOURCE = "collector"
CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)

Request = TypeVar("Request")
Response = TypeVar("Response")


class CallError(Exception):
    """A call failed; the text is the server's or gRPC's."""


class UnreachableError(CallError):
    """Nothing is wrong with the call: the same one may succeed later."""


class CredentialError(CallError):
    """The server does not take the credential, or not for this."""


class RejectedError(CallError):
    """The request itself is wrong and stays wrong."""


def open_channel(target: Target) -> grpc.aio.Channel:
    """A channel that connects when it is needed and soon after an outage."""
    if target.secure:
        return grpc.aio.secure_channel(target.authority, grpc.ssl_channel_credentials(), options=CHANNEL_OPTIONS)
    return grpc.aio.insecure_channel(target.authority, options=CHANNEL_OPTIONS)


def meaning_of(error: grpc.aio.AioRpcError) -> CallError:
    """What a failed call means. What is not known to be final is tried again: a fault of the server must not lose points."""
    text = f"{error.code().name}: {error.details()}"
    if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return CredentialError(text)
    if error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE):
        return RejectedError(text)
    return UnreachableError(text)


def product_version() -> str:
    """The version of this collector."""
    try:
        return version("lumetry")
    except PackageNotFoundError:
        return ""


def encode_record(samples: Sequence[Sample], labels: Mapping[str, str], time: datetime) -> bytes:
    """A record: an encoded IngestMetricsRequest. Encoded requests that are concatenated are the request with all their points."""
    request = metrics_pb.IngestMetricsRequest()
    for sample in samples:
        point = request.points.add(
            metric_key=sample.metric_key,
            value=sample.value,
            labels={**labels, **sample.labels},
            namespace=NAMESPACE,
            source=SOURCE,
        )
        point.time.FromDatetime(time)
    return request.SerializeToString()


class Client:
    """A core as the collector sees it. Every method raises the CallError that fits."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._collectors = CollectorServiceStub(channel)
        self._ingestion = IngestionServiceStub(channel)
        self._version = product_version()

    async def enroll(self, token: str, installation_id: str, hostname: str) -> Credential:
        """Exchanges an enrollment token for a credential."""
        request = collectors_pb.EnrollCollectorRequest(
            installation_id=installation_id, hostname=hostname, version=self._version, capabilities=CAPABILITIES
        )
        answer = await call(self._collectors.EnrollCollector, request, token)
        return Credential(answer.collector_id, answer.credential, answer.heartbeat_interval_seconds, digest_token(token))

    async def send_heartbeat(self, secret: str, instance_id: str, queue_depth: int, dropped_count: int, now: datetime) -> None:
        """Tells the core that this process lives."""
        request = collectors_pb.SendHeartbeatRequest(
            instance_id=instance_id,
            version=self._version,
            queue_depth=queue_depth,
            dropped_count=dropped_count,
            capabilities=CAPABILITIES,
        )
        request.send_time.FromDatetime(now)
        await call(self._collectors.SendHeartbeat, request, secret)

    async def upload(self, secret: str, payload: bytes) -> None:
        """Delivers records; when it returns they are on the core's stable storage."""
        await call(self._ingestion.IngestMetrics, metrics_pb.IngestMetricsRequest.FromString(payload), secret)


async def call(method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request, secret: str) -> Response:
    """Calls with a credential and a deadline."""
    try:
        return await method(request, timeout=CALL_SECONDS, metadata=(("authorization", f"Bearer {secret}"),))
    except grpc.aio.AioRpcError as error:
        raise meaning_of(error) from error
