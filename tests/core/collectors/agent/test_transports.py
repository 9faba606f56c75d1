"""Both transports give and take the same messages, and tell the same failures."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

import grpc
import pytest
from aiohttp import web

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1 import work_pb2
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry_core.collectors.agent import failures
from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.connecting import open_transport
from lumetry_core.collectors.agent.http_transport import Reply, meaning_of
from lumetry_core.collectors.agent.transport import Transport
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.core.collectors.agent.product_double import GrpcCore, HttpCore, rejection

MOMENT = datetime(2026, 6, 1, 8, 0, 0, 250_000, tzinfo=UTC)
RELAY = "0d3f7ad6-5e1c-4b9e-9ad1-8a2f1f0f9c11"


@pytest.fixture
async def transport(core: GrpcCore | HttpCore) -> AsyncIterator[Transport]:
    opened = open_transport(core.target)
    yield opened
    await opened.close()


async def test_enroll_and_beat(core: GrpcCore | HttpCore, transport: Transport) -> None:
    """What is sent arrives whole, and so does the answer."""
    core.server_time, core.wants_rotation, core.revision = (lambda: MOMENT), True, 7
    enrollment = pb.EnrollCollectorRequest(installation_id="i", hostname="h", version="1", capabilities=["host_metrics", "relay"])
    answer = await transport.enroll("lmte_good", enrollment)
    assert core.enrollments == [enrollment]
    assert (answer.credential, answer.config_revision, answer.heartbeat_interval_seconds) == ("lmtc_good", 7, 30)
    beat = pb.SendHeartbeatRequest(
        instance_id="i",
        version="1",
        queue_depth=3_000_000_000,
        dropped_count=2,
        config_revision_applied=6,
        config_apply_status="rejected",
        config_apply_error="no",
        capabilities=["relay"],
    )
    beat.send_time.FromDatetime(MOMENT)
    answered = await transport.send_heartbeat("lmtc_good", beat)
    assert core.heartbeats == [beat]
    expected = pb.SendHeartbeatResponse(config_revision=7, rotate_credential=True, status="active")
    expected.server_time.FromDatetime(MOMENT)
    assert answered == expected


async def test_fetch_config_gives_what_is_new(core: GrpcCore | HttpCore, transport: Transport) -> None:
    """A revision that is known comes without its configuration."""
    await core.configure(heartbeatIntervalSeconds=60, buffer={"maxBytes": "3000000000"}, relay={"enabled": True})
    answer = await transport.fetch_config("lmtc_good", pb.FetchCollectorConfigRequest(known_revision=1))
    assert answer == pb.FetchCollectorConfigResponse(revision=2, config=core.config)
    again = await transport.fetch_config("lmtc_good", pb.FetchCollectorConfigRequest(known_revision=2))
    assert again == pb.FetchCollectorConfigResponse(revision=2)
    assert (await transport.rotate_credential("lmtc_good", pb.RotateCollectorCredentialRequest())).credential == "lmtc_1"


async def test_work_is_claimed_and_completed(core: GrpcCore | HttpCore, transport: Transport) -> None:
    """Every kind of work comes with its payload; an outcome that is too late is a conflict."""
    source = work_pb2.SourceWork(source_id=5, type="postgres", secret="s", timeout_ms=900)
    source.target.host, source.target.port, source.target.tls = "db", 5432, True
    source.items.add(metric_key="m", query="select 1", value_column="v", label_columns=["a"])
    notification = work_pb2.NotificationWork(delivery_id="d", url="http://in", method="POST", headers={"A": "b"}, body=b"\x00{}")
    items = [
        work_pb2.WorkItem(claim_id="1", claim_token="t", budget_ms=100, source_test=source),
        work_pb2.WorkItem(claim_id="2", claim_token="t", budget_ms=100, poll=source),
        work_pb2.WorkItem(claim_id="3", claim_token="t", budget_ms=100, notification=notification),
    ]
    for item in items:
        item.lease_expire_time.FromDatetime(MOMENT)
    core.work.append(pb.ClaimWorkResponse(items=items))
    claim = pb.ClaimWorkRequest(capabilities=["poll:postgres"], max_items=4)
    assert list((await transport.claim_work("lmtc_good", claim)).items) == items
    assert core.claims == [claim]
    outcome = work_pb2.WorkOutcome(succeeded=False, error="timeout", duration_ms=90, sample_count=2, status_code=502)
    completion = pb.CompleteWorkRequest(claim_id="3", claim_token="t", outcome=outcome)
    await transport.complete_work("lmtc_good", completion)
    assert core.outcomes == [completion]
    with pytest.raises(failures.ConflictError):
        await transport.complete_work("lmtc_good", pb.CompleteWorkRequest(claim_id="3", claim_token="used"))


async def test_upload_delivers_points(core: GrpcCore | HttpCore, transport: Transport) -> None:
    """Many points or one: they arrive as they were encoded."""
    points = []
    for number in range(50):
        point = metrics_pb.Point(metric_key="m.x", value=number / 7, labels={"a": "ü", "b": str(number)}, namespace="n", source="s")
        point.time.FromDatetime(MOMENT)
        points.append(point)
    await transport.upload("lmtc_good", metrics_pb.IngestMetricsRequest(points=points).SerializeToString())
    await transport.upload("lmtc_good", metrics_pb.IngestMetricsRequest(points=points[:1]).SerializeToString())
    assert core.batches == [points, points[:1]]


@pytest.mark.parametrize(
    ("failure", "expected", "retry_after"),
    [
        (rejection(), failures.RejectedError, None),
        (LumetryError(Reason.OVERLOADED, "Later.", retry_after_seconds="7"), failures.UnreachableError, 7.0),
        (LumetryError(Reason.RATE_LIMITED, "Later.", retry_after_seconds="3"), failures.UnreachableError, 3.0),
        (LumetryError(Reason.INTERNAL, "Oops."), failures.UnreachableError, None),
        (LumetryError(Reason.PERMISSION_DENIED, "No."), failures.ForbiddenError, None),
        (LumetryError(Reason.UNAUTHENTICATED, "Who?"), failures.CredentialError, None),
    ],
)
async def test_upload_tells_failures_apart(
    core: GrpcCore | HttpCore,
    transport: Transport,
    failure: LumetryError,
    expected: type[failures.CallError],
    retry_after: float | None,
) -> None:
    """Each failure has its meaning, and a server that asks for a pause is heard."""
    core.judge = lambda _request: failure
    with pytest.raises(expected) as caught:
        await transport.upload("lmtc_good", metrics_pb.IngestMetricsRequest(points=[metrics_pb.Point(metric_key="m")]).SerializeToString())
    assert type(caught.value) is expected
    assert getattr(caught.value, "retry_after", None) == retry_after


@pytest.mark.parametrize("scheme", ["grpc", "http"])
async def test_nobody_there_is_unreachable(scheme: str) -> None:
    """An address where nothing listens is an outage."""
    transport = open_transport(Target("127.0.0.1:1", secure=False, is_http=scheme == "http"))
    with pytest.raises(failures.UnreachableError):
        await transport.send_heartbeat("lmtc_good", pb.SendHeartbeatRequest())
    await transport.close()


async def test_watch_over_http_is_not_supported(http_core: HttpCore) -> None:
    """Whoever wants work has to claim it."""
    transport = open_transport(http_core.target)
    assert not transport.can_watch
    with pytest.raises(failures.UnsupportedError):
        async with aclosing(transport.watch("lmtc_good", pb.WatchCollectorRequest())) as responses:
            await anext(responses)
    await transport.close()


async def test_watch_on_a_server_without_streams_is_not_supported() -> None:
    """An older server does not know the call."""
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    transport = open_transport(Target(f"127.0.0.1:{port}", secure=False))
    with pytest.raises(failures.UnsupportedError):
        async with aclosing(transport.watch("lmtc_good", pb.WatchCollectorRequest())) as responses:
            await anext(responses)
    await transport.close()
    await server.stop(None)


@pytest.mark.parametrize("status", [200, 202, 204, 302, 401, 403, 413, 502])
async def test_something_on_the_way_is_never_the_product(http_core: HttpCore, status: int) -> None:
    """A portal's page does not lose points, whatever its status; nor does JSON that the product would not send."""
    transport = open_transport(http_core.target)
    payload = metrics_pb.IngestMetricsRequest(points=[metrics_pb.Point(metric_key="m")]).SerializeToString()
    for content_type, text in (("text/html", "<html>"), ("application/problem+json", '{"status": 400}'), ("application/json", "[]")):
        http_core.interloper = web.Response(status=status, text=text, content_type=content_type)
        with pytest.raises(failures.UnreachableError):
            await transport.upload("lmtc_good", payload)
        with pytest.raises(failures.UnreachableError):
            await transport.send_heartbeat("lmtc_good", pb.SendHeartbeatRequest())
    await transport.close()


def forbidden(detail: str) -> Reply:
    body = f'{{"type":"/problems/forbidden","status":403,"title":"Forbidden","detail":"{detail}","instance":"r"}}'
    return Reply(403, "application/problem+json", {}, body.encode())


def test_meaning_of_a_403_depends_on_who_asks() -> None:
    """An agent learns that it is disabled, or which collector it has to go through; a collector is just forbidden."""
    relay = meaning_of(forbidden(f"Use the collector {RELAY}."), "lmta_secret")
    assert isinstance(relay, failures.RelayRequiredError)
    assert relay.collector_id == RELAY
    assert isinstance(meaning_of(forbidden("The agent is disabled."), "lmta_secret"), failures.AgentDisabledError)
    assert type(meaning_of(forbidden("No."), "lmtc_secret")) is failures.ForbiddenError


def test_messages_hold_no_secret() -> None:
    """Failures are logged; the credential is not part of them."""
    assert "lmtc_secret" not in str(meaning_of(forbidden("No."), "lmtc_secret"))
