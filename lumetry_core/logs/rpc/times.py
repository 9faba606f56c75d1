"""Times as messages, to the nanosecond."""

from google.protobuf.timestamp_pb2 import Timestamp

NS_PER_S = 1_000_000_000
FARTHEST_NS = 2**63 - 1


def read_ns(time: Timestamp) -> int:
    """Nanoseconds since the Unix epoch, however far away."""
    return time.seconds * NS_PER_S + time.nanos


def read_bound(time: Timestamp) -> int:
    """As `read_ns`, within what is stored."""
    return min(max(read_ns(time), -FARTHEST_NS), FARTHEST_NS)


def write_ns(time_ns: int) -> Timestamp:
    """A time as its message."""
    seconds, nanos = divmod(time_ns, NS_PER_S)
    return Timestamp(seconds=seconds, nanos=nanos)
