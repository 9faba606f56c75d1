"""The rows of alerts, silence rules and the admin event stream (contract monitoring 9, 11, 17)."""

from functools import partial

from gateway.contracts.monitoring import alerts, silences, stream
from gateway.transcode.routes import Route

row = partial(Route, deadline_seconds=10.0)

ROUTES = (
    row(
        method="GET",
        path="/api/v1/alerts",
        heading="Alerts",
        rpc=alerts.LIST_ALERTS,
        query=alerts.AlertQuery,
        decode=alerts.decode_list,
        encode=alerts.encode_list,
        answer=alerts.AlertPage,
    ),
    row(
        method="GET",
        path="/api/v1/alerts/active",
        heading="Alerts",
        rpc=alerts.LIST_ACTIVE,
        decode=alerts.decode_active,
        encode=alerts.encode_active,
        answer=alerts.ActiveAlerts,
    ),
    row(
        method="GET",
        path="/api/v1/alerts/{id:int}",
        heading="Alerts",
        rpc=alerts.GET_ALERT,
        decode=alerts.decode_get,
        encode=alerts.encode_one,
        answer=alerts.Alert,
    ),
    row(
        method="POST",
        path="/api/v1/alerts/{id:int}/acknowledge",
        heading="Alerts",
        rpc=alerts.ACKNOWLEDGE,
        body=alerts.Note,
        body_optional=True,
        decode=alerts.decode_acknowledge,
        encode=alerts.encode_one,
        answer=alerts.Alert,
    ),
    row(
        method="GET",
        path="/api/v1/silence",
        heading="Silence rules",
        rpc=silences.LIST_RULES,
        query=silences.SilenceQuery,
        decode=silences.decode_list,
        encode=silences.encode_list,
        answer=silences.SilenceRules,
    ),
    row(
        method="POST",
        path="/api/v1/silence",
        heading="Silence rules",
        rpc=silences.CREATE_RULE,
        body=silences.SilenceRuleBody,
        decode=silences.decode_create,
        encode=silences.encode_create,
        status=201,
        answer=silences.SilenceRule,
    ),
    row(
        method="DELETE",
        path="/api/v1/silence/{id:int}",
        heading="Silence rules",
        rpc=silences.CANCEL_RULE,
        decode=silences.decode_cancel,
        status=204,
        encode=silences.encode_nothing,
    ),
    row(
        method="GET",
        path="/api/v1/containers/events",
        heading="Event stream",
        rpc=stream.WATCH_FEED,
        query=stream.StreamQuery,
        handle=stream.stream_feed,
        media_type="text/event-stream",
    ),
)
