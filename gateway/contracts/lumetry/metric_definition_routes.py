"""The routes of definitions of metrics and of their bindings (contract lumetry 5.6, 5.7)."""

from gateway.contracts.lumetry import metric_bindings, metric_definitions
from gateway.contracts.lumetry.values import Page
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.metrics.v1 import metric_binding_service_pb2, metric_definition_service_pb2


def definition_rpc(method: str) -> Rpc:
    """An RPC of the definition service."""
    return find_rpc(metric_definition_service_pb2.DESCRIPTOR, "MetricDefinitionService", method)


def binding_rpc(method: str) -> Rpc:
    """An RPC of the binding service."""
    return find_rpc(metric_binding_service_pb2.DESCRIPTOR, "MetricBindingService", method)


DEFINITION = (definition_rpc("GetMetricDefinition"), metric_definitions.decode_get_definition)
BINDINGS = (binding_rpc("ListMetricBindings"), metric_bindings.decode_list_bindings)

METRIC_DEFINITION_ROUTES = (
    Route(
        method="GET",
        path="/api/metric-definitions",
        heading="List metric definitions",
        rpc=definition_rpc("ListMetricDefinitions"),
        query=metric_definitions.DefinitionFilters,
        decode=metric_definitions.decode_list_definitions,
        encode=metric_definitions.encode_list_definitions,
        answer=Page[metric_definitions.Definition],
    ),
    Route(
        method="POST",
        path="/api/metric-definitions",
        heading="Define a metric",
        rpc=definition_rpc("CreateMetricDefinition"),
        body=metric_definitions.DefinitionBody,
        decode=metric_definitions.decode_create_definition,
        encode=metric_definitions.encode_definition_reply,
        status=201,
        answer=metric_definitions.Definition,
    ),
    Route(
        method="GET",
        path="/api/metric-definitions/{id:int}",
        heading="Read a metric definition",
        rpc=definition_rpc("GetMetricDefinition"),
        decode=metric_definitions.decode_get_definition,
        encode=metric_definitions.encode_definition_reply,
        answer=metric_definitions.Definition,
    ),
    Route(
        method="PUT",
        path="/api/metric-definitions/{id:int}",
        heading="Change a metric definition",
        rpc=definition_rpc("UpdateMetricDefinition"),
        body=metric_definitions.DefinitionBody,
        decode=metric_definitions.decode_update_definition,
        encode=metric_definitions.encode_definition_reply,
        answer=metric_definitions.Definition,
        existence=DEFINITION,
    ),
    Route(
        method="DELETE",
        path="/api/metric-definitions/{id:int}",
        heading="Delete a metric definition",
        rpc=definition_rpc("DeleteMetricDefinition"),
        decode=metric_definitions.decode_delete_definition,
        encode=metric_definitions.encode_nothing,
        status=204,
    ),
    Route(
        method="GET",
        path="/api/metric-definitions/{metricKey:key}/bindings",
        heading="List bindings of a metric",
        rpc=binding_rpc("ListMetricBindings"),
        decode=metric_bindings.decode_list_bindings,
        encode=metric_bindings.encode_list_bindings,
        answer=list[metric_bindings.Binding],
    ),
    Route(
        method="POST",
        path="/api/metric-definitions/{metricKey:key}/bindings",
        heading="Bind a metric",
        rpc=binding_rpc("CreateMetricBinding"),
        body=metric_bindings.BindingBody,
        decode=metric_bindings.decode_create_binding,
        encode=metric_bindings.encode_create_binding,
        status=201,
        answer=metric_bindings.Binding,
        existence=BINDINGS,
    ),
    Route(
        method="DELETE",
        path="/api/metric-definitions/{metricKey:key}/bindings/{bindingId:int}",
        heading="Remove a binding",
        rpc=binding_rpc("DeleteMetricBinding"),
        decode=metric_bindings.decode_delete_binding,
        encode=metric_definitions.encode_nothing,
        status=204,
    ),
)
