"""The product as collectors know it, in memory, over gRPC and over HTTP. It can go away and come back on the same port."""

import asyncio
import gzip
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
from aiohttp import web
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry.collectors.v1 import config_pb2
from lumetry.collectors.v1.collector_service_pb2_grpc import CollectorServiceServicer, add_CollectorServiceServicer_to_server
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry.metrics.v1.ingestion_service_pb2_grpc import IngestionServiceServicer, add_IngestionServiceServicer_to_server
from lumetry_core.collectors.agent.address import Target
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.failures import CODE_OF, to_status
from tests.conformance.collector.columns import ColumnReader, UnknownDictionaryError

COLLECTOR_ID = "d97e2b99-81bd-43aa-823d-dc5f78cd5429"
PROBLEMS = {
    Reason.UNAUTHENTICATED: (401, "/problems/unauthenticated"),
    Reason.PERMISSION_DENIED: (403, "/problems/forbidden"),
    Reason.VALIDATION_FAILED: (400, "/problems/validation"),
    Reason.CONFLICT: (400, "/problems/conflict"),
    Reason.OVERLOADED: (503, "/problems/unavailable"),
    Reason.RATE_LIMITED: (429, "/problems/rate-limited"),
    Reason.INTERNAL: (500, "about:blank"),
}
Judge = Callable[[metrics_pb.IngestMetricsRequest], LumetryError | None]
Answers = Callable[[web.Request], Awaitable[web.Response]]


@dataclass
class Product:
    """What the product knows and does, whatever carries the calls."""

    token: str = "lmte_good"
    credential: str = "lmtc_good"
    """The valid one; of a rotation under way the old one."""
    next_credential: str = ""
    """Issued and not used yet."""
    judge: Judge = lambda _request: None
    """Why a batch is refused; None: it is accepted."""
    status: str = "active"
    server_time: Callable[[], datetime] | None = None
    """What heartbeats are answered; None: nothing."""
    config: config_pb2.CollectorConfig = field(default_factory=config_pb2.CollectorConfig)
    revision: int = 1
    wants_rotation: bool = False
    enrollments: list[collectors_pb.EnrollCollectorRequest] = field(default_factory=list)
    heartbeats: list[collectors_pb.SendHeartbeatRequest] = field(default_factory=list)
    claims: list[collectors_pb.ClaimWorkRequest] = field(default_factory=list)
    outcomes: list[collectors_pb.CompleteWorkRequest] = field(default_factory=list)
    work: list[collectors_pb.ClaimWorkResponse] = field(default_factory=list)
    batches: list[list[metrics_pb.Point]] = field(default_factory=list)
    rotations: int = 0
    refused: int = 0
    watching: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def points(self) -> list[metrics_pb.Point]:
        return [point for batch in self.batches for point in batch]

    async def until(self, holds: Callable[[], object]) -> None:
        """Waits until something holds; it is looked at after every call."""
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(holds)

    async def tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def configure(self, **fields: Any) -> None:
        """Wants another configuration."""
        self.config = ParseDict(fields, config_pb2.CollectorConfig())
        self.revision += 1
        await self.tell()

    async def check(self, secret: str) -> None:
        """Takes the credential, and a fresh one for good when it is first used."""
        if self.next_credential and secret == self.next_credential:
            self.credential, self.next_credential, self.wants_rotation = self.next_credential, "", False
        if secret != self.credential:
            await self.refuse()

    async def refuse(self) -> None:
        self.refused += 1
        await self.tell()
        raise LumetryError(Reason.UNAUTHENTICATED, "The credential is missing, unknown, expired or revoked.")

    async def enroll(self, secret: str, request: collectors_pb.EnrollCollectorRequest) -> collectors_pb.EnrollCollectorResponse:
        if secret != self.token:
            await self.refuse()
        self.enrollments.append(request)
        await self.tell()
        return collectors_pb.EnrollCollectorResponse(
            collector_id=COLLECTOR_ID, credential=self.credential, config_revision=self.revision, heartbeat_interval_seconds=30
        )

    async def beat(self, secret: str, request: collectors_pb.SendHeartbeatRequest) -> collectors_pb.SendHeartbeatResponse:
        await self.check(secret)
        self.heartbeats.append(request)
        await self.tell()
        answer = collectors_pb.SendHeartbeatResponse(
            status=self.status, config_revision=self.revision, rotate_credential=self.wants_rotation
        )
        if self.server_time is not None:
            answer.server_time.FromDatetime(self.server_time())
        return answer

    async def fetch(self, secret: str, known_revision: int) -> collectors_pb.FetchCollectorConfigResponse:
        await self.check(secret)
        answer = collectors_pb.FetchCollectorConfigResponse(revision=self.revision)
        if known_revision != self.revision:
            answer.config.CopyFrom(self.config)
        return answer

    async def rotate(self, secret: str) -> collectors_pb.RotateCollectorCredentialResponse:
        await self.check(secret)
        self.rotations += 1
        self.next_credential = f"lmtc_{self.rotations}"
        await self.tell()
        return collectors_pb.RotateCollectorCredentialResponse(credential=self.next_credential)

    async def claim(self, secret: str, request: collectors_pb.ClaimWorkRequest) -> collectors_pb.ClaimWorkResponse:
        await self.check(secret)
        self.claims.append(request)
        await self.tell()
        return self.work.pop(0) if self.work else collectors_pb.ClaimWorkResponse()

    async def complete(self, secret: str, request: collectors_pb.CompleteWorkRequest) -> None:
        await self.check(secret)
        if request.claim_token == "used":
            raise LumetryError(Reason.CONFLICT, "The claim has ended.")
        self.outcomes.append(request)
        await self.tell()

    async def ingest(self, secret: str, request: metrics_pb.IngestMetricsRequest) -> metrics_pb.IngestMetricsResponse:
        await self.check(secret)
        failure = self.judge(request)
        if failure is not None:
            raise failure
        self.batches.append(list(request.points))
        await self.tell()
        batch = metrics_pb.AcceptedBatch(batch_id=str(uuid.uuid4()), accepted_count=len(request.points))
        return metrics_pb.IngestMetricsResponse(batch=batch)

    async def watch(self, secret: str, known_revision: int) -> AsyncIterator[collectors_pb.WatchCollectorResponse]:
        await self.check(secret)
        self.watching += 1
        await self.tell()
        try:
            while True:
                known = known_revision
                await self.until(lambda known=known: self.revision != known or secret not in (self.credential, self.next_credential))  # type: ignore[misc]
                await self.check(secret)
                known_revision = self.revision
                directive = collectors_pb.ConfigDirective(revision=self.revision, config=self.config)
                yield collectors_pb.WatchCollectorResponse(config=directive)
        finally:
            self.watching -= 1


class GrpcCore(Product, CollectorServiceServicer, IngestionServiceServicer):
    """The product over gRPC."""

    port: int = 0
    server: grpc.aio.Server | None = None
    columns: ColumnReader = ColumnReader()

    @property
    def target(self) -> Target:
        return Target(f"127.0.0.1:{self.port}", secure=False)

    async def start(self) -> None:
        self.columns = ColumnReader()  # in memory only, as the product's
        self.server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        add_CollectorServiceServicer_to_server(self, self.server)
        add_IngestionServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self.server.start()

    async def go_away(self) -> None:
        assert self.server is not None
        await self.server.stop(None)

    async def EnrollCollector(self, request: Any, context: Any) -> Any:  # noqa: N802 -- generated names
        return await fail_with(context, self.enroll(secret_of(context), request))

    async def SendHeartbeat(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await fail_with(context, self.beat(secret_of(context), request))

    async def FetchCollectorConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await fail_with(context, self.fetch(secret_of(context), request.known_revision))

    async def RotateCollectorCredential(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await fail_with(context, self.rotate(secret_of(context)))

    async def ClaimWork(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await fail_with(context, self.claim(secret_of(context), request))

    async def CompleteWork(self, request: Any, context: Any) -> Any:  # noqa: N802
        await fail_with(context, self.complete(secret_of(context), request))
        return collectors_pb.CompleteWorkResponse()

    async def IngestMetrics(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await fail_with(context, self.ingest(secret_of(context), request))

    async def IngestColumns(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            batch = self.columns.read(request)
        except UnknownDictionaryError:
            await abort(context, LumetryError(Reason.UNKNOWN_DICTIONARY, "The series dictionary is not known."))
        answer = await fail_with(context, self.ingest(secret_of(context), batch))
        return metrics_pb.IngestColumnsResponse(results=[metrics_pb.ColumnBatchResult(batch=answer.batch)])

    async def WatchCollector(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            async for response in self.watch(secret_of(context), request.known_revision):
                yield response
        except LumetryError as error:
            await abort(context, error)

    async def _refuse(self, _request: Any, _context: Any) -> Any:
        raise NotImplementedError

    CreateCollector: Any = _refuse
    GetCollector: Any = _refuse
    ListCollectors: Any = _refuse
    RenewCollectorEnrollmentToken: Any = _refuse
    RevokeCollector: Any = _refuse
    UpdateCollectorConfig: Any = _refuse
    StreamMetrics: Any = _refuse
    StreamColumns: Any = _refuse


def secret_of(context: Any) -> str:
    return str(dict(context.invocation_metadata()).get("authorization", "")).removeprefix("Bearer ")


async def fail_with(context: Any, answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except LumetryError as error:
        await abort(context, error)


async def abort(context: Any, error: LumetryError) -> None:
    await context.abort(CODE_OF[error.reason], error.message, (("grpc-status-details-bin", to_status(error).SerializeToString()),))


class HttpCore(Product):
    """The product over HTTP, with the documented routes."""

    port: int = 0
    runner: web.AppRunner | None = None
    interloper: web.Response | None = None
    """What something on the way answers instead of the product."""

    @property
    def target(self) -> Target:
        return Target(f"127.0.0.1:{self.port}", secure=False, is_http=True)

    async def start(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.answer)
        self.runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def go_away(self) -> None:
        assert self.runner is not None
        await self.runner.cleanup()

    async def answer(self, request: web.Request) -> web.Response:
        if self.interloper is not None:
            self.refused += 1
            await self.tell()
            return web.Response(status=self.interloper.status, text=self.interloper.text, content_type=self.interloper.content_type)
        secret = request.headers.get("Authorization", "").removeprefix("Bearer ")
        content = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        try:
            return await self.dispatch(request, secret, json.loads(content) if content else {})
        except LumetryError as error:
            return problem(error)

    async def dispatch(self, request: web.Request, secret: str, body: dict[str, Any]) -> web.Response:
        match (request.method, request.path.split("/")[2:]):
            case ("POST", ["collectors", "enroll"]):
                return reply(201, await self.enroll(secret, ParseDict(body, collectors_pb.EnrollCollectorRequest())))
            case ("POST", ["collectors", "heartbeat"]):
                body["sendTime"] = body.pop("sentAt")
                return reply(200, await self.beat(secret, ParseDict(body, collectors_pb.SendHeartbeatRequest())))
            case ("GET", ["collectors", "config"]):
                if request.headers.get("If-None-Match") == f'"{self.revision}"':
                    await self.fetch(secret, self.revision)
                    return web.Response(status=304, headers={"ETag": f'"{self.revision}"'})
                wanted = await self.fetch(secret, 0)
                config = MessageToDict(wanted.config)
                if "buffer" in config:
                    config["buffer"] = {"maxBytes": wanted.config.buffer.max_bytes}
                return web.json_response({"revision": wanted.revision, "config": config}, headers={"ETag": f'"{self.revision}"'})
            case ("POST", ["collectors", "credentials", "rotate"]):
                return reply(200, await self.rotate(secret))
            case ("POST", ["collectors", "claims"]):
                claim = collectors_pb.ClaimWorkRequest(capabilities=body["capabilities"], max_items=body["max"])
                return web.json_response({"items": [spell_item(item) for item in (await self.claim(secret, claim)).items]})
            case ("POST", ["collectors", "claims", claim_id, "complete"]):
                await self.complete(secret, read_outcome(claim_id, body))
                return web.Response(status=204)
            case ("POST", ["metrics"]):
                accepted = await self.ingest(secret, read_batch(body))
                return web.json_response({"accepted": accepted.batch.accepted_count, "batchId": accepted.batch.batch_id}, status=202)
        return problem(LumetryError(Reason.INTERNAL, "No such route."))


def reply(status: int, message: Message) -> web.Response:
    """A body whose numbers are numbers."""
    body = MessageToDict(message, always_print_fields_with_no_presence=True)
    for name in ("configRevision", "revision"):
        if name in body:
            body[name] = int(body[name])
    return web.json_response(body, status=status)


def problem(error: LumetryError) -> web.Response:
    status, kind = PROBLEMS[error.reason]
    body = {"type": kind, "status": status, "title": "", "detail": error.message, "instance": "request"}
    if error.faults:
        body["errors"] = [{"path": fault.path, "message": fault.message} for fault in error.faults]
    headers = {"Retry-After": error.metadata["retry_after_seconds"]} if "retry_after_seconds" in error.metadata else {}
    return web.json_response(body, status=status, headers=headers, content_type="application/problem+json")


def spell_item(item: Any) -> dict[str, Any]:
    kind = item.WhichOneof("payload")
    return {
        "claimId": item.claim_id,
        "claimToken": item.claim_token,
        "kind": kind,
        "leaseExpiresAt": item.lease_expire_time.ToJsonString(),
        "budgetMs": item.budget_ms,
        "payload": MessageToDict(getattr(item, kind)),
    }


def read_outcome(claim_id: str, body: dict[str, Any]) -> collectors_pb.CompleteWorkRequest:
    request = collectors_pb.CompleteWorkRequest(claim_id=claim_id, claim_token=body["claimToken"])
    request.outcome.succeeded = body["status"] == "succeeded"
    request.outcome.error = body.get("error", "")
    result = body.get("result", {})
    request.outcome.sample_count = result.get("sampleCount", 0)
    request.outcome.duration_ms = result.get("durationMs", 0)
    request.outcome.status_code = result.get("statusCode", 0)
    return request


def read_batch(body: dict[str, Any]) -> metrics_pb.IngestMetricsRequest:
    request = metrics_pb.IngestMetricsRequest()
    for point in body["metrics"]:
        added = request.points.add(
            metric_key=point["metricName"],
            value=point["value"],
            labels=point.get("labels", {}),
            namespace=point.get("namespace", ""),
            source=point.get("source", ""),
        )
        added.time.FromDatetime(datetime.fromisoformat(point["timestamp"]).astimezone(UTC))
    return request


def rejection() -> LumetryError:
    """How a bad batch is refused."""
    return LumetryError(Reason.VALIDATION_FAILED, "The request is not valid.", faults=(Fault("metrics[0].value", "No."),))
