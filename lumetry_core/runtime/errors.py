"""How the core fails: one exception with a reason; interceptors turn it into a gRPC status.

Verbs raise `LumetryError`; nothing between them and the interceptor catches it. Validation collects every fault in `Faults` before
anything is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

ERROR_DOMAIN = "lumetry"
MAX_FAULT_BYTES = 5_000
"""A status travels as metadata, of which clients take 8 KiB in all, counted after its encoding in Base64."""


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


CODE_OF: Mapping[Reason, grpc.StatusCode] = {
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
    Reason.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.INTERACTIVE_ONLY: grpc.StatusCode.PERMISSION_DENIED,
    Reason.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.VALIDATION_FAILED: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.UNKNOWN_DICTIONARY: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.OVERLOADED: grpc.StatusCode.UNAVAILABLE,
    Reason.STORE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.PAYLOAD_TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.MALFORMED_BODY: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.ROUTE_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.METHOD_NOT_ALLOWED: grpc.StatusCode.UNIMPLEMENTED,
    Reason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.STEP_UP_REQUIRED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.OUT_OF_RANGE: grpc.StatusCode.OUT_OF_RANGE,
    Reason.DUPLICATE_NAME: grpc.StatusCode.ALREADY_EXISTS,
    Reason.QUOTA_EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.LENGTH_REQUIRED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.UNSUPPORTED_MEDIA_TYPE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.INVALID_ID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.HTTPS_REQUIRED: grpc.StatusCode.PERMISSION_DENIED,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: where, as a JSON path of the contract (empty: the whole), and what."""

    path: str
    message: str


class LumetryError(Exception):
    """A failure with a reason that callers can act on.

    Not a frozen dataclass: context managers assign `__traceback__`.
    """

    def __init__(self, reason: Reason, message: str, *, faults: tuple[Fault, ...] = (), **metadata: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.faults = faults
        self.metadata = metadata


class Faults:
    """Collects everything wrong with a request, so that one answer names it all."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._are_ranges = True

    def add(self, path: str, message: str) -> None:
        """Notes a fault."""
        self._faults.append(Fault(path, message))
        self._are_ranges = False

    def check(self, holds: bool, path: str, message: str) -> None:  # noqa: FBT001 -- reads as an assertion
        """Notes a fault unless the condition holds."""
        if not holds:
            self.add(path, message)

    def check_range(self, holds: bool, path: str, message: str) -> None:  # noqa: FBT001 -- as above
        """Notes a number or date outside its range unless the condition holds; some contracts answer these differently."""
        if not holds:
            self._faults.append(Fault(path, message))

    def __bool__(self) -> bool:
        return bool(self._faults)

    def raise_if_any(self, message: str = "The request is not valid.") -> None:
        """Fails with VALIDATION_FAILED when anything was noted, with OUT_OF_RANGE when nothing but ranges was."""
        if self._faults:
            reason = Reason.OUT_OF_RANGE if self._are_ranges else Reason.VALIDATION_FAILED
            raise LumetryError(reason, message, faults=tuple(self._faults))


def not_found(kind: str, identity: object) -> LumetryError:
    """The failure for an identity that the caller's organization does not have. `kind` as people say it, e.g. `Alert`."""
    return LumetryError(Reason.NOT_FOUND, f"{kind} {identity} does not exist.", type=kind, id=str(identity))


def to_status(error: LumetryError) -> status_pb2.Status:
    """The rich status of a failure: one ErrorInfo, and a BadRequest when faults are named."""
    code = CODE_OF[error.reason]
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=error.message)
    details: list[Any] = [error_details_pb2.ErrorInfo(reason=error.reason.value, domain=ERROR_DOMAIN, metadata=error.metadata)]
    if error.faults:
        details.append(to_bad_request(error.faults))
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def to_bad_request(faults: Sequence[Fault]) -> error_details_pb2.BadRequest:
    """The faults in order, as many as a client with the usual limits can receive; the last one tells of the rest."""
    bad_request = error_details_pb2.BadRequest()
    size = 0
    for position, fault in enumerate(faults):
        violation = error_details_pb2.BadRequest.FieldViolation(field=fault.path, description=fault.message)
        size += violation.ByteSize()
        if size > MAX_FAULT_BYTES:
            bad_request.field_violations.add(description=f"{len(faults) - position} more faults")
            break
        bad_request.field_violations.append(violation)
    return bad_request
