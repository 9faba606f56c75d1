"""Times as messages."""

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.timestamps import NS_PER_MS

FARTHEST_MS = 2**62


def read_ms(time: Timestamp) -> int:
    """Whole milliseconds of a timestamp, however absurd."""
    return min(max(time.seconds * 1000 + time.nanos // NS_PER_MS, -FARTHEST_MS), FARTHEST_MS)


def read_time(time: Timestamp) -> datetime:
    """A time of a query, within what the calendar can name."""
    return from_ms(min(max(read_ms(time), FIRST_MS), LAST_MS))


FIRST_MS = to_ms(datetime(1, 1, 1, tzinfo=UTC))
LAST_MS = to_ms(datetime(9999, 12, 31, tzinfo=UTC) + timedelta(hours=23))
