"""What a failed call means to the person at the shell: one line, a line for each fault, and the exit code."""

import click
import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from lumetry_core.shell.place import Place
from lumetry_core.shell.text import neutralise

STATUS_DETAILS = "grpc-status-details-bin"
DOMAIN = "lumetry"
CREDENTIAL_HINT = "The credential of --token or LUMETRY_TOKEN may have ended; `lumetry token create --name shell` makes one."


class RefusedError(click.ClickException):
    """The server said no."""

    exit_code = 1


class UnreachableError(click.ClickException):
    """No answer came from the server; the same call may succeed later."""

    exit_code = 3


def meaning_of(error: grpc.aio.AioRpcError, place: Place) -> RefusedError | UnreachableError:
    """What a failed call means."""
    reason, faults = read_details(error)
    text = neutralise(error.details() or "")
    if reason == "UNAUTHENTICATED":
        return RefusedError(f"{text}\n  {CREDENTIAL_HINT}")
    if reason:
        return RefusedError(text + "".join(f"\n  {spell_fault(path, message)}" for path, message in faults))
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return UnreachableError(f"cannot reach the server at {place}: {text}")
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return UnreachableError(f"the server at {place} did not answer in time")
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return RefusedError(f"the server at {place} does not know this call; is it older than this command?")
    return RefusedError(f"{error.code().name}: {text}")


def spell_fault(path: str, message: str) -> str:
    """A fault with its path; one without path is about the whole request."""
    return neutralise(f"{path}: {message}" if path else message)


def read_details(error: grpc.aio.AioRpcError) -> tuple[str, list[tuple[str, str]]]:
    """The server's own reason, empty when the failure is the transport's, and the faults with their paths."""
    reason, faults = "", []
    for detail in read_status(error).details:
        info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info) and info.domain == DOMAIN:
            reason = info.reason
        elif detail.Unpack(bad_request):
            faults = [(violation.field, violation.description) for violation in bad_request.field_violations]
    return reason, faults


def read_status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """The rich status of a failed call; without details when it carries none."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()
