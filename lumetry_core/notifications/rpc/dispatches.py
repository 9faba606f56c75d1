"""Dispatches on the wire."""

from datetime import datetime

from google.protobuf.message import Message

from lumetry.notifications.v1 import dispatch_pb2
from lumetry_core.notifications.dispatch import Dispatch
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.timestamps import decode_time, encode_time


def encode_dispatch(dispatch: Dispatch) -> dispatch_pb2.Dispatch:
    """A dispatch."""
    return dispatch_pb2.Dispatch(
        id=dispatch.key,
        event_type=dispatch.event,
        alert_id=dispatch.alert_id,
        status=dispatch.status,
        attempts=dispatch.attempts,
        response_status=dispatch.response_status,
        error=dispatch.error,
        next_attempt_time=encode_time(dispatch.next_attempt_time),
        create_time=encode_time(dispatch.create_time),
        deliver_time=encode_time(dispatch.deliver_time),
    )


def decode_before(request: Message) -> datetime | None:
    """Until when a page goes back. Fails with VALIDATION_FAILED when it is outside the calendar."""
    if not request.HasField("before"):
        return None
    faults = Faults()
    before = decode_time(request.before, "before", faults)  # type: ignore[attr-defined]
    faults.raise_if_any()
    return before
