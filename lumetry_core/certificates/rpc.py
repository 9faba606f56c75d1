"""`lumetry.certificates.v1.CertificateService`."""

from collections.abc import Sequence
from typing import Any

import grpc

from lumetry.certificates.v1 import certificate_pb2
from lumetry.certificates.v1 import certificate_service_pb2 as pb
from lumetry.certificates.v1.certificate_service_pb2_grpc import CertificateServiceServicer
from lumetry_core.certificates.checking import CertificateChecker
from lumetry_core.certificates.drafts import MonitorChange, MonitorDraft
from lumetry_core.certificates.model import ChainEntry, Check, Monitor
from lumetry_core.certificates.service import monitors, reading
from lumetry_core.certificates.service.recording import Look, record_looks
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class CertificateServicer(CertificateServiceServicer):
    """Serves monitors of certificates."""

    def __init__(self, database: Database, clock: Clock, checker: CertificateChecker) -> None:
        self._database = database
        self._clock = clock
        self._checker = checker

    async def ListCertificateMonitors(
        self, request: pb.ListCertificateMonitorsRequest, context: Context
    ) -> pb.ListCertificateMonitorsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await reading.list_monitors(tx, current_caller().organization_id, request.status, request.source)
        listed = [pb.ListedCertificate(monitor=encode_monitor(each.monitor), latest_check=encode_latest(each.latest)) for each in found]
        return pb.ListCertificateMonitorsResponse(certificates=listed)

    async def CreateCertificateMonitor(
        self, request: pb.CreateCertificateMonitorRequest, context: Context
    ) -> pb.CreateCertificateMonitorResponse:
        """See the proto. The network is used between two transactions; whoever dies between them leaves the monitor to the worker."""
        caller = current_caller()
        async with self._database.write() as tx:
            created = await monitors.create_monitor(tx, caller, decode_draft(request), self._checker.policy, self._clock.now())
        presented = await self._checker.check(created.hostname, created.port)
        async with self._database.write() as tx:
            await record_looks(tx, caller.organization_id, [Look(created, presented)], self._clock.now())
        async with self._database.read() as tx:
            listed, chain = await reading.get_monitor(tx, caller.organization_id, created.id)
        return pb.CreateCertificateMonitorResponse(
            monitor=encode_monitor(listed.monitor), latest_check=encode_latest(listed.latest), chain=encode_chain(chain)
        )

    async def GetCertificateMonitor(self, request: pb.GetCertificateMonitorRequest, context: Context) -> pb.GetCertificateMonitorResponse:
        """See the proto."""
        async with self._database.read() as tx:
            listed, chain = await reading.get_monitor(tx, current_caller().organization_id, request.id)
        return pb.GetCertificateMonitorResponse(
            monitor=encode_monitor(listed.monitor), latest_check=encode_latest(listed.latest), chain=encode_chain(chain)
        )

    async def UpdateCertificateMonitor(
        self, request: pb.UpdateCertificateMonitorRequest, context: Context
    ) -> pb.UpdateCertificateMonitorResponse:
        """See the proto."""
        change = MonitorChange(
            check_interval_seconds=request.check_interval_seconds if request.HasField("check_interval_seconds") else None,
            warning_thresholds=tuple(request.warning_thresholds.days) if request.HasField("warning_thresholds") else None,
            topology_node_id=request.topology_node_id if request.HasField("topology_node_id") else None,
            clears_node=request.clear_topology_node,
        )
        async with self._database.write() as tx:
            monitor = await monitors.update_monitor(tx, current_caller(), request.id, change, self._clock.now())
        return pb.UpdateCertificateMonitorResponse(monitor=encode_monitor(monitor))

    async def DeleteCertificateMonitor(
        self, request: pb.DeleteCertificateMonitorRequest, context: Context
    ) -> pb.DeleteCertificateMonitorResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await monitors.delete_monitor(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteCertificateMonitorResponse()

    async def ListCertificateChecks(self, request: pb.ListCertificateChecksRequest, context: Context) -> pb.ListCertificateChecksResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found, total = await reading.list_checks(
                tx, current_caller().organization_id, request.monitor_id, request.limit, request.offset
            )
        return pb.ListCertificateChecksResponse(checks=[encode_check(each) for each in found], total=total)


def decode_draft(request: pb.CreateCertificateMonitorRequest) -> MonitorDraft:
    """A monitor as it was sent."""
    return MonitorDraft(
        hostname=request.hostname,
        port=request.port if request.HasField("port") else None,
        check_interval_seconds=request.check_interval_seconds if request.HasField("check_interval_seconds") else None,
        warning_thresholds=tuple(request.warning_thresholds.days) if request.HasField("warning_thresholds") else None,
        topology_node_id=request.topology_node_id if request.HasField("topology_node_id") else None,
    )


def encode_monitor(monitor: Monitor) -> certificate_pb2.CertificateMonitor:
    """A monitor."""
    return certificate_pb2.CertificateMonitor(
        id=monitor.id,
        hostname=monitor.hostname,
        port=monitor.port,
        source=monitor.source,
        endpoint_id=monitor.endpoint_id,
        status=monitor.status,
        check_interval_seconds=monitor.check_interval_seconds,
        warning_thresholds=monitor.warning_thresholds,
        last_alerted_threshold=monitor.last_alerted_threshold,
        last_check_time=encode_time(monitor.last_check_time),
        next_check_time=encode_time(monitor.next_check_time),
        last_error=monitor.last_error,
        external_id=monitor.external_id,
        create_time=encode_time(monitor.create_time),
        topology_node_id=monitor.node_id,
    )


def encode_latest(check: Check | None) -> certificate_pb2.CertificateCheck | None:
    """A monitor's latest check, if there was one."""
    return None if check is None else encode_check(check)


def encode_check(check: Check) -> certificate_pb2.CertificateCheck:
    """A check."""
    return certificate_pb2.CertificateCheck(
        id=check.id,
        monitor_id=check.monitor_id,
        subject_cn=check.subject_cn,
        issuer_cn=check.issuer_cn,
        issuer_org=check.issuer_org,
        sans=check.sans,
        serial_number=check.serial_number,
        signature_algorithm=check.signature_algorithm,
        not_before=encode_time(check.not_before),
        not_after=encode_time(check.not_after),
        days_remaining=check.days_remaining,
        chain_valid=check.chain_valid,
        chain_error=check.chain_error,
        hostname_match=check.hostname_match,
        error_message=check.error_message,
        check_time=encode_time(check.check_time),
    )


def encode_chain(chain: Sequence[ChainEntry]) -> list[certificate_pb2.CertificateChainEntry]:
    """A chain, leaf first."""
    return [
        certificate_pb2.CertificateChainEntry(
            id=entry.id,
            check_id=entry.check_id,
            position=entry.position,
            subject_cn=entry.link.subject_cn,
            issuer_cn=entry.link.issuer_cn,
            not_before=encode_time(entry.link.not_before),
            not_after=encode_time(entry.link.not_after),
        )
        for entry in chain
    ]
