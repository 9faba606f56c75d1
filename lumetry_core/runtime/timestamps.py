"""Times as protobuf writes them; ours have milliseconds."""

from datetime import datetime, timedelta
from typing import overload

from google.protobuf.timestamp_pb2 import Timestamp

from lumetry_core.runtime.clock import EPOCH, to_ms, truncate
from lumetry_core.runtime.errors import Faults

NS_PER_MS = 1_000_000


@overload
def encode_time(moment: datetime) -> Timestamp: ...
@overload
def encode_time(moment: datetime | None) -> Timestamp | None: ...
def encode_time(moment: datetime | None) -> Timestamp | None:
    """A time; None stays absent."""
    if moment is None:
        return None
    seconds, milliseconds = divmod(to_ms(moment), 1000)
    return Timestamp(seconds=seconds, nanos=milliseconds * NS_PER_MS)


def decode_time(moment: Timestamp, path: str, faults: Faults) -> datetime | None:
    """A given time, cut to milliseconds; notes a fault for one outside the calendar."""
    try:
        return truncate(EPOCH + timedelta(seconds=moment.seconds, microseconds=moment.nanos // 1000))
    except OverflowError:
        faults.add(path, "must be a time between the years 1 and 9999")
        return None
