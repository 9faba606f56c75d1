"""Definitions of metrics (contract lumetry 5.1, 5.6, 6.1). Defaults, ranges and words are the core's business."""

import json
from typing import Any

import msgspec

from gateway.contracts.lumetry.values import Id, Int32, Page, PageNumber, PageSize, Time, make_page, optional_time, optional_value
from gateway.transcode.bodies import check_content_type, parse_json
from gateway.transcode.failures import Fault, validation_failure
from gateway.transcode.reading import read_body
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.metrics.v1 import fleet_contract_pb2, metric_pb2
from lumetry.metrics.v1 import metric_definition_service_pb2 as pb

DEFAULT_PAGE_SIZE = 25


class DefinitionFilters(msgspec.Struct, rename="camel"):
    """Which definitions."""

    search: str | None = None
    page: PageNumber = 1
    page_size: PageSize = DEFAULT_PAGE_SIZE


class PeerBody(msgspec.Struct, rename="camel"):
    """When a member deviates from its peers, as written."""

    mad_threshold: float | None = None
    critical_mad_threshold: float | None = None
    min_deviation_percent: float | None = None
    min_absolute_deviation: float | None = None
    direction: str | None = None
    open_ticks: Int32 | None = None
    close_ticks: Int32 | None = None


class BaselineBody(msgspec.Struct, rename="camel"):
    """When a member deviates from its own history, as written."""

    z_threshold: float | None = None
    critical_z_threshold: float | None = None
    min_deviation_percent: float | None = None
    min_absolute_deviation: float | None = None
    direction: str | None = None
    open_ticks: Int32 | None = None
    close_ticks: Int32 | None = None
    baseline_profile_id: Id | None = None


class DefinitionBody(msgspec.Struct, rename="camel"):
    """A definition as written."""

    metric_key: str | None = None
    display_name: str | None = None
    description: str | None = None
    unit: str | None = None
    metric_type: str | None = None
    namespace: str | None = None
    metadata: dict[str, Any] | None = None
    entity_type: str | None = None
    entity_identifier: str | None = None
    metric_mode: str | None = None
    is_active: bool | None = None
    dimension_keys: list[str] | None = None
    analyses: list[str] | None = None
    split_dimension: str | None = None
    scope: dict[str, str] | None = None
    min_peer_count: Int32 | None = None
    max_cardinality: Int32 | None = None
    peer_config: PeerBody | None = None
    baseline_config: BaselineBody | None = None


class PeerConfig(msgspec.Struct, rename="camel"):
    """When a member deviates from its peers."""

    mad_threshold: float
    critical_mad_threshold: float | None
    min_deviation_percent: float
    min_absolute_deviation: float
    direction: str
    open_ticks: int
    close_ticks: int


class BaselineConfig(msgspec.Struct, rename="camel"):
    """When a member deviates from its own history."""

    z_threshold: float
    critical_z_threshold: float | None
    min_deviation_percent: float
    min_absolute_deviation: float
    direction: str
    open_ticks: int
    close_ticks: int
    baseline_profile_id: int | None


class Definition(msgspec.Struct, rename="camel"):
    """A definition with every default filled in."""

    id: int
    metric_key: str
    display_name: str
    description: str | None
    unit: str | None
    metric_type: str
    namespace: str
    metadata: dict[str, Any] | None
    entity_type: str | None
    entity_identifier: str | None
    management_mode: str
    catalog_source: str
    metric_mode: str
    is_active: bool
    data_status: str
    sync_status: str
    is_evaluable: bool
    dimension_keys: list[str]
    analyses: list[str]
    split_dimension: str | None
    scope: dict[str, str] | None
    min_peer_count: int
    max_cardinality: int
    peer_config: PeerConfig
    baseline_config: BaselineConfig
    created_at: Time
    updated_at: Time
    last_synced_at: Time | None
    last_ingested_at: Time | None


def decode_list_definitions(request: Request) -> pb.ListMetricDefinitionsRequest:
    """5.6 `GET /api/metric-definitions`."""
    filters = request.query(DefinitionFilters)
    return pb.ListMetricDefinitionsRequest(search=filters.search or "", page=filters.page, page_size=filters.page_size)


def encode_list_definitions(reply: pb.ListMetricDefinitionsResponse, asked: pb.ListMetricDefinitionsRequest) -> Page[Definition]:
    """5.6 a page of definitions."""
    items = [encode_definition(metric) for metric in reply.metrics]
    return make_page(items, page=asked.page, page_size=asked.page_size, total_count=reply.total_count)


def decode_get_definition(request: Request) -> pb.GetMetricDefinitionRequest:
    """5.6 `GET /api/metric-definitions/{id}`."""
    return pb.GetMetricDefinitionRequest(id=request.number("id"))


def decode_create_definition(request: Request) -> pb.CreateMetricDefinitionRequest:
    """5.6 `POST /api/metric-definitions`."""
    return pb.CreateMetricDefinitionRequest(fields=decode_definition(request))


def decode_update_definition(request: Request) -> pb.UpdateMetricDefinitionRequest:
    """5.6 `PUT /api/metric-definitions/{id}`."""
    return pb.UpdateMetricDefinitionRequest(id=request.number("id"), fields=decode_definition(request))


def decode_delete_definition(request: Request) -> pb.DeleteMetricDefinitionRequest:
    """5.6 `DELETE /api/metric-definitions/{id}`."""
    return pb.DeleteMetricDefinitionRequest(id=request.number("id"))


def encode_nothing(_reply: object, _asked: object) -> None:
    """5.6, 5.7 an answer without a body."""


def decode_definition(request: Request) -> pb.MetricDefinitionFields:
    """5.1, 6.1 the writable fields. Metadata may be any JSON object and travels as text."""
    check_content_type(request.http, request.family.is_media, request.family.bad_media)
    data = parse_json(request.content)
    faults: list[Fault] = []
    metadata = None
    if isinstance(data, dict) and data.get("metadata") is not None:
        metadata = read_metadata(data.pop("metadata"), faults)
    body = read_body(DefinitionBody, data, faults)
    if faults:
        raise validation_failure(tuple(faults))
    return pb.MetricDefinitionFields(
        metric_key=body.metric_key,
        display_name=body.display_name,
        description=body.description,
        unit=body.unit,
        metric_type=body.metric_type,
        namespace=body.namespace,
        metadata_json=metadata,
        entity_type=body.entity_type,
        entity_identifier=body.entity_identifier,
        metric_mode=body.metric_mode,
        dimension_keys=body.dimension_keys,
        is_active=body.is_active,
        fleet=decode_fleet(body),
    )


def read_metadata(value: object, faults: list[Fault]) -> str | None:
    """An object of people's as compact JSON; None when it is noted as faulty."""
    if not isinstance(value, dict):
        faults.append(Fault("metadata", "must be an object"))
        return None
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        faults.append(Fault("metadata", "must hold finite numbers only"))
        return None


def decode_fleet(body: DefinitionBody) -> fleet_contract_pb2.FleetContract:
    """6.1 how members are compared."""
    peer, baseline = body.peer_config or PeerBody(), body.baseline_config or BaselineBody()
    return fleet_contract_pb2.FleetContract(
        analyses=body.analyses,
        split_dimension=body.split_dimension,
        scope=body.scope,
        min_peer_count=body.min_peer_count,
        max_cardinality=body.max_cardinality,
        peer=fleet_contract_pb2.DeviationConfig(
            threshold=peer.mad_threshold,
            critical_threshold=peer.critical_mad_threshold,
            min_deviation_percent=peer.min_deviation_percent,
            min_absolute_deviation=peer.min_absolute_deviation,
            direction=peer.direction,
            open_ticks=peer.open_ticks,
            close_ticks=peer.close_ticks,
        ),
        baseline=fleet_contract_pb2.DeviationConfig(
            threshold=baseline.z_threshold,
            critical_threshold=baseline.critical_z_threshold,
            min_deviation_percent=baseline.min_deviation_percent,
            min_absolute_deviation=baseline.min_absolute_deviation,
            direction=baseline.direction,
            open_ticks=baseline.open_ticks,
            close_ticks=baseline.close_ticks,
            baseline_profile_id=baseline.baseline_profile_id,
        ),
    )


def encode_definition_reply(
    reply: pb.GetMetricDefinitionResponse | pb.CreateMetricDefinitionResponse | pb.UpdateMetricDefinitionResponse, _asked: object
) -> Definition:
    """5.6 the definition of an answer."""
    return encode_definition(reply.metric)


def encode_definition(metric: metric_pb2.Metric) -> Definition:
    """5.1, 6.1 one definition."""
    fleet = metric.fleet
    return Definition(
        id=metric.id,
        metric_key=metric.metric_key,
        display_name=metric.display_name or metric.metric_key,
        description=metric.description or None,
        unit=metric.unit or None,
        metric_type=metric.metric_type,
        namespace=metric.namespace,
        metadata=msgspec.json.decode(metric.metadata_json) if metric.metadata_json else None,
        entity_type=metric.entity_type or None,
        entity_identifier=metric.entity_identifier or None,
        management_mode=metric.management_mode,
        catalog_source=metric.catalog_source,
        metric_mode="multidimensional" if metric.multidimensional else "single",
        is_active=metric.is_active,
        data_status=metric_pb2.DataStatus.Name(metric.data_status).removeprefix("DATA_STATUS_"),
        sync_status=metric.sync_status,
        is_evaluable=metric.is_evaluable,
        dimension_keys=list(metric.dimension_keys),
        analyses=list(fleet.analyses),
        split_dimension=optional_value(fleet, "split_dimension"),
        scope=dict(sorted(fleet.scope.items())) or None,
        min_peer_count=fleet.min_peer_count,
        max_cardinality=fleet.max_cardinality,
        peer_config=encode_peer(fleet.peer),
        baseline_config=encode_baseline(fleet.baseline),
        created_at=format_time(metric.create_time),
        updated_at=format_time(metric.update_time),
        last_synced_at=optional_time(metric, "last_sync_time"),
        last_ingested_at=optional_time(metric, "last_ingest_time"),
    )


def encode_peer(config: fleet_contract_pb2.DeviationConfig) -> PeerConfig:
    """6.1 when a member deviates from its peers."""
    return PeerConfig(
        mad_threshold=config.threshold,
        critical_mad_threshold=optional_value(config, "critical_threshold"),
        min_deviation_percent=config.min_deviation_percent,
        min_absolute_deviation=config.min_absolute_deviation,
        direction=config.direction,
        open_ticks=config.open_ticks,
        close_ticks=config.close_ticks,
    )


def encode_baseline(config: fleet_contract_pb2.DeviationConfig) -> BaselineConfig:
    """6.1 when a member deviates from its own history."""
    return BaselineConfig(
        z_threshold=config.threshold,
        critical_z_threshold=optional_value(config, "critical_threshold"),
        min_deviation_percent=config.min_deviation_percent,
        min_absolute_deviation=config.min_absolute_deviation,
        direction=config.direction,
        open_ticks=config.open_ticks,
        close_ticks=config.close_ticks,
        baseline_profile_id=optional_value(config, "baseline_profile_id"),
    )
