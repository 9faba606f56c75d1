"""Routes of usage (contract logs 10)."""

from gateway.contracts.logs import usage
from gateway.transcode.routes import Route

ROUTES = (
    Route(
        method="GET",
        path="/v1/logs/usage",
        heading="Usage",
        rpc=usage.GET_LOG_USAGE,
        handle=usage.answer_usage,
        query=usage.UsageParameters,
        answer=usage.Usage,
    ),
)
