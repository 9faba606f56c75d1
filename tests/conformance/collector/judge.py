"""A server that speaks the published contract of collectors and notes everything that one does. It needs nothing of the product."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import grpc
from aiohttp import web
from google.rpc import error_details_pb2, status_pb2

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1 import config_pb2, work_pb2
from lumetry.collectors.v1.collector_service_pb2_grpc import CollectorServiceServicer, add_CollectorServiceServicer_to_server
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry.metrics.v1.ingestion_service_pb2_grpc import IngestionServiceServicer, add_IngestionServiceServicer_to_server
from tests.conformance.collector.columns import ColumnReader, UnknownDictionaryError

Context = grpc.aio.ServicerContext[Any, Any]
HEARTBEAT_SECONDS = 10
SAMPLE_SECONDS = 10
LEASE_SECONDS = 60
TOKEN = "lmte_" + "0123456789abcdef" * 3


class BreachError(AssertionError):
    """The collector breaks the contract."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A call that was answered, or whose answer was lost on purpose."""

    method: str
    request: Any
    secret: str
    time: float
    is_lost: bool


@dataclass(slots=True)
class Judge(CollectorServiceServicer, IngestionServiceServicer):
    """The state of the only collector, as a server keeps it, and what is wanted of the next calls."""

    config: config_pb2.CollectorConfig
    revision: int = 1
    secrets: list[str] = field(default_factory=list)
    """Credentials that are valid, newest last; the use of a newer one ends the older."""
    ended: list[str] = field(default_factory=list)
    wants_rotation: bool = False
    is_away: bool = False
    is_revoked: bool = False
    lose: set[str] = field(default_factory=set)
    """Methods whose next answer is lost after they took effect."""
    seen: list[Seen] = field(default_factory=list)
    refused: list[tuple[str, float]] = field(default_factory=list)
    """Calls that were refused because the collector is revoked."""
    columns: ColumnReader = field(default_factory=ColumnReader)
    work: list[work_pb2.WorkItem] = field(default_factory=list)
    claimed: dict[str, work_pb2.WorkItem] = field(default_factory=dict)
    outcomes: dict[str, work_pb2.WorkOutcome] = field(default_factory=dict)
    deliveries: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def EnrollCollector(self, request: pb.EnrollCollectorRequest, context: Context) -> pb.EnrollCollectorResponse:
        """Takes the one token, again while its answer may have been lost."""
        secret = await self._admit(context, anybody=True)
        before = self.calls("EnrollCollector")
        if secret != TOKEN or any(call.request.installation_id != request.installation_id for call in before):
            await refuse(context, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "the enrollment token is unknown or used up")
        self.ended += self.secrets
        self.secrets = [self._new_secret()]
        await self._note("EnrollCollector", request, secret, context)
        return pb.EnrollCollectorResponse(
            collector_id=str(uuid.uuid5(uuid.NAMESPACE_URL, TOKEN)),
            credential=self.secrets[-1],
            config_revision=self.revision,
            heartbeat_interval_seconds=HEARTBEAT_SECONDS,
        )

    async def SendHeartbeat(self, request: pb.SendHeartbeatRequest, context: Context) -> pb.SendHeartbeatResponse:
        """Notes that the collector lives."""
        secret = await self._admit(context)
        await self._note("SendHeartbeat", request, secret, context)
        answer = pb.SendHeartbeatResponse(config_revision=self.revision, rotate_credential=self.wants_rotation, status="active")
        answer.server_time.FromDatetime(datetime.now(UTC))
        return answer

    async def FetchCollectorConfig(self, request: pb.FetchCollectorConfigRequest, context: Context) -> pb.FetchCollectorConfigResponse:
        """Gives the configuration."""
        secret = await self._admit(context)
        await self._note("FetchCollectorConfig", request, secret, context)
        config = None if request.known_revision == self.revision else self.config
        return pb.FetchCollectorConfigResponse(revision=self.revision, config=config)

    async def RotateCollectorCredential(
        self, request: pb.RotateCollectorCredentialRequest, context: Context
    ) -> pb.RotateCollectorCredentialResponse:
        """Gives a fresh credential; those that were never used are void."""
        secret = await self._admit(context)
        self.ended += [one for one in self.secrets if one != secret]
        self.secrets = [secret, self._new_secret()]
        await self._note("RotateCollectorCredential", request, secret, context)
        self.wants_rotation = False
        return pb.RotateCollectorCredentialResponse(credential=self.secrets[-1])

    async def ClaimWork(self, request: pb.ClaimWorkRequest, context: Context) -> pb.ClaimWorkResponse:
        """Gives work that waits."""
        secret = await self._admit(context)
        if not 1 <= request.max_items <= 20:
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_FAILED", "max must be 1 to 20")
        items = self._claim(request.capabilities, request.max_items)
        await self._note("ClaimWork", request, secret, context)
        return pb.ClaimWorkResponse(items=items)

    async def CompleteWork(self, request: pb.CompleteWorkRequest, context: Context) -> pb.CompleteWorkResponse:
        """Takes an outcome, once."""
        secret = await self._admit(context)
        item = self.claimed.get(request.claim_id)
        if item is None or item.claim_token != request.claim_token or request.claim_id in self.outcomes:
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "CONFLICT", "the token was used already or is not the claim's")
        self.outcomes[request.claim_id] = request.outcome
        await self._note("CompleteWork", request, secret, context)
        return pb.CompleteWorkResponse()

    async def WatchCollector(self, request: pb.WatchCollectorRequest, context: Context) -> AsyncIterator[pb.WatchCollectorResponse]:
        """Sends configuration and work as they come up."""
        secret = await self._admit(context)
        await self._note("WatchCollector", request, secret, context)
        known, has_asked = request.known_revision, False
        while True:
            changed = self.changed
            await self._admit(context)
            if known != self.revision:
                known = self.revision
                yield pb.WatchCollectorResponse(config=pb.ConfigDirective(revision=known, config=self.config))
            for item in self._claim(request.capabilities, request.max_outstanding):
                yield pb.WatchCollectorResponse(work=item)
            if self.wants_rotation and not has_asked:
                has_asked = True
                yield pb.WatchCollectorResponse(rotate=pb.RotateDirective())
            await changed.wait()

    async def IngestMetrics(self, request: metrics_pb.IngestMetricsRequest, context: Context) -> metrics_pb.IngestMetricsResponse:
        """Takes points."""
        secret = await self._admit(context)
        await self._note("IngestMetrics", request, secret, context)
        batch = metrics_pb.AcceptedBatch(batch_id=str(uuid.uuid4()), accepted_count=len(request.points), job_ids=[1])
        return metrics_pb.IngestMetricsResponse(batch=batch)

    async def IngestColumns(self, request: metrics_pb.IngestColumnsRequest, context: Context) -> metrics_pb.IngestColumnsResponse:
        """Takes points as columns."""
        secret = await self._admit(context)
        try:
            batch = self.columns.read(request)
        except UnknownDictionaryError:
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "UNKNOWN_DICTIONARY", "the dictionary is not known")
        await self._note("IngestMetrics", batch, secret, context)
        accepted = metrics_pb.AcceptedBatch(batch_id=str(uuid.uuid4()), accepted_count=len(batch.points), job_ids=[1])
        return metrics_pb.IngestColumnsResponse(results=[metrics_pb.ColumnBatchResult(batch=accepted)])

    def calls(self, method: str, since: float = 0.0) -> list[Seen]:
        """Calls of a method that took effect, in order."""
        return [call for call in self.seen if call.method == method and call.time >= since]

    def tell(self) -> None:
        """Something changed: streams and whoever waits look again."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    async def wait_for(self, what: str, condition: Callable[[], Any], seconds: float = 3 * HEARTBEAT_SECONDS) -> Any:
        """Waits until the condition finds something. Raises BreachError when it does not in time."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() >= deadline:
                raise BreachError(f"within {seconds:.0f} s the collector did not {what}")
            try:
                await asyncio.wait_for(self.changed.wait(), min(0.25, max(0.0, deadline - time.monotonic())))
            except TimeoutError:
                continue
        return found

    async def _admit(self, context: Context, *, anybody: bool = False) -> str:
        """The caller's secret; ends the call when the server is away or does not know it."""
        metadata = dict(context.invocation_metadata() or ())
        secret = str(metadata.get("authorization", "")).removeprefix("Bearer ")
        if self.is_away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is away")
        if self.is_revoked:
            self.refused.append((secret, time.monotonic()))
            self.tell()
            await refuse(
                context, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "The credential is missing, unknown, expired or revoked."
            )
        if not anybody:
            if secret not in self.secrets:
                await refuse(
                    context, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "The credential is missing, unknown, expired or revoked."
                )
            newer = self.secrets.index(secret)
            self.ended += self.secrets[:newer]
            del self.secrets[:newer]
        return secret

    async def _note(self, method: str, request: Any, secret: str, context: Context) -> None:
        is_lost = method in self.lose
        self.lose.discard(method)
        self.seen.append(Seen(method, request, secret, time.monotonic(), is_lost))
        self.tell()
        if is_lost:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the answer was lost")

    def _claim(self, capabilities: Any, most: int) -> list[work_pb2.WorkItem]:
        given = [item for item in self.work if needed_capability(item) in capabilities][:most]
        for item in given:
            self.work.remove(item)
            self.claimed[item.claim_id] = item
        return given

    def _new_secret(self) -> str:
        return f"lmtc_{uuid.uuid4().hex}{uuid.uuid4().hex[:16]}"


async def refuse(context: Context, code: grpc.StatusCode, reason: str, text: str) -> NoReturn:
    """Ends a call as the product does: with a reason that nobody on the way could have given."""
    status = status_pb2.Status(code=code.value[0], message=text)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="lumetry"))
    await context.abort(code, text, (("grpc-status-details-bin", status.SerializeToString()),))
    raise AssertionError


def needed_capability(item: work_pb2.WorkItem) -> str:
    """What a collector must declare to be given an item."""
    kind = item.WhichOneof("payload")
    return f"poll:{item.poll.type}" if kind == "poll" else str(kind)


def make_item(*, poll: work_pb2.SourceWork | None = None, notification: work_pb2.NotificationWork | None = None) -> work_pb2.WorkItem:
    """An item as a server leases it."""
    item = work_pb2.WorkItem(
        claim_id=str(uuid.uuid4()), claim_token=uuid.uuid4().hex, budget_ms=10_000, poll=poll, notification=notification
    )
    item.lease_expire_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS))
    return item


@asynccontextmanager
async def run_judge(config: config_pb2.CollectorConfig) -> AsyncIterator[tuple[Judge, str, str]]:
    """Serves on free ports of the loopback interface: the judge, its gRPC address, and the base URL of a target of notifications."""
    judge = Judge(config)
    server = grpc.aio.server()
    add_CollectorServiceServicer_to_server(judge, server)
    add_IngestionServiceServicer_to_server(judge, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    async def deliver(request: web.Request) -> web.Response:
        judge.deliveries.append((dict(request.headers), await request.read()))
        judge.tell()
        return web.Response(status=204)

    async def show(_request: web.Request) -> web.Response:
        return web.json_response({"queues": [{"name": "mail", "depth": 3}, {"name": "jobs", "depth": 5}]})

    application = web.Application()
    application.router.add_post("/hook", deliver)
    application.router.add_get("/stats", show)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    http_port = runner.addresses[0][1]
    try:
        yield judge, f"127.0.0.1:{port}", f"http://127.0.0.1:{http_port}"
    finally:
        await server.stop(0)
        await runner.cleanup()
