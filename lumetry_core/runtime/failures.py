"""How failures travel: the gRPC code of each reason, and the rich status.

Apart from `errors`, so that whoever only fails, or reads a configuration, does not load gRPC.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from lumetry_core.runtime.errors import Fault, LumetryError, Reason

ERROR_DOMAIN = "lumetry"
MAX_FAULT_BYTES = 5_000
"""A status travels as metadata, of which clients take 8 KiB in all, counted after its encoding in Base64."""

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
    Reason.AGENT_DISABLED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.RELAY_REQUIRED: grpc.StatusCode.PERMISSION_DENIED,
}


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
