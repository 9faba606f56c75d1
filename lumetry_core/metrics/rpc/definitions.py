"""MetricDefinitionService."""

from typing import Any

import grpc
import msgspec
from google.protobuf.message import Message

from lumetry.metrics.v1 import fleet_contract_pb2, metric_pb2
from lumetry.metrics.v1 import metric_definition_service_pb2 as pb
from lumetry.metrics.v1.metric_definition_service_pb2_grpc import MetricDefinitionServiceServicer
from lumetry_core.metrics.draft import DeviationDraft, FleetDraft, MetricDraft
from lumetry_core.metrics.fleet_contract import DeviationConfig
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.metrics.rpc.catalog import write_metric
from lumetry_core.metrics.service import definitions
from lumetry_core.metrics.service.definitions import ClaimProfile, FindProfile
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class MetricDefinitionServicer(MetricDefinitionServiceServicer):
    """See `lumetry.metrics.v1.MetricDefinitionService`."""

    def __init__(self, database: Database, clock: Clock, find_profile: FindProfile, claim_profile: ClaimProfile) -> None:
        """Builds the servicer.

        Args:
            database: Where everything is.
            clock: Tells when a write happens.
            find_profile: Finds the baseline profiles that definitions name.
            claim_profile: Is told which definition uses which.
        """
        self._database = database
        self._clock = clock
        self._find_profile = find_profile
        self._claim_profile = claim_profile

    async def ListMetricDefinitions(self, request: pb.ListMetricDefinitionsRequest, context: Context) -> pb.ListMetricDefinitionsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found, total = await definitions.list_definitions(tx, current_caller(), request.search, request.page, request.page_size)
        return pb.ListMetricDefinitionsResponse(metrics=[write_definition(metric) for metric in found], total_count=total)

    async def GetMetricDefinition(self, request: pb.GetMetricDefinitionRequest, context: Context) -> pb.GetMetricDefinitionResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await definitions.get_definition(tx, current_caller().organization_id, request.id)
        return pb.GetMetricDefinitionResponse(metric=write_definition(found))

    async def CreateMetricDefinition(
        self, request: pb.CreateMetricDefinitionRequest, context: Context
    ) -> pb.CreateMetricDefinitionResponse:
        """See the proto."""
        draft = read_draft(request.fields)
        async with self._database.write() as tx:
            created = await definitions.create(tx, current_caller(), draft, self._find_profile, self._claim_profile, self._clock.now())
        return pb.CreateMetricDefinitionResponse(metric=write_definition(created))

    async def UpdateMetricDefinition(
        self, request: pb.UpdateMetricDefinitionRequest, context: Context
    ) -> pb.UpdateMetricDefinitionResponse:
        """See the proto."""
        draft = read_draft(request.fields)
        async with self._database.write() as tx:
            updated = await definitions.update(
                tx, current_caller(), request.id, draft, self._find_profile, self._claim_profile, self._clock.now()
            )
        return pb.UpdateMetricDefinitionResponse(metric=write_definition(updated))

    async def DeleteMetricDefinition(
        self, request: pb.DeleteMetricDefinitionRequest, context: Context
    ) -> pb.DeleteMetricDefinitionResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await definitions.remove(tx, current_caller(), request.id, self._claim_profile, self._clock.now())
        return pb.DeleteMetricDefinitionResponse()


OF_METRIC = ("metric_key", "display_name", "description", "unit", "metric_type", "namespace", "entity_type", "entity_identifier")
OF_DEVIATION = tuple(DeviationDraft.__dataclass_fields__)


def read_draft(sent: pb.MetricDefinitionFields) -> MetricDraft:
    """A definition as it was sent."""
    return MetricDraft(
        **{name: given(sent, name) for name in OF_METRIC},
        metadata=given(sent, "metadata_json"),
        metric_mode=given(sent, "metric_mode"),
        dimension_keys=tuple(sent.dimension_keys),
        is_active=given(sent, "is_active"),
        fleet=FleetDraft(
            analyses=tuple(sent.fleet.analyses),
            split_dimension=given(sent.fleet, "split_dimension"),
            scope=dict(sent.fleet.scope),
            min_peer_count=given(sent.fleet, "min_peer_count"),
            max_cardinality=given(sent.fleet, "max_cardinality"),
            peer=DeviationDraft(**{name: given(sent.fleet.peer, name) for name in OF_DEVIATION}),
            baseline=DeviationDraft(**{name: given(sent.fleet.baseline, name) for name in OF_DEVIATION}),
        ),
    )


def given(message: Message, field: str) -> Any:  # noqa: ANN401 -- the type is the field's
    """The value of an optional field; None when it is absent."""
    return getattr(message, field) if message.HasField(field) else None


def write_definition(metric: MetricInfo) -> metric_pb2.Metric:
    """A catalog entry in full as its message."""
    message = write_metric(metric)
    if metric.metadata:
        message.metadata_json = msgspec.json.encode(metric.metadata).decode()
    fleet = metric.fleet
    message.fleet.CopyFrom(
        fleet_contract_pb2.FleetContract(
            analyses=fleet.analyses,
            split_dimension=metric.split_dimension,
            scope=fleet.scope,
            min_peer_count=fleet.min_peer_count,
            max_cardinality=fleet.max_cardinality,
            peer=write_deviation(fleet.peer),
            baseline=write_deviation(fleet.baseline),
        )
    )
    return message


def write_deviation(config: DeviationConfig) -> fleet_contract_pb2.DeviationConfig:
    """The settings of an analysis as their message."""
    return fleet_contract_pb2.DeviationConfig(**{name: getattr(config, name) for name in OF_DEVIATION})
