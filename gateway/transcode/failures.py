"""How a request fails: one exception, whether the core or the gateway found the fault."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

STATUS_DETAILS = "grpc-status-details-bin"


class Reason(StrEnum):
    """Mirrors `lumetry.error.v1.ErrorReason`, where each reason is described, without its prefix."""

    INTERNAL = "INTERNAL"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    INTERACTIVE_ONLY = "INTERACTIVE_ONLY"
    NOT_FOUND = "NOT_FOUND"
    VALIDATION_FAILED = "VALIDATION_FAILED"
    CONFLICT = "CONFLICT"
    UNKNOWN_DICTIONARY = "UNKNOWN_DICTIONARY"
    OVERLOADED = "OVERLOADED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    RATE_LIMITED = "RATE_LIMITED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    MALFORMED_BODY = "MALFORMED_BODY"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    STEP_UP_REQUIRED = "STEP_UP_REQUIRED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    DUPLICATE_NAME = "DUPLICATE_NAME"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    LENGTH_REQUIRED = "LENGTH_REQUIRED"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    INVALID_ID = "INVALID_ID"
    HTTPS_REQUIRED = "HTTPS_REQUIRED"
    AGENT_DISABLED = "AGENT_DISABLED"
    RELAY_REQUIRED = "RELAY_REQUIRED"


REASONS: Mapping[str, Reason] = {reason.value: reason for reason in Reason}
REASON_OF_CODE: Mapping[grpc.StatusCode, Reason] = {
    grpc.StatusCode.UNAUTHENTICATED: Reason.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: Reason.PERMISSION_DENIED,
    grpc.StatusCode.UNAVAILABLE: Reason.STORE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Reason.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Reason.PAYLOAD_TOO_LARGE,
}
"""What a status without details means: the transport made it, not the core."""

TRANSPORT_MESSAGES: Mapping[Reason, str] = {
    Reason.STORE_UNAVAILABLE: "The service cannot be reached now; try again.",
    Reason.DEADLINE_EXCEEDED: "The request took too long; try again.",
    Reason.PAYLOAD_TOO_LARGE: "The request is larger than the service takes.",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: where, as a JSON path or the name of a query parameter, and what."""

    path: str
    message: str


class Failure(Exception):  # noqa: N818 -- the word of the contracts
    """A request that does not succeed. Each family renders it its own way."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        faults: tuple[Fault, ...] = (),
        metadata: Mapping[str, str] | None = None,
        from_core: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.faults = faults
        self.metadata = metadata or {}
        self.from_core = from_core
        """True: the core authenticated the caller before it failed."""

    @property
    def retry_after_seconds(self) -> int:
        """When a retry may help; at least 1."""
        text = self.metadata.get("retry_after_seconds", "")
        return max(1, int(text)) if text.isascii() and text.isdigit() else 1


def internal_failure() -> Failure:
    """The failure that nobody foresaw; it shows nothing of itself."""
    return Failure(Reason.INTERNAL, "Something went wrong on our side.")


def validation_failure(faults: tuple[Fault, ...], *, part: str = "") -> Failure:
    """The failure of a request that breaks rules.

    Args:
        part: `query` when the query parameters do.
    """
    return Failure(Reason.VALIDATION_FAILED, "The request is not valid.", faults=faults, metadata={"part": part} if part else None)


def malformed_body(message: str) -> Failure:
    """The failure of a body that cannot be read."""
    return Failure(Reason.MALFORMED_BODY, message)


def from_rpc(error: grpc.aio.AioRpcError) -> Failure:
    """Reads the failure out of a gRPC status: its ErrorInfo and BadRequest, or its code alone."""
    status = read_status(error)
    reason: Reason | None = None
    metadata: dict[str, str] = {}
    faults: list[Fault] = []
    for detail in status.details if status else ():
        info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason = REASONS.get(info.reason, Reason.INTERNAL)
            metadata = dict(info.metadata)
        elif detail.Unpack(bad_request):
            faults = [Fault(violation.field, violation.description) for violation in bad_request.field_violations]
    if reason is None:
        reason = REASON_OF_CODE.get(error.code(), Reason.INTERNAL)
        return Failure(reason, TRANSPORT_MESSAGES.get(reason, internal_failure().message), from_core=True)
    return Failure(reason, error.details() or "", faults=tuple(faults), metadata=metadata, from_core=True)


def read_status(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    """The rich status of a failed call; None when it carries none."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None
