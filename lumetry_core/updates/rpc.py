"""`lumetry.updates.v1.UpdateService`."""

from typing import Any

import grpc

from lumetry.updates.v1 import update_service_pb2 as pb
from lumetry.updates.v1.update_service_pb2_grpc import UpdateServiceServicer
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time
from lumetry_core.updates.model import Exclusion, Pin, Scan, SkipReason, Target
from lumetry_core.updates.service import choices, reading, scans
from lumetry_core.updates.service.reading import ShownUpdate

Context = grpc.aio.ServicerContext[Any, Any]
IDLE = "idle"


class UpdateServicer(UpdateServiceServicer):
    """Serves updates, scans, pins and exclusions."""

    def __init__(self, database: Database, clock: Clock, link: RuntimeLink) -> None:
        """Builds the servicer.

        Args:
            link: Tells whether a container runtime is connected.
        """
        self._database = database
        self._clock = clock
        self._link = link

    async def ListUpdates(self, request: pb.ListUpdatesRequest, context: Context) -> pb.ListUpdatesResponse:
        """See the proto."""
        organization_id = current_caller().organization_id
        async with self._database.read() as tx:
            found = await reading.list_updates(tx, organization_id, request.status, request.update_type)
            schedule = await reading.read_schedule(tx, organization_id)
        return pb.ListUpdatesResponse(
            updates=[encode_update(each) for each in found],
            last_scan_time=encode_time(schedule.last_complete_time),
            next_scan_time=encode_time(schedule.next_time),
        )

    async def SummarizeUpdates(self, request: pb.SummarizeUpdatesRequest, context: Context) -> pb.SummarizeUpdatesResponse:
        """See the proto."""
        organization_id = current_caller().organization_id
        async with self._database.read() as tx:
            counts = await reading.summarize(tx, organization_id)
            schedule = await reading.read_schedule(tx, organization_id)
        return pb.SummarizeUpdatesResponse(
            last_scan_time=encode_time(schedule.last_complete_time),
            next_scan_time=encode_time(schedule.next_time),
            scan_status=schedule.last_scan.status.value if schedule.last_scan is not None else IDLE,
            critical_count=counts.critical,
            recommended_count=counts.recommended,
            available_count=counts.available,
            up_to_date_count=counts.up_to_date,
            untracked_count=counts.untracked,
            pinned_count=counts.pinned,
        )

    async def PreviewScan(self, request: pb.PreviewScanRequest, context: Context) -> pb.PreviewScanResponse:
        """See the proto."""
        async with self._database.read() as tx:
            preview = await reading.preview_scan(tx, current_caller().organization_id)
        return pb.PreviewScanResponse(
            would_update=[encode_update(each) for each in preview.available],
            would_check=[encode_decision(target, reason) for target, reason in preview.decisions],
        )

    async def GetContainerUpdate(self, request: pb.GetContainerUpdateRequest, context: Context) -> pb.GetContainerUpdateResponse:
        """See the proto."""
        async with self._database.read() as tx:
            detail = await reading.get_container_update(tx, current_caller().organization_id, request.container)
        options = detail.shown.target.options
        return pb.GetContainerUpdateResponse(
            update=encode_update(detail.shown),
            pinned=detail.shown.pin is not None or options.is_pinned,
            update_command=detail.update_command,
            rollback_command=detail.rollback_command,
            tag_include=",".join(options.tag_include) or None,
            tag_exclude=",".join(options.tag_exclude) or None,
        )

    async def StartScan(self, request: pb.StartScanRequest, context: Context) -> pb.StartScanResponse:
        """See the proto."""
        await self._link.settled_status()
        if self._link.engine is None:
            raise LumetryError(Reason.CONFLICT, "No container runtime is connected.", code="runtime_unavailable")
        async with self._database.write() as tx:
            scan = await scans.start_scan(tx, current_caller(), self._clock.now())
        return pb.StartScanResponse(scan=encode_scan(scan))

    async def GetScan(self, request: pb.GetScanRequest, context: Context) -> pb.GetScanResponse:
        """See the proto."""
        async with self._database.read() as tx:
            scan = await scans.get_scan(tx, current_caller().organization_id, request.id)
        return pb.GetScanResponse(scan=encode_scan(scan))

    async def PinContainer(self, request: pb.PinContainerRequest, context: Context) -> pb.PinContainerResponse:
        """See the proto."""
        reason = request.reason if request.HasField("reason") else None
        async with self._database.write() as tx:
            pin, target = await choices.pin_container(tx, current_caller(), request.container, reason, self._clock.now())
        return pb.PinContainerResponse(pin=encode_pin(pin, target))

    async def UnpinContainer(self, request: pb.UnpinContainerRequest, context: Context) -> pb.UnpinContainerResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await choices.unpin_container(tx, current_caller(), request.container, self._clock.now())
        return pb.UnpinContainerResponse()

    async def ListUpdateExclusions(self, request: pb.ListUpdateExclusionsRequest, context: Context) -> pb.ListUpdateExclusionsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await choices.list_exclusions(tx, current_caller().organization_id)
        return pb.ListUpdateExclusionsResponse(exclusions=[encode_exclusion(each) for each in found])

    async def CreateUpdateExclusion(self, request: pb.CreateUpdateExclusionRequest, context: Context) -> pb.CreateUpdateExclusionResponse:
        """See the proto."""
        async with self._database.write() as tx:
            created = await choices.create_exclusion(tx, current_caller(), request.pattern, request.pattern_type, self._clock.now())
        return pb.CreateUpdateExclusionResponse(exclusion=encode_exclusion(created))

    async def DeleteUpdateExclusion(self, request: pb.DeleteUpdateExclusionRequest, context: Context) -> pb.DeleteUpdateExclusionResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await choices.delete_exclusion(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteUpdateExclusionResponse()


def encode_update(shown: ShownUpdate) -> pb.Update:
    """An update as the proto spells it."""
    update = shown.update
    return pb.Update(
        id=update.id,
        container_id=shown.target.external_id,
        container_name=shown.target.name,
        image=update.image,
        current_tag=update.current_tag,
        current_digest=update.current_digest,
        latest_tag=update.latest_tag,
        latest_digest=update.latest_digest,
        update_type=update.update_type.value,
        risk_score=update.risk_score,
        status=shown.status.value,
        detect_time=encode_time(update.detect_time),
        publish_time=encode_time(update.publish_time),
        pin_reason=shown.pin.reason if shown.pin is not None else None,
    )


def encode_decision(target: Target, reason: SkipReason | None) -> pb.ScanDecision:
    """What a scan would do with a container."""
    return pb.ScanDecision(
        container_id=target.external_id,
        container_name=target.name,
        image=target.short_image,
        current_tag=target.current_tag,
        skip_reason=reason.value if reason is not None else "",
    )


def encode_scan(scan: Scan) -> pb.Scan:
    """A scan as the proto spells it."""
    return pb.Scan(
        id=scan.id,
        status=scan.status.value,
        start_time=encode_time(scan.start_time),
        end_time=encode_time(scan.end_time),
        scanned_count=scan.scanned_count,
        found_count=scan.found_count,
        error_count=scan.error_count,
    )


def encode_pin(pin: Pin, target: Target) -> pb.Pin:
    """A pin as the proto spells it."""
    return pb.Pin(
        container_id=target.external_id,
        pinned_tag=pin.tag,
        pinned_digest=pin.digest,
        reason=pin.reason,
        pin_time=encode_time(pin.pin_time),
    )


def encode_exclusion(exclusion: Exclusion) -> pb.Exclusion:
    """An exclusion as the proto spells it."""
    return pb.Exclusion(
        id=exclusion.id,
        pattern=exclusion.pattern,
        pattern_type=exclusion.pattern_type.value,
        create_time=encode_time(exclusion.create_time),
    )
