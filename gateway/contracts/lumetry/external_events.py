"""The webhook of external alert sources (contract lumetry 13.4).

The core reads the body, as it counts what is wrong with it; here it is only unpacked. Of failures the webhook answers some its own way.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec
from aiohttp import web

from gateway.contracts.lumetry.values import Time
from gateway.transcode.bodies import MEBIBYTE, check_content_type, read_bytes
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.handling import json_response
from gateway.transcode.request import Request
from lumetry.external.v1 import external_alert_service_pb2 as pb

REPORT_EVENTS = find_rpc(pb.DESCRIPTOR, "ExternalAlertService", "ReportExternalEvents")
STRANGER = "The credential is not that of this external alert source."
SHOWN_AS: Mapping[Reason, Reason] = {
    Reason.NOT_FOUND: Reason.UNAUTHENTICATED,
    Reason.PERMISSION_DENIED: Reason.UNAUTHENTICATED,
    Reason.CONFLICT: Reason.PERMISSION_DENIED,
}
"""An unknown source and any other credential look alike; a disabled source is refused."""


class ExternalEvent(msgspec.Struct, rename="camel"):
    """One event in the product's own words."""

    definition_key: str
    occurrence_key: str
    state: Literal["Firing", "Resolved"]
    occurred_at: Time
    instance_key: str | None = None
    provider_event_id: str | None = None
    severity: str | None = None
    title: str | None = None
    description: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class ProviderAlert(msgspec.Struct, rename="camel"):
    """One alert in the words of Alertmanager and Grafana. `endsAt` counts when it is resolved."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    starts_at: Time
    fingerprint: str
    ends_at: Time | None = None
    annotations: dict[str, str] | None = None


class ExternalDelivery(msgspec.Struct, rename="camel"):
    """What a source sends, in the words of its provider; the core reads it. Other fields are ignored."""

    events: list[ExternalEvent] | None = None
    """GENERIC: several events; one alone has its fields here."""
    definition_key: str | None = None
    instance_key: str | None = None
    occurrence_key: str | None = None
    provider_event_id: str | None = None
    state: str | None = None
    occurred_at: Time | None = None
    title: str | None = None
    description: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    severity: str | int | None = None
    """GENERIC and ZABBIX."""
    version: str | None = None
    """ALERTMANAGER: 4."""
    alerts: list[ProviderAlert] | None = None
    """ALERTMANAGER and GRAFANA."""
    trigger_id: str | int | None = None
    """ZABBIX, as the following."""
    host_id: str | int | None = None
    event_id: str | int | None = None
    value: str | int | None = None
    clock: str | int | None = None
    name: str | None = None
    opdata: str | None = None


class AcceptedEvents(msgspec.Struct, rename="camel"):
    """How many transitions were taken, and how many were seen before."""

    accepted: int
    duplicate: int


async def report_events(request: Request) -> web.Response:
    """13.4 `POST /v1/alert-sources/{sourceKey}/events`."""
    try:
        reply = await request.core.call(REPORT_EVENTS, await read_report(request), request.metadata, rates=request.rates)
    except Failure as failure:
        shown = SHOWN_AS.get(failure.reason)
        if shown is None:
            raise
        message = STRANGER if shown is Reason.UNAUTHENTICATED else failure.message
        raise Failure(shown, message, from_core=True) from failure
    return json_response(AcceptedEvents(accepted=reply.accepted_count, duplicate=reply.duplicate_count), 202)


async def read_report(request: Request) -> pb.ReportExternalEventsRequest:
    """The body as it came, or why it cannot be read, which the core counts."""
    report = pb.ReportExternalEventsRequest(source_key=request.key("sourceKey"))
    try:
        check_content_type(request.http, request.family.is_media, request.family.bad_media)
        report.body = await read_bytes(request.http, MEBIBYTE, gzip=True, bad_encoding=request.family.bad_media)
    except Failure as failure:
        report.unreadable.too_large = failure.reason is Reason.PAYLOAD_TOO_LARGE
        report.unreadable.message = failure.message
    return report
