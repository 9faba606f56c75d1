from collections.abc import AsyncIterator

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.metrics.v1 import fleet_contract_pb2, metric_binding_pb2, metric_pb2
from lumetry.metrics.v1 import metric_binding_service_pb2 as binding_pb
from lumetry.metrics.v1 import metric_definition_service_pb2 as pb
from lumetry.metrics.v1.metric_binding_service_pb2_grpc import MetricBindingServiceStub, add_MetricBindingServiceServicer_to_server
from lumetry.metrics.v1.metric_definition_service_pb2_grpc import (
    MetricDefinitionServiceStub,
    add_MetricDefinitionServiceServicer_to_server,
)
from lumetry_core.metrics.rpc.bindings import MetricBindingServicer
from lumetry_core.metrics.rpc.definitions import MetricDefinitionServicer
from lumetry_core.metrics.service import inbox
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.conftest import FakeClock
from tests.core.metrics.defining import Profiles, find_nodes

DEFINITIONS, BINDINGS = "lumetry.metrics.v1.MetricDefinitionService", "lumetry.metrics.v1.MetricBindingService"
VIEWER = (("authorization", "Bearer viewer"),)
MANAGER = (("authorization", "Bearer manager"),)


async def authenticate(origin: Origin) -> Caller:
    """Everybody may look, a manager may write as well."""
    permissions = {Permission.VIEW_ALERTS} | ({Permission.MANAGE_RULES} if origin.secret == "manager" else set())
    return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, permissions=frozenset(permissions))


@pytest.fixture
async def channel(database: Database, clock: FakeClock) -> AsyncIterator[grpc.aio.Channel]:
    async with database.write() as tx:
        await inbox.ensure_partitions(tx)
    profiles = Profiles()
    services = {
        DEFINITIONS: (
            add_MetricDefinitionServiceServicer_to_server,
            MetricDefinitionServicer(database, clock, profiles.find, profiles.claim),
        ),
        BINDINGS: (add_MetricBindingServiceServicer_to_server, MetricBindingServicer(database, clock, find_nodes, find_nodes)),
    }
    server = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    await server.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened
    await server.server.stop(None)


def read_failure(error: grpc.aio.AioRpcError) -> tuple[str, list[str]]:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(bad)
    return info.reason, [violation.field for violation in bad.field_violations]


async def test_definition_is_created_read_listed_replaced_and_removed(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """Every field travels both ways; what was left out comes back with its default."""
    stub = MetricDefinitionServiceStub(channel)
    deviation = fleet_contract_pb2.DeviationConfig(
        threshold=2.5,
        critical_threshold=5.0,
        min_deviation_percent=0.0,
        min_absolute_deviation=1.5,
        direction="Above",
        open_ticks=1,
        close_ticks=100,
    )
    fields = pb.MetricDefinitionFields(
        metric_key="disk",
        display_name="Disk use",
        description="How full",
        unit="%",
        metric_type="counter",
        namespace="os",
        metadata_json='{"a":[1,{"b":null}]}',
        entity_type="HOST",
        entity_identifier="srv-1",
        metric_mode="multidimensional",
        dimension_keys=["mount", "host.id"],
        is_active=False,
        fleet=fleet_contract_pb2.FleetContract(
            analyses=["peer_deviation"],
            split_dimension="mount",
            scope={"host.group": "web"},
            min_peer_count=5,
            max_cardinality=9,
            peer=deviation,
            baseline=fleet_contract_pb2.DeviationConfig(baseline_profile_id=4),
        ),
    )
    created = (await stub.CreateMetricDefinition(pb.CreateMetricDefinitionRequest(fields=fields), metadata=MANAGER)).metric
    default = {"min_deviation_percent": 20.0, "min_absolute_deviation": 0.0, "direction": "Both", "open_ticks": 3, "close_ticks": 3}
    assert created == metric_pb2.Metric(
        id=created.id,
        metric_key="disk",
        display_name="Disk use",
        description="How full",
        unit="%",
        metric_type="counter",
        namespace="os",
        management_mode="EXTERNALLY_MANAGED",
        catalog_source="manual",
        multidimensional=True,
        dimension_keys=["host.id", "mount"],
        is_active=False,
        data_status="DATA_STATUS_INACTIVE",
        sync_status="SYNCED",
        is_evaluable=False,
        create_time=encode_time(clock.now()),
        update_time=encode_time(clock.now()),
        entity_type="HOST",
        entity_identifier="srv-1",
        metadata_json='{"a":[1,{"b":null}]}',
        fleet=fleet_contract_pb2.FleetContract(
            analyses=["peer_deviation"],
            split_dimension="mount",
            scope={"host.group": "web"},
            min_peer_count=5,
            max_cardinality=9,
            peer=deviation,
            baseline=fleet_contract_pb2.DeviationConfig(threshold=3.0, baseline_profile_id=4, **default),
        ),
    )
    read = await stub.GetMetricDefinition(pb.GetMetricDefinitionRequest(id=created.id), metadata=VIEWER)
    assert read.metric == created
    listed = await stub.ListMetricDefinitions(pb.ListMetricDefinitionsRequest(search="disk"), metadata=VIEWER)
    assert (list(listed.metrics), listed.total_count) == ([created], 1)
    replaced = await stub.UpdateMetricDefinition(
        pb.UpdateMetricDefinitionRequest(id=created.id, fields=pb.MetricDefinitionFields()), metadata=MANAGER
    )
    assert replaced.metric == metric_pb2.Metric(
        id=created.id,
        metric_key="disk",
        display_name="disk",
        metric_type="gauge",
        namespace="default",
        management_mode="EXTERNALLY_MANAGED",
        catalog_source="manual",
        is_active=True,
        data_status="DATA_STATUS_PENDING",
        sync_status="SYNCED",
        create_time=encode_time(clock.now()),
        update_time=encode_time(clock.now()),
        fleet=fleet_contract_pb2.FleetContract(
            min_peer_count=3,
            max_cardinality=500,
            peer=fleet_contract_pb2.DeviationConfig(threshold=3.5, **default),
            baseline=fleet_contract_pb2.DeviationConfig(threshold=3.0, **default),
        ),
    )
    await stub.DeleteMetricDefinition(pb.DeleteMetricDefinitionRequest(id=created.id), metadata=MANAGER)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetMetricDefinition(pb.GetMetricDefinitionRequest(id=created.id), metadata=VIEWER)
    assert read_failure(caught.value) == ("NOT_FOUND", [])


async def test_faults_come_with_their_paths(channel: grpc.aio.Channel) -> None:
    """All of them at once."""
    fields = pb.MetricDefinitionFields(metric_type="x", fleet=fleet_contract_pb2.FleetContract(min_peer_count=0))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await MetricDefinitionServiceStub(channel).CreateMetricDefinition(pb.CreateMetricDefinitionRequest(fields=fields), metadata=MANAGER)
    assert read_failure(caught.value) == ("VALIDATION_FAILED", ["metricKey", "metricType", "minPeerCount"])


async def test_binding_is_created_listed_and_removed(channel: grpc.aio.Channel, clock: FakeClock) -> None:
    """A binding carries the name of its node."""
    fields = pb.MetricDefinitionFields(metric_key="http:/req")
    await MetricDefinitionServiceStub(channel).CreateMetricDefinition(pb.CreateMetricDefinitionRequest(fields=fields), metadata=MANAGER)
    stub = MetricBindingServiceStub(channel)
    request = binding_pb.CreateMetricBindingRequest(metric_key="http:/req", node_id=5, labels={"host.id": "a"})
    bound = (await stub.CreateMetricBinding(request, metadata=MANAGER)).binding
    assert bound == metric_binding_pb2.MetricBinding(
        id=bound.id, metric_key="http:/req", node_id=5, node_name="node 5", labels={"host.id": "a"}, create_time=encode_time(clock.now())
    )
    wanted = binding_pb.ListMetricBindingsRequest(metric_key="http:/req")
    assert list((await stub.ListMetricBindings(wanted, metadata=VIEWER)).bindings) == [bound]
    removal = binding_pb.DeleteMetricBindingRequest(metric_key="http:/req", id=bound.id)
    await stub.DeleteMetricBinding(removal, metadata=MANAGER)
    assert list((await stub.ListMetricBindings(wanted, metadata=VIEWER)).bindings) == []


async def test_writing_needs_the_right_to_manage_rules(channel: grpc.aio.Channel) -> None:
    """Whoever may only look writes neither definitions nor bindings."""
    definitions, bindings = MetricDefinitionServiceStub(channel), MetricBindingServiceStub(channel)
    for attempt in (
        definitions.CreateMetricDefinition(pb.CreateMetricDefinitionRequest(), metadata=VIEWER),
        definitions.UpdateMetricDefinition(pb.UpdateMetricDefinitionRequest(id=1), metadata=VIEWER),
        definitions.DeleteMetricDefinition(pb.DeleteMetricDefinitionRequest(id=1), metadata=VIEWER),
        bindings.CreateMetricBinding(binding_pb.CreateMetricBindingRequest(metric_key="x"), metadata=VIEWER),
        bindings.DeleteMetricBinding(binding_pb.DeleteMetricBindingRequest(metric_key="x"), metadata=VIEWER),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await attempt
        assert read_failure(caught.value) == ("PERMISSION_DENIED", [])
