"""Metric sources and their tests (contract lumetry 5.8). Defaults and ranges are the core's business."""

import msgspec
from aiohttp import web

from gateway.contracts.lumetry.values import Int32, Time, optional_time, optional_value
from gateway.transcode.bodies import MEBIBYTE, parse_json, read_bytes
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.handling import json_response
from gateway.transcode.reading import read_body
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.metricsources.v1 import metric_source_service_pb2 as pb


def source_rpc(method: str) -> Rpc:
    """An RPC of the source service."""
    return find_rpc(pb.DESCRIPTOR, "MetricSourceService", method)


TEST = source_rpc("TestMetricSource")
TEST_DEADLINE_SECONDS = 90.0
"""A test asks all items, within a minute."""
DATABASES = frozenset({"postgres", "mysql", "mssql", "oracle"})
ADDRESSED = frozenset({"prometheus", "thanos", "http", "nifi"})


class HttpConfig(msgspec.Struct, rename="camel"):
    """Where a source with an address is."""

    base_url: str | None = None
    username: str | None = None


class DatabaseConfig(msgspec.Struct, rename="camel"):
    """Where a database is."""

    host: str | None = None
    port: Int32 | None = None
    database: str | None = None
    username: str | None = None
    tls: bool | None = None


class NoConfig(msgspec.Struct):
    """Of an unknown type nobody can tell what its members mean."""


class AnyConfig(msgspec.Struct, rename="camel"):
    """The members of every type; what a type does not use is ignored."""

    base_url: str | None = None
    username: str | None = None
    host: str | None = None
    port: Int32 | None = None
    database: str | None = None
    tls: bool | None = None


class SourceItemBody(msgspec.Struct, rename="camel"):
    """One question."""

    metric_key: str = ""
    query: str = ""
    value_column: str | None = None
    label_columns: list[str] | None = None
    unit: str | None = None


class SourceFields(msgspec.Struct, rename="camel"):
    """What does not depend on the type."""

    name: str = ""
    type: str = ""
    secret: str | None = None
    items: list[SourceItemBody] | None = None
    poll_interval_seconds: Int32 | None = None
    timeout_seconds: Int32 | None = None
    collector_id: str | None = None
    is_enabled: bool | None = None


class MetricSourceBody(SourceFields, rename="camel"):
    """A source as written."""

    config: AnyConfig | None = None


class HttpSourceBody(SourceFields, rename="camel"):
    """One with an address."""

    config: HttpConfig | None = None


class DatabaseSourceBody(SourceFields, rename="camel"):
    """A database."""

    config: DatabaseConfig | None = None


class UnknownSourceBody(SourceFields, rename="camel"):
    """One of an unknown type."""

    config: NoConfig | None = None


class TypeOnly(msgspec.Struct):
    """What decides how the rest is read."""

    type: str = ""


class SourceItem(msgspec.Struct, rename="camel"):
    """One question."""

    metric_key: str
    query: str
    value_column: str | None
    label_columns: list[str]
    unit: str | None


class MetricSource(msgspec.Struct, rename="camel"):
    """A source."""

    id: int
    name: str
    type: str
    config: dict[str, str | int | bool | None]
    has_secret: bool
    items: list[SourceItem]
    poll_interval_seconds: int
    timeout_seconds: int
    collector_id: str | None
    is_enabled: bool
    last_polled_at: Time | None
    last_status: str | None
    last_error: str | None
    created_at: Time
    updated_at: Time


class TestSample(msgspec.Struct, rename="camel"):
    """A sample of a test."""

    metric_key: str
    timestamp: Time
    value: float
    labels: dict[str, str]


class MetricSourceTest(msgspec.Struct, rename="camel"):
    """A test."""

    test_id: int | None
    status: str
    duration_ms: int | None
    samples: list[TestSample]
    error: str | None


def decode_list(_request: Request) -> pb.ListMetricSourcesRequest:
    """5.8 `GET /api/metric-sources`."""
    return pb.ListMetricSourcesRequest()


def decode_get(request: Request) -> pb.GetMetricSourceRequest:
    """5.8 `GET /api/metric-sources/{id}`."""
    return pb.GetMetricSourceRequest(id=request.number("id"))


def decode_create(request: Request) -> pb.CreateMetricSourceRequest:
    """5.8 `POST /api/metric-sources`."""
    return pb.CreateMetricSourceRequest(source=read_draft(request))


def decode_update(request: Request) -> pb.UpdateMetricSourceRequest:
    """5.8 `PUT /api/metric-sources/{id}`."""
    return pb.UpdateMetricSourceRequest(id=request.number("id"), source=read_draft(request))


def decode_delete(request: Request) -> pb.DeleteMetricSourceRequest:
    """5.8 `DELETE /api/metric-sources/{id}`."""
    return pb.DeleteMetricSourceRequest(id=request.number("id"))


async def answer_test_candidate(request: Request) -> web.StreamResponse:
    """5.8 `POST /api/metric-sources/test`."""
    await read_content(request)
    return await call_test(request, pb.TestMetricSourceRequest(candidate=read_draft(request)))


async def answer_test(request: Request) -> web.StreamResponse:
    """5.8 `POST /api/metric-sources/{id}/test`; without a body, or with an empty object, the source is tested as it is saved."""
    number = request.number("id")
    await read_content(request)
    if not request.content or parse_json(request.content) in (None, {}):
        return await call_test(request, pb.TestMetricSourceRequest(id=number))
    return await call_test(request, pb.TestMetricSourceRequest(id=number, candidate=read_draft(request)))


async def read_content(request: Request) -> None:
    """Takes the body."""
    request.content = await read_bytes(request.http, MEBIBYTE, gzip=False, bad_encoding=request.family.bad_media)


async def call_test(request: Request, message: pb.TestMetricSourceRequest) -> web.StreamResponse:
    """5.8 a test that is over, or 202 when a collector makes it."""
    reply = await request.core.call(TEST, message, request.metadata, timeout=TEST_DEADLINE_SECONDS, rates=request.rates)
    test = encode_test(reply.test)
    return json_response(test, web.HTTPOk.status_code if test.test_id is None else web.HTTPAccepted.status_code)


def decode_get_test(request: Request) -> pb.GetMetricSourceTestRequest:
    """5.8 `GET /api/metric-sources/tests/{testId}`."""
    return pb.GetMetricSourceTestRequest(id=request.number("testId"))


def read_draft(request: Request) -> pb.MetricSourceDraft:
    """5.8 a source as written. Its type decides which members of `config` there are."""
    body = request.body(kind_of(parse_json(request.content)))
    return pb.MetricSourceDraft(
        name=body.name,
        type=body.type,
        config=make_config(body.config),
        secret=body.secret,
        items=[
            pb.MetricSourceItem(
                metric_key=item.metric_key,
                query=item.query,
                value_column=item.value_column,
                label_columns=item.label_columns or (),
                unit=item.unit,
            )
            for item in body.items or ()
        ],
        poll_interval_seconds=body.poll_interval_seconds,
        timeout_seconds=body.timeout_seconds,
        collector_id=body.collector_id,
        is_enabled=body.is_enabled,
    )


def kind_of(data: object) -> type[HttpSourceBody | DatabaseSourceBody | UnknownSourceBody]:
    """5.8 how the body of a source is read."""
    source_type = read_body(TypeOnly, data, []).type
    if source_type in DATABASES:
        return DatabaseSourceBody
    return HttpSourceBody if source_type in ADDRESSED else UnknownSourceBody


def make_config(config: HttpConfig | DatabaseConfig | NoConfig | None) -> pb.MetricSourceConfig:
    """5.8 where a source is."""
    if isinstance(config, HttpConfig):
        return pb.MetricSourceConfig(base_url=config.base_url, username=config.username)
    if isinstance(config, DatabaseConfig):
        return pb.MetricSourceConfig(host=config.host, port=config.port, database=config.database, username=config.username, tls=config.tls)
    return pb.MetricSourceConfig()


def encode_list(reply: pb.ListMetricSourcesResponse, _asked: object) -> list[MetricSource]:
    """5.8 all sources."""
    return [encode_source(source) for source in reply.sources]


def encode_source_reply(
    reply: pb.GetMetricSourceResponse | pb.CreateMetricSourceResponse | pb.UpdateMetricSourceResponse, _asked: object
) -> MetricSource:
    """5.8 one source."""
    return encode_source(reply.source)


def encode_source(source: pb.MetricSource) -> MetricSource:
    """5.8 a source."""
    return MetricSource(
        id=source.id,
        name=source.name,
        type=source.type,
        config=encode_config(source),
        has_secret=source.has_secret,
        items=[
            SourceItem(
                metric_key=item.metric_key,
                query=item.query,
                value_column=optional_value(item, "value_column"),
                label_columns=list(item.label_columns),
                unit=optional_value(item, "unit"),
            )
            for item in source.items
        ],
        poll_interval_seconds=source.poll_interval_seconds,
        timeout_seconds=source.timeout_seconds,
        collector_id=optional_value(source, "collector_id"),
        is_enabled=source.is_enabled,
        last_polled_at=optional_time(source, "last_poll_time"),
        last_status=optional_value(source, "last_status"),
        last_error=optional_value(source, "last_error"),
        created_at=format_time(source.create_time),
        updated_at=format_time(source.update_time),
    )


def encode_config(source: pb.MetricSource) -> dict[str, str | int | bool | None]:
    """5.8 the members of `config` that a type has."""
    config = source.config
    username = optional_value(config, "username")
    if source.type in DATABASES:
        return {"host": config.host, "port": config.port, "database": config.database, "username": username, "tls": config.tls}
    return {"baseUrl": config.base_url, "username": username}


def encode_test_reply(reply: pb.GetMetricSourceTestResponse, _asked: object) -> MetricSourceTest:
    """5.8 a test that a collector makes."""
    return encode_test(reply.test)


def encode_test(test: pb.MetricSourceTest) -> MetricSourceTest:
    """5.8 a test."""
    return MetricSourceTest(
        test_id=optional_value(test, "id"),
        status=test.status,
        duration_ms=optional_value(test, "duration_ms"),
        samples=[encode_sample(sample) for sample in test.samples],
        error=optional_value(test, "error"),
    )


def encode_sample(sample: pb.MetricSourceSample) -> TestSample:
    """5.8 a sample."""
    return TestSample(
        metric_key=sample.metric_key, timestamp=format_time(sample.time), value=sample.value, labels=dict(sorted(sample.labels.items()))
    )
