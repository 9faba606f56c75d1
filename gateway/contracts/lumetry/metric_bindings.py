"""Bindings of metrics to nodes of the topology (contract lumetry 5.7)."""

import msgspec

from gateway.contracts.lumetry.values import Id, Time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.metrics.v1 import metric_binding_pb2
from lumetry.metrics.v1 import metric_binding_service_pb2 as pb


class BindingBody(msgspec.Struct, rename="camel"):
    """A binding as written."""

    node_id: Id
    labels: dict[str, str] | None = None


class Binding(msgspec.Struct, rename="camel"):
    """A binding; `nodeName` is null as long as the node is not known."""

    id: int
    metric_key: str
    node_id: int
    node_name: str | None
    labels: dict[str, str] | None
    created_at: Time


def decode_list_bindings(request: Request) -> pb.ListMetricBindingsRequest:
    """5.7 `GET /api/metric-definitions/{metricKey}/bindings`."""
    return pb.ListMetricBindingsRequest(metric_key=request.key("metricKey"))


def encode_list_bindings(reply: pb.ListMetricBindingsResponse, _asked: object) -> list[Binding]:
    """5.7 the bindings of a metric."""
    return [encode_binding(binding) for binding in reply.bindings]


def decode_create_binding(request: Request) -> pb.CreateMetricBindingRequest:
    """5.7 `POST /api/metric-definitions/{metricKey}/bindings`."""
    body = request.body(BindingBody)
    return pb.CreateMetricBindingRequest(metric_key=request.key("metricKey"), node_id=body.node_id, labels=body.labels)


def encode_create_binding(reply: pb.CreateMetricBindingResponse, _asked: object) -> Binding:
    """5.7 the new binding."""
    return encode_binding(reply.binding)


def decode_delete_binding(request: Request) -> pb.DeleteMetricBindingRequest:
    """5.7 `DELETE /api/metric-definitions/{metricKey}/bindings/{bindingId}`."""
    return pb.DeleteMetricBindingRequest(metric_key=request.key("metricKey"), id=request.number("bindingId"))


def encode_binding(binding: metric_binding_pb2.MetricBinding) -> Binding:
    """5.7 one binding."""
    return Binding(
        id=binding.id,
        metric_key=binding.metric_key,
        node_id=binding.node_id,
        node_name=optional_value(binding, "node_name"),
        labels=dict(sorted(binding.labels.items())) or None,
        created_at=format_time(binding.create_time),
    )
