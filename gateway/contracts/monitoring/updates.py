"""Updates of images (contract monitoring 15)."""

from typing import Any, Literal

import msgspec

from gateway.contracts.monitoring.values import Time, format_or_none, read_word, value_or_none
from gateway.transcode.channel import find_rpc
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.updates.v1 import update_service_pb2 as pb

SERVICE = pb.DESCRIPTOR, "UpdateService"
LIST_UPDATES = find_rpc(*SERVICE, "ListUpdates")
SUMMARIZE = find_rpc(*SERVICE, "SummarizeUpdates")
PREVIEW_SCAN = find_rpc(*SERVICE, "PreviewScan")
GET_CONTAINER_UPDATE = find_rpc(*SERVICE, "GetContainerUpdate")
START_SCAN = find_rpc(*SERVICE, "StartScan")
GET_SCAN = find_rpc(*SERVICE, "GetScan")
PIN_CONTAINER = find_rpc(*SERVICE, "PinContainer")
UNPIN_CONTAINER = find_rpc(*SERVICE, "UnpinContainer")
LIST_EXCLUSIONS = find_rpc(*SERVICE, "ListUpdateExclusions")
CREATE_EXCLUSION = find_rpc(*SERVICE, "CreateUpdateExclusion")
DELETE_EXCLUSION = find_rpc(*SERVICE, "DeleteUpdateExclusion")

STATUSES = ("available", "pinned")
UPDATE_TYPES = ("major", "minor", "patch", "digest_only", "unknown")
UpdateType = Literal["major", "minor", "patch", "digest_only", "unknown"]
ScanStatus = Literal["running", "completed", "failed"]


class UpdateQuery(msgspec.Struct):
    """What to list: `status` is `available` or `pinned`, `update_type` `major`, `minor`, `patch`, `digest_only` or `unknown`."""

    status: str | None = None
    update_type: str | None = None


class Update(msgspec.Struct):
    """A newer image than the one a container runs."""

    id: int
    container_id: str
    """The id that the runtime gives it."""
    container_name: str
    image: str
    current_tag: str
    current_digest: str | None
    latest_tag: str
    latest_digest: str | None
    update_type: UpdateType
    risk_score: int
    status: Literal["available", "pinned"]
    detected_at: Time
    published_at: Time | None
    pin_reason: str | None


class Updates(msgspec.Struct):
    """The updates of all containers."""

    updates: list[Update]
    last_scan: Time | None
    next_scan: Time | None


class UpdateDetail(Update):
    """An update, and how to take it."""

    pinned: bool
    update_command: str
    rollback_command: str | None
    tag_include: str | None
    tag_exclude: str | None


class Counts(msgspec.Struct):
    """Running containers, each counted once."""

    critical: int
    recommended: int
    available: int
    up_to_date: int
    untracked: int
    pinned: int


class Summary(msgspec.Struct):
    """How far behind containers are."""

    last_scan: Time | None
    next_scan: Time | None
    scan_status: Literal["running", "completed", "failed", "idle"]
    counts: Counts


class StartedScan(msgspec.Struct):
    """A scan that was started."""

    scan_id: int
    status: ScanStatus
    started_at: Time


class Scan(StartedScan):
    """A round over all running containers."""

    containers_scanned: int
    updates_found: int
    errors: int
    completed_at: Time | None


class WouldUpdate(msgspec.Struct):
    """An update that is available."""

    container_id: str
    container_name: str
    image: str
    current_tag: str
    latest_tag: str
    update_type: UpdateType


class WouldCheck(msgspec.Struct):
    """What a scan would do with a running container."""

    container_id: str
    container_name: str
    image: str
    current_tag: str
    decision: Literal["check", "skip"]
    skip_reason: Literal["local_image", "pinned", "excluded", "disabled_by_label", "ignored"] | None


class DryRun(msgspec.Struct):
    """What a scan would do."""

    would_update: list[WouldUpdate]
    would_check: list[WouldCheck]


class PinBody(msgspec.Struct):
    """Why a container stays at what it runs."""

    reason: str | None = None


class Pin(msgspec.Struct):
    """A pin of a container."""

    container_id: str
    pinned_tag: str
    pinned_digest: str | None
    reason: str | None
    pinned_at: Time


class ExclusionBody(msgspec.Struct):
    """A shell pattern, and what it is compared with: `image` or `tag`."""

    pattern: str
    pattern_type: str


class Exclusion(msgspec.Struct):
    """A pattern that keeps images or tags out of scans."""

    id: int
    pattern: str
    pattern_type: Literal["image", "tag"]
    created_at: Time


class Exclusions(msgspec.Struct):
    """All exclusions."""

    exclusions: list[Exclusion]


def decode_list(request: Request) -> pb.ListUpdatesRequest:
    """15 `GET /api/v1/updates`."""
    query = request.query(UpdateQuery)
    return pb.ListUpdatesRequest(
        status=read_word(query.status, "status", STATUSES), update_type=read_word(query.update_type, "update_type", UPDATE_TYPES)
    )


def encode_list(reply: pb.ListUpdatesResponse, _asked: object) -> Updates:
    """15 the updates."""
    return Updates(
        [Update(**encode_update(update)) for update in reply.updates],
        format_or_none(reply, "last_scan_time"),
        format_or_none(reply, "next_scan_time"),
    )


def decode_summary(_request: Request) -> pb.SummarizeUpdatesRequest:
    """15 `GET /api/v1/updates/summary`."""
    return pb.SummarizeUpdatesRequest()


def encode_summary(reply: pb.SummarizeUpdatesResponse, _asked: object) -> Summary:
    """15 the counts."""
    counts = Counts(**{name: getattr(reply, f"{name}_count") for name in Counts.__struct_fields__})
    status = reply.scan_status
    return Summary(format_or_none(reply, "last_scan_time"), format_or_none(reply, "next_scan_time"), status, counts)  # type: ignore[arg-type]


def decode_preview(_request: Request) -> pb.PreviewScanRequest:
    """15 `GET /api/v1/updates/dry-run`."""
    return pb.PreviewScanRequest()


def encode_preview(reply: pb.PreviewScanResponse, _asked: object) -> DryRun:
    """15 what a scan would do."""
    return DryRun(
        [WouldUpdate(**{name: getattr(update, name) for name in WouldUpdate.__struct_fields__}) for update in reply.would_update],
        [encode_decision(decision) for decision in reply.would_check],
    )


def decode_detail(request: Request) -> pb.GetContainerUpdateRequest:
    """15 `GET /api/v1/updates/container/{container_id}`."""
    return pb.GetContainerUpdateRequest(container=request.key("container_id"))


def encode_detail(reply: pb.GetContainerUpdateResponse, _asked: object) -> UpdateDetail:
    """15 an update with its commands."""
    return UpdateDetail(
        **encode_update(reply.update),
        pinned=reply.pinned,
        update_command=reply.update_command,
        rollback_command=value_or_none(reply, "rollback_command"),
        tag_include=value_or_none(reply, "tag_include"),
        tag_exclude=value_or_none(reply, "tag_exclude"),
    )


def decode_start(_request: Request) -> pb.StartScanRequest:
    """15 `POST /api/v1/updates/scan`."""
    return pb.StartScanRequest()


def encode_started(reply: pb.StartScanResponse, _asked: object) -> StartedScan:
    """15 the scan that was started."""
    return StartedScan(reply.scan.id, reply.scan.status, format_time(reply.scan.start_time))  # type: ignore[arg-type]


def decode_scan(request: Request) -> pb.GetScanRequest:
    """15 `GET /api/v1/updates/scan/{scan_id}`."""
    return pb.GetScanRequest(id=request.number("scan_id"))


def encode_scan(reply: pb.GetScanResponse, _asked: object) -> Scan:
    """15 a scan."""
    scan = reply.scan
    return Scan(
        scan_id=scan.id,
        status=scan.status,  # type: ignore[arg-type]
        started_at=format_time(scan.start_time),
        containers_scanned=scan.scanned_count,
        updates_found=scan.found_count,
        errors=scan.error_count,
        completed_at=format_or_none(scan, "end_time"),
    )


def decode_pin(request: Request) -> pb.PinContainerRequest:
    """15 `POST /api/v1/updates/pin/{container_id}`."""
    return pb.PinContainerRequest(container=request.key("container_id"), reason=request.body(PinBody, optional=True).reason)


def encode_pin(reply: pb.PinContainerResponse, _asked: object) -> Pin:
    """15 the pin."""
    pin = reply.pin
    return Pin(
        pin.container_id, pin.pinned_tag, value_or_none(pin, "pinned_digest"), value_or_none(pin, "reason"), format_time(pin.pin_time)
    )


def decode_unpin(request: Request) -> pb.UnpinContainerRequest:
    """15 `DELETE /api/v1/updates/pin/{container_id}`."""
    return pb.UnpinContainerRequest(container=request.key("container_id"))


def decode_exclusions(_request: Request) -> pb.ListUpdateExclusionsRequest:
    """15 `GET /api/v1/updates/exclusions`."""
    return pb.ListUpdateExclusionsRequest()


def encode_exclusions(reply: pb.ListUpdateExclusionsResponse, _asked: object) -> Exclusions:
    """15 the exclusions."""
    return Exclusions([encode_exclusion(each) for each in reply.exclusions])


def decode_create_exclusion(request: Request) -> pb.CreateUpdateExclusionRequest:
    """15 `POST /api/v1/updates/exclusions`."""
    body = request.body(ExclusionBody)
    return pb.CreateUpdateExclusionRequest(pattern=body.pattern, pattern_type=body.pattern_type)


def encode_created_exclusion(reply: pb.CreateUpdateExclusionResponse, _asked: object) -> Exclusion:
    """15 the new exclusion."""
    return encode_exclusion(reply.exclusion)


def decode_delete_exclusion(request: Request) -> pb.DeleteUpdateExclusionRequest:
    """15 `DELETE /api/v1/updates/exclusions/{id}`."""
    return pb.DeleteUpdateExclusionRequest(id=request.number("id"))


def encode_nothing(_reply: object, _asked: object) -> None:
    """The answer has no body."""


def encode_update(update: pb.Update) -> dict[str, Any]:
    """The fields of an update."""
    return {
        "id": update.id,
        "container_id": update.container_id,
        "container_name": update.container_name,
        "image": update.image,
        "current_tag": update.current_tag,
        "current_digest": value_or_none(update, "current_digest"),
        "latest_tag": update.latest_tag,
        "latest_digest": value_or_none(update, "latest_digest"),
        "update_type": update.update_type,
        "risk_score": update.risk_score,
        "status": update.status,
        "detected_at": format_time(update.detect_time),
        "published_at": format_or_none(update, "publish_time"),
        "pin_reason": value_or_none(update, "pin_reason"),
    }


def encode_decision(decision: pb.ScanDecision) -> WouldCheck:
    """What a scan would do with a container."""
    return WouldCheck(
        container_id=decision.container_id,
        container_name=decision.container_name,
        image=decision.image,
        current_tag=decision.current_tag,
        decision="skip" if decision.skip_reason else "check",
        skip_reason=decision.skip_reason or None,  # type: ignore[arg-type]
    )


def encode_exclusion(exclusion: pb.Exclusion) -> Exclusion:
    """An exclusion."""
    return Exclusion(exclusion.id, exclusion.pattern, exclusion.pattern_type, format_time(exclusion.create_time))  # type: ignore[arg-type]
