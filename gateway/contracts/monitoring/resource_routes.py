"""The rows of resources (contract monitoring 8)."""

from collections.abc import Sequence

from gateway.contracts.monitoring import resources
from gateway.transcode.routes import Route

SECONDS = 10.0

ROUTES: Sequence[Route] = (
    Route(
        method="GET",
        path="/api/v1/containers/{id:int}/resources/current",
        heading="Current resources of a container",
        rpc=resources.GET_CURRENT,
        decode=resources.decode_current,
        encode=resources.encode_current,
        answer=resources.CurrentResources,
        deadline_seconds=SECONDS,
    ),
    Route(
        method="GET",
        path="/api/v1/containers/{id:int}/resources/history",
        heading="Resource history of a container",
        rpc=resources.LIST_HISTORY,
        decode=resources.decode_history,
        encode=resources.encode_history,
        query=resources.HistoryQuery,
        answer=resources.ResourceHistory,
        deadline_seconds=SECONDS,
    ),
    Route(
        method="GET",
        path="/api/v1/containers/{id:int}/resources/alerts",
        heading="Resource thresholds of a container",
        rpc=resources.GET_THRESHOLDS,
        decode=resources.decode_thresholds,
        encode=resources.encode_thresholds,
        answer=resources.ResourceAlertConfig,
        deadline_seconds=SECONDS,
    ),
    Route(
        method="PUT",
        path="/api/v1/containers/{id:int}/resources/alerts",
        heading="Resource thresholds of a container",
        rpc=resources.UPDATE_THRESHOLDS,
        decode=resources.decode_update,
        encode=resources.encode_thresholds,
        body=resources.ThresholdBody,
        answer=resources.ResourceAlertConfig,
        deadline_seconds=SECONDS,
    ),
    Route(
        method="GET",
        path="/api/v1/resources/summary",
        heading="Resource summary",
        rpc=resources.GET_SUMMARY,
        decode=resources.decode_summary,
        encode=resources.encode_summary,
        answer=resources.ResourceSummary,
        deadline_seconds=SECONDS,
    ),
    Route(
        method="GET",
        path="/api/v1/resources/top",
        heading="Top consumers",
        rpc=resources.LIST_TOP,
        decode=resources.decode_top,
        encode=resources.encode_top,
        query=resources.TopQuery,
        answer=resources.TopConsumers,
        deadline_seconds=SECONDS,
    ),
)
