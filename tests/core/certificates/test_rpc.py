from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from lumetry.certificates.v1 import certificate_pb2
from lumetry.certificates.v1 import certificate_service_pb2 as pb
from lumetry.certificates.v1.certificate_service_pb2_grpc import CertificateServiceStub, add_CertificateServiceServicer_to_server
from lumetry_core.certificates.checking import CertificateChecker
from lumetry_core.certificates.rpc import CertificateServicer
from lumetry_core.certificates.trust import TrustStore
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.caller import Caller, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.conftest import FakeClock
from tests.core.certificates.authority import NOW, issue, make_root, serving
from tests.core.certificates.building import CALLER

SERVICE = "lumetry.certificates.v1.CertificateService"
CALLERS = {
    "editor": replace(CALLER, permissions=frozenset({Permission.VIEW_ALERTS, Permission.MANAGE_RULES})),
    "viewer": replace(CALLER, permissions=frozenset({Permission.VIEW_ALERTS})),
}


async def authenticate(origin: Origin) -> Caller:
    """Knows callers by their names."""
    if origin.secret not in CALLERS:
        raise LumetryError(Reason.UNAUTHENTICATED, "No.")
    return CALLERS[origin.secret]


@pytest.fixture
async def stub(database: Database, clock: FakeClock, tmp_path: Path) -> AsyncIterator[CertificateServiceStub]:
    """A client of a running server whose checks trust the test root."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(make_root().pem)
    checker = CertificateChecker(PRIVATE_TOO, TrustStore(str(roots)), clock, timeout_seconds=5)
    servicer = CertificateServicer(database, clock, checker)
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_CertificateServiceServicer_to_server, servicer)},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield CertificateServiceStub(channel)
    await built.server.stop(None)


EDITOR = (("authorization", "Bearer editor"),)


async def test_certificate_lives_from_creation_to_deletion(stub: CertificateServiceStub, clock: FakeClock) -> None:
    """Create with a check at once, read with the chain, list, change, delete."""
    issued = issue("localhost", days=60)
    async with serving(issued) as server:
        request = pb.CreateCertificateMonitorRequest(hostname="localhost", port=server.port)
        created = await stub.CreateCertificateMonitor(request, metadata=EDITOR)
    monitor = created.monitor
    assert monitor == certificate_pb2.CertificateMonitor(
        id=monitor.id,
        hostname="localhost",
        port=server.port,
        source="standalone",
        status="valid",
        check_interval_seconds=43_200,
        warning_thresholds=[30, 14, 7, 3, 1],
        last_check_time=encode_time(NOW),
        next_check_time=monitor.next_check_time,
        create_time=encode_time(NOW),
    )
    assert created.latest_check == certificate_pb2.CertificateCheck(
        id=created.latest_check.id,
        monitor_id=monitor.id,
        subject_cn="localhost",
        issuer_cn="Test Trust CA 1",
        issuer_org="Test Trust",
        sans=["localhost"],
        serial_number=f"{issued.certificate.serial_number:x}",
        signature_algorithm="ECDSA-SHA256",
        not_before=encode_time(NOW - timedelta(days=90)),
        not_after=encode_time(NOW + timedelta(days=60)),
        days_remaining=60,
        chain_valid=True,
        hostname_match=True,
        check_time=encode_time(NOW),
    )
    assert [(entry.position, entry.subject_cn, entry.check_id) for entry in created.chain] == [
        (0, "localhost", created.latest_check.id),
        (1, "Test Trust CA 1", created.latest_check.id),
    ]
    found = await stub.GetCertificateMonitor(pb.GetCertificateMonitorRequest(id=monitor.id), metadata=EDITOR)
    assert (found.monitor, found.latest_check, list(found.chain)) == (monitor, created.latest_check, list(created.chain))
    listed = await stub.ListCertificateMonitors(pb.ListCertificateMonitorsRequest(status="valid"), metadata=EDITOR)
    assert list(listed.certificates) == [pb.ListedCertificate(monitor=monitor, latest_check=created.latest_check)]
    checks = await stub.ListCertificateChecks(pb.ListCertificateChecksRequest(monitor_id=monitor.id), metadata=EDITOR)
    assert (list(checks.checks), checks.total) == ([created.latest_check], 1)
    clock.advance(minutes=1)
    change = pb.UpdateCertificateMonitorRequest(id=monitor.id, warning_thresholds=pb.CertificateThresholds(days=[5, 50]))
    changed = (await stub.UpdateCertificateMonitor(change, metadata=EDITOR)).monitor
    assert (list(changed.warning_thresholds), changed.next_check_time) == ([50, 5], encode_time(clock.now()))
    await stub.DeleteCertificateMonitor(pb.DeleteCertificateMonitorRequest(id=monitor.id), metadata=EDITOR)
    assert (await stub.ListCertificateMonitors(pb.ListCertificateMonitorsRequest(), metadata=EDITOR)).certificates == []


async def test_create_although_first_check_fails(stub: CertificateServiceStub) -> None:
    """A host that cannot be reached is watched all the same."""
    created = await stub.CreateCertificateMonitor(pb.CreateCertificateMonitorRequest(hostname="169.254.1.1.invalid"), metadata=EDITOR)
    assert (created.monitor.status, created.monitor.last_error, created.latest_check.error_message) == (
        "error",
        "hostname not found",
        "hostname not found",
    )
    assert list(created.chain) == []


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("CreateCertificateMonitor", pb.CreateCertificateMonitorRequest(hostname="a.example")),
        ("UpdateCertificateMonitor", pb.UpdateCertificateMonitorRequest(id=1)),
        ("DeleteCertificateMonitor", pb.DeleteCertificateMonitorRequest(id=1)),
    ],
)
async def test_viewers_change_nothing(stub: CertificateServiceStub, name: str, request_: object) -> None:
    """Writing needs more than looking."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(stub, name)(request_, metadata=(("authorization", "Bearer viewer"),))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
