"""Certificates of hosts and the checks of them (contract monitoring 7)."""

from typing import Annotated, Any, Literal

import msgspec

from gateway.contracts.monitoring.values import Time, format_or_none, read_count, read_offset, read_word, value_or_none
from gateway.transcode.bodies import parse_json
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Fault
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.certificates.v1 import certificate_pb2
from lumetry.certificates.v1 import certificate_service_pb2 as pb

LIST_MONITORS = find_rpc(pb.DESCRIPTOR, "CertificateService", "ListCertificateMonitors")
CREATE_MONITOR = find_rpc(pb.DESCRIPTOR, "CertificateService", "CreateCertificateMonitor")
GET_MONITOR = find_rpc(pb.DESCRIPTOR, "CertificateService", "GetCertificateMonitor")
UPDATE_MONITOR = find_rpc(pb.DESCRIPTOR, "CertificateService", "UpdateCertificateMonitor")
DELETE_MONITOR = find_rpc(pb.DESCRIPTOR, "CertificateService", "DeleteCertificateMonitor")
LIST_CHECKS = find_rpc(pb.DESCRIPTOR, "CertificateService", "ListCertificateChecks")

CHECKS, MOST_CHECKS = 50, 500
MOST_THRESHOLDS = 10
STATUSES = ("valid", "expiring", "expired", "error", "unknown")
SOURCES = ("auto", "standalone", "label")

StatusWord = Literal["valid", "expiring", "expired", "error", "unknown"]
SourceWord = Literal["auto", "standalone", "label"]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Interval = Annotated[int, msgspec.Meta(ge=3600, le=604_800)]
Days = Annotated[int, msgspec.Meta(ge=1, le=365)]
Id = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]


class CertificateQuery(msgspec.Struct):
    """Which certificates."""

    status: str | None = None
    """`valid`, `expiring`, `expired`, `error` or `unknown`."""
    source: str | None = None
    """`auto`, `standalone` or `label`."""


class CheckQuery(msgspec.Struct):
    """A page: `limit` 1 to 500, `offset` at least 0."""

    limit: str | None = None
    offset: str | None = None


class NewCertificate(msgspec.Struct):
    """A certificate to be watched."""

    hostname: str
    """Scheme, path and surrounding space do not count."""
    port: Port | None = None
    """443 unless it is said, here or in `hostname`."""
    check_interval_seconds: Interval | None = None
    """43200 unless it is said."""
    warning_thresholds: list[Days] | None = None
    """1 to 10 distinct numbers of days; 30, 14, 7, 3 and 1 unless it is said."""
    topology_node_id: Id | None = None


class CertificateChange(msgspec.Struct):
    """What changes of a certificate. A `topology_node_id` of null takes the node away."""

    check_interval_seconds: Interval | None = None
    warning_thresholds: list[Days] | None = None
    topology_node_id: Id | None = None


class ChainEntry(msgspec.Struct):
    """A certificate of a chain."""

    id: int
    check_result_id: int
    position: int
    subject_cn: str
    issuer_cn: str
    not_before: Time
    not_after: Time


class CertificateCheck(msgspec.Struct, kw_only=True):
    """One look at a certificate. When none could be read texts are empty and the rest is null."""

    id: int
    subject_cn: str
    issuer_cn: str
    issuer_org: str
    sans: list[str]
    serial_number: str
    signature_algorithm: str
    not_before: Time | None
    not_after: Time | None
    days_remaining: int | None
    chain_valid: bool | None
    chain_error: str | None
    hostname_match: bool | None
    error_message: str | None
    checked_at: Time


class DetailedCheck(CertificateCheck, kw_only=True):
    """A check with the chain that it found, leaf first."""

    chain: list[ChainEntry]


class ListedCheck(CertificateCheck, kw_only=True):
    """A check and whose it is."""

    monitor_id: int


class Certificate(msgspec.Struct, kw_only=True):
    """A certificate that is watched."""

    id: int
    hostname: str
    port: int
    source: SourceWord
    endpoint_id: int | None
    status: StatusWord
    check_interval_seconds: int
    warning_thresholds: list[int]
    last_alerted_threshold: int | None
    last_check_at: Time | None
    next_check_at: Time | None
    last_error: str | None
    external_id: str | None
    created_at: Time
    topology_node_id: int | None


class ListedCertificate(Certificate, kw_only=True):
    """A certificate with its latest check, if there was one."""

    latest_check: CertificateCheck | None


class Certificates(msgspec.Struct):
    """Certificates by host and port."""

    certificates: list[ListedCertificate]
    total: int


class CertificateDetail(msgspec.Struct):
    """A certificate and its latest check, if there was one."""

    certificate: Certificate
    latest_check: DetailedCheck | None


class ChangedCertificate(msgspec.Struct):
    """A certificate as it is now."""

    certificate: Certificate


class CertificateChecks(msgspec.Struct):
    """A page of checks, newest first."""

    monitor_id: int
    checks: list[ListedCheck]
    total: int
    has_more: bool


def decode_list(request: Request) -> pb.ListCertificateMonitorsRequest:
    """7.2 `GET /certificates`."""
    query = request.query(CertificateQuery)
    return pb.ListCertificateMonitorsRequest(
        status=read_word(query.status, "status", STATUSES), source=read_word(query.source, "source", SOURCES)
    )


def encode_list(reply: pb.ListCertificateMonitorsResponse, _asked: object) -> Certificates:
    """7.2 the certificates."""
    return Certificates([encode_listed(each) for each in reply.certificates], len(reply.certificates))


def decode_create(request: Request) -> pb.CreateCertificateMonitorRequest:
    """7.2 `POST /certificates`."""
    body = request.body(NewCertificate, check=check_thresholds)
    return pb.CreateCertificateMonitorRequest(
        hostname=body.hostname,
        port=body.port,
        check_interval_seconds=body.check_interval_seconds,
        warning_thresholds=write_thresholds(body.warning_thresholds),
        topology_node_id=body.topology_node_id,
    )


def decode_get(request: Request) -> pb.GetCertificateMonitorRequest:
    """7.2 `GET /certificates/{id}`."""
    return pb.GetCertificateMonitorRequest(id=request.number("id"))


def encode_detail(reply: pb.GetCertificateMonitorResponse | pb.CreateCertificateMonitorResponse, _asked: object) -> CertificateDetail:
    """7.2 a certificate with its chain."""
    latest = None
    if reply.HasField("latest_check"):
        latest = DetailedCheck(**check_fields(reply.latest_check), chain=[encode_entry(entry) for entry in reply.chain])
    return CertificateDetail(Certificate(**monitor_fields(reply.monitor)), latest)


def decode_update(request: Request) -> pb.UpdateCertificateMonitorRequest:
    """7.2 `PUT /certificates/{id}`."""
    number = request.number("id")
    body = request.body(CertificateChange, check=check_thresholds)
    given = parse_json(request.content)
    return pb.UpdateCertificateMonitorRequest(
        id=number,
        check_interval_seconds=body.check_interval_seconds,
        warning_thresholds=write_thresholds(body.warning_thresholds),
        topology_node_id=body.topology_node_id,
        clear_topology_node="topology_node_id" in given and given["topology_node_id"] is None,
    )


def encode_changed(reply: pb.UpdateCertificateMonitorResponse, _asked: object) -> ChangedCertificate:
    """7.2 the changed certificate."""
    return ChangedCertificate(Certificate(**monitor_fields(reply.monitor)))


def decode_delete(request: Request) -> pb.DeleteCertificateMonitorRequest:
    """7.2 `DELETE /certificates/{id}`."""
    return pb.DeleteCertificateMonitorRequest(id=request.number("id"))


def encode_nothing(_reply: object, _asked: object) -> None:
    """204 has no body."""


def decode_checks(request: Request) -> pb.ListCertificateChecksRequest:
    """7.2 `GET /certificates/{id}/checks`."""
    number, query = request.number("id"), request.query(CheckQuery)
    limit = read_count(query.limit, "limit", CHECKS, MOST_CHECKS)
    return pb.ListCertificateChecksRequest(monitor_id=number, limit=limit, offset=read_offset(query.offset))


def encode_checks(reply: pb.ListCertificateChecksResponse, asked: pb.ListCertificateChecksRequest) -> CertificateChecks:
    """7.2 the checks."""
    checks = [ListedCheck(**check_fields(check), monitor_id=check.monitor_id) for check in reply.checks]
    return CertificateChecks(asked.monitor_id, checks, reply.total, has_more=asked.offset + len(checks) < reply.total)


def check_thresholds(body: NewCertificate | CertificateChange, faults: list[Fault]) -> None:
    """Notes too few or too many thresholds, and repeated ones."""
    days = body.warning_thresholds
    if days is None:
        return
    if not 1 <= len(days) <= MOST_THRESHOLDS:
        faults.append(Fault("warning_thresholds", f"must have between 1 and {MOST_THRESHOLDS} entries"))
    if len(set(days)) < len(days):
        faults.append(Fault("warning_thresholds", "must not repeat a number"))


def write_thresholds(days: list[int] | None) -> pb.CertificateThresholds | None:
    """7.2 thresholds; None stays absent."""
    return None if days is None else pb.CertificateThresholds(days=days)


def encode_listed(listed: pb.ListedCertificate) -> ListedCertificate:
    """7.1 a certificate of a list."""
    latest = CertificateCheck(**check_fields(listed.latest_check)) if listed.HasField("latest_check") else None
    return ListedCertificate(**monitor_fields(listed.monitor), latest_check=latest)


def monitor_fields(monitor: certificate_pb2.CertificateMonitor) -> dict[str, Any]:
    """7.1 what every certificate shows."""
    return {
        "id": monitor.id,
        "hostname": monitor.hostname,
        "port": monitor.port,
        "source": monitor.source,
        "endpoint_id": value_or_none(monitor, "endpoint_id"),
        "status": monitor.status,
        "check_interval_seconds": monitor.check_interval_seconds,
        "warning_thresholds": list(monitor.warning_thresholds),
        "last_alerted_threshold": value_or_none(monitor, "last_alerted_threshold"),
        "last_check_at": format_or_none(monitor, "last_check_time"),
        "next_check_at": format_or_none(monitor, "next_check_time"),
        "last_error": value_or_none(monitor, "last_error"),
        "external_id": value_or_none(monitor, "external_id"),
        "created_at": format_time(monitor.create_time),
        "topology_node_id": value_or_none(monitor, "topology_node_id"),
    }


def check_fields(check: certificate_pb2.CertificateCheck) -> dict[str, Any]:
    """7.1 what every check shows."""
    return {
        "id": check.id,
        "subject_cn": check.subject_cn,
        "issuer_cn": check.issuer_cn,
        "issuer_org": check.issuer_org,
        "sans": list(check.sans),
        "serial_number": check.serial_number,
        "signature_algorithm": check.signature_algorithm,
        "not_before": format_or_none(check, "not_before"),
        "not_after": format_or_none(check, "not_after"),
        "days_remaining": value_or_none(check, "days_remaining"),
        "chain_valid": value_or_none(check, "chain_valid"),
        "chain_error": value_or_none(check, "chain_error"),
        "hostname_match": value_or_none(check, "hostname_match"),
        "error_message": value_or_none(check, "error_message"),
        "checked_at": format_time(check.check_time),
    }


def encode_entry(entry: certificate_pb2.CertificateChainEntry) -> ChainEntry:
    """7.1 a certificate of a chain."""
    return ChainEntry(
        id=entry.id,
        check_result_id=entry.check_id,
        position=entry.position,
        subject_cn=entry.subject_cn,
        issuer_cn=entry.issuer_cn,
        not_before=format_time(entry.not_before),
        not_after=format_time(entry.not_after),
    )
