"""The rows of certificates (contract monitoring 7)."""

from collections.abc import Sequence
from functools import partial

from gateway.contracts.monitoring import certificates
from gateway.transcode.routes import Route

row = partial(Route, deadline_seconds=10.0)
PARTNER_SECONDS = 15.0

ROUTES: Sequence[Route] = (
    row(
        method="GET",
        path="/api/v1/certificates",
        heading="Certificates",
        rpc=certificates.LIST_MONITORS,
        query=certificates.CertificateQuery,
        decode=certificates.decode_list,
        encode=certificates.encode_list,
        answer=certificates.Certificates,
    ),
    row(
        method="POST",
        path="/api/v1/certificates",
        heading="Certificates",
        rpc=certificates.CREATE_MONITOR,
        body=certificates.NewCertificate,
        decode=certificates.decode_create,
        encode=certificates.encode_detail,
        status=201,
        answer=certificates.CertificateDetail,
        deadline_seconds=PARTNER_SECONDS,
    ),
    row(
        method="GET",
        path="/api/v1/certificates/{id:int}",
        heading="One certificate",
        rpc=certificates.GET_MONITOR,
        decode=certificates.decode_get,
        encode=certificates.encode_detail,
        answer=certificates.CertificateDetail,
    ),
    row(
        method="PUT",
        path="/api/v1/certificates/{id:int}",
        heading="One certificate",
        rpc=certificates.UPDATE_MONITOR,
        body=certificates.CertificateChange,
        decode=certificates.decode_update,
        encode=certificates.encode_changed,
        answer=certificates.ChangedCertificate,
    ),
    row(
        method="DELETE",
        path="/api/v1/certificates/{id:int}",
        heading="One certificate",
        rpc=certificates.DELETE_MONITOR,
        decode=certificates.decode_delete,
        encode=certificates.encode_nothing,
        status=204,
    ),
    row(
        method="GET",
        path="/api/v1/certificates/{id:int}/checks",
        heading="Checks of a certificate",
        rpc=certificates.LIST_CHECKS,
        query=certificates.CheckQuery,
        decode=certificates.decode_checks,
        encode=certificates.encode_checks,
        answer=certificates.CertificateChecks,
    ),
)
