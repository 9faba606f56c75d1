"""The routes of metric sources (contract lumetry 5.8)."""

from gateway.contracts.lumetry import access, metric_sources
from gateway.contracts.lumetry.metric_sources import source_rpc
from gateway.transcode.routes import Route

SOURCE = (source_rpc("GetMetricSource"), metric_sources.decode_get)

METRIC_SOURCE_ROUTES = (
    Route(
        method="GET",
        path="/api/metric-sources",
        heading="List metric sources",
        rpc=source_rpc("ListMetricSources"),
        decode=metric_sources.decode_list,
        encode=metric_sources.encode_list,
        answer=list[metric_sources.MetricSource],
    ),
    Route(
        method="POST",
        path="/api/metric-sources",
        heading="Create a metric source",
        rpc=source_rpc("CreateMetricSource"),
        body=metric_sources.MetricSourceBody,
        decode=metric_sources.decode_create,
        encode=metric_sources.encode_source_reply,
        status=201,
        answer=metric_sources.MetricSource,
    ),
    Route(
        method="GET",
        path="/api/metric-sources/{id:int}",
        heading="Read a metric source",
        rpc=source_rpc("GetMetricSource"),
        decode=metric_sources.decode_get,
        encode=metric_sources.encode_source_reply,
        answer=metric_sources.MetricSource,
    ),
    Route(
        method="PUT",
        path="/api/metric-sources/{id:int}",
        heading="Replace a metric source",
        rpc=source_rpc("UpdateMetricSource"),
        body=metric_sources.MetricSourceBody,
        decode=metric_sources.decode_update,
        encode=metric_sources.encode_source_reply,
        answer=metric_sources.MetricSource,
        existence=SOURCE,
    ),
    Route(
        method="DELETE",
        path="/api/metric-sources/{id:int}",
        heading="Delete a metric source",
        rpc=source_rpc("DeleteMetricSource"),
        decode=metric_sources.decode_delete,
        encode=access.encode_nothing,
        status=204,
    ),
    Route(
        method="POST",
        path="/api/metric-sources/test",
        heading="Test a metric source that is not saved",
        rpc=metric_sources.TEST,
        handle=metric_sources.answer_test_candidate,
        body=metric_sources.MetricSourceBody,
        answer=metric_sources.MetricSourceTest,
        may_queue=True,
    ),
    Route(
        method="POST",
        path="/api/metric-sources/{id:int}/test",
        heading="Test a metric source",
        rpc=metric_sources.TEST,
        handle=metric_sources.answer_test,
        body=metric_sources.MetricSourceBody,
        body_optional=True,
        answer=metric_sources.MetricSourceTest,
        may_queue=True,
        existence=SOURCE,
    ),
    Route(
        method="GET",
        path="/api/metric-sources/tests/{testId:int}",
        heading="Read a test of a metric source",
        rpc=source_rpc("GetMetricSourceTest"),
        decode=metric_sources.decode_get_test,
        encode=metric_sources.encode_test_reply,
        answer=metric_sources.MetricSourceTest,
    ),
)
