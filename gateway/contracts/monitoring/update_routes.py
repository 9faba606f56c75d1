"""The routes of updates (contract monitoring 15)."""

from collections.abc import Sequence
from functools import partial

from gateway.contracts.monitoring import updates
from gateway.transcode.routes import Route

HEADING = "Updates"
SCANS = "Scans for updates"
CHOICES = "Pins and exclusions"
row = partial(Route, deadline_seconds=10.0)

ROUTES: Sequence[Route] = (
    row(
        method="GET",
        path="/api/v1/updates",
        heading=HEADING,
        rpc=updates.LIST_UPDATES,
        decode=updates.decode_list,
        encode=updates.encode_list,
        query=updates.UpdateQuery,
        answer=updates.Updates,
    ),
    row(
        method="GET",
        path="/api/v1/updates/summary",
        heading=HEADING,
        rpc=updates.SUMMARIZE,
        decode=updates.decode_summary,
        encode=updates.encode_summary,
        answer=updates.Summary,
    ),
    row(
        method="POST",
        path="/api/v1/updates/scan",
        heading=SCANS,
        rpc=updates.START_SCAN,
        decode=updates.decode_start,
        encode=updates.encode_started,
        status=202,
        answer=updates.StartedScan,
    ),
    row(
        method="GET",
        path="/api/v1/updates/scan/{scan_id:int}",
        heading=SCANS,
        rpc=updates.GET_SCAN,
        decode=updates.decode_scan,
        encode=updates.encode_scan,
        answer=updates.Scan,
    ),
    row(
        method="GET",
        path="/api/v1/updates/dry-run",
        heading=SCANS,
        rpc=updates.PREVIEW_SCAN,
        decode=updates.decode_preview,
        encode=updates.encode_preview,
        answer=updates.DryRun,
    ),
    row(
        method="GET",
        path="/api/v1/updates/container/{container_id:rest}",
        heading=HEADING,
        rpc=updates.GET_CONTAINER_UPDATE,
        decode=updates.decode_detail,
        encode=updates.encode_detail,
        answer=updates.UpdateDetail,
    ),
    row(
        method="POST",
        path="/api/v1/updates/pin/{container_id:rest}",
        heading=CHOICES,
        rpc=updates.PIN_CONTAINER,
        decode=updates.decode_pin,
        encode=updates.encode_pin,
        body=updates.PinBody,
        body_optional=True,
        answer=updates.Pin,
    ),
    row(
        method="DELETE",
        path="/api/v1/updates/pin/{container_id:rest}",
        heading=CHOICES,
        rpc=updates.UNPIN_CONTAINER,
        decode=updates.decode_unpin,
        encode=updates.encode_nothing,
        status=204,
    ),
    row(
        method="GET",
        path="/api/v1/updates/exclusions",
        heading=CHOICES,
        rpc=updates.LIST_EXCLUSIONS,
        decode=updates.decode_exclusions,
        encode=updates.encode_exclusions,
        answer=updates.Exclusions,
    ),
    row(
        method="POST",
        path="/api/v1/updates/exclusions",
        heading=CHOICES,
        rpc=updates.CREATE_EXCLUSION,
        decode=updates.decode_create_exclusion,
        encode=updates.encode_created_exclusion,
        status=201,
        body=updates.ExclusionBody,
        answer=updates.Exclusion,
    ),
    row(
        method="DELETE",
        path="/api/v1/updates/exclusions/{id:int}",
        heading=CHOICES,
        rpc=updates.DELETE_EXCLUSION,
        decode=updates.decode_delete_exclusion,
        encode=updates.encode_nothing,
        status=204,
    ),
)
