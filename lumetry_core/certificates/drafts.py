"""Monitors as people send them, and what is wrong with them (contract monitoring 7.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from lumetry_core.certificates.hostnames import HostError, read_target
from lumetry_core.certificates.model import DEFAULT_INTERVAL_SECONDS, DEFAULT_THRESHOLDS, HTTPS_PORT
from lumetry_core.runtime.errors import Faults

INTERVAL_BOUNDS = (3600, 604_800)
THRESHOLD_BOUNDS = (1, 365)
MAX_THRESHOLDS = 10
MAX_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorDraft:
    """A new monitor, unchecked. None means absent."""

    hostname: str = ""
    port: int | None = None
    check_interval_seconds: int | None = None
    warning_thresholds: Sequence[int] | None = None
    topology_node_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorChange:
    """What is to change of a monitor, unchecked. None leaves it as it is; `clears_node` takes its node away."""

    check_interval_seconds: int | None = None
    warning_thresholds: Sequence[int] | None = None
    topology_node_id: int | None = None
    clears_node: bool = False


def check_target(draft: MonitorDraft, faults: Faults) -> tuple[str, int]:
    """The host and the port of a new monitor. A port that stands in the host name counts when none is given."""
    port = draft.port
    if port is not None:
        faults.check(1 <= port <= MAX_PORT, "port", f"must be between 1 and {MAX_PORT}")
    try:
        host, named = read_target(draft.hostname)
    except HostError as error:
        faults.add("hostname", str(error))
        return "", port or HTTPS_PORT
    faults.check(port is None or named in (None, port), "port", "must be the one in hostname")
    return host, port or named or HTTPS_PORT


def check_interval(seconds: int | None, default: int, faults: Faults) -> int:
    """Seconds between checks."""
    least, most = INTERVAL_BOUNDS
    if seconds is None:
        return default
    faults.check(least <= seconds <= most, "check_interval_seconds", f"must be between {least} and {most}")
    return seconds


def check_thresholds(days: Sequence[int] | None, default: tuple[int, ...], faults: Faults) -> tuple[int, ...]:
    """Days before the end at which to tell, the largest first."""
    if days is None:
        return default
    least, most = THRESHOLD_BOUNDS
    faults.check(1 <= len(days) <= MAX_THRESHOLDS, "warning_thresholds", f"must have between 1 and {MAX_THRESHOLDS} entries")
    faults.check(len(set(days)) == len(days), "warning_thresholds", "must not repeat a number")
    for index, each in enumerate(days):
        faults.check(least <= each <= most, f"warning_thresholds[{index}]", f"must be between {least} and {most}")
    return tuple(sorted(set(days), reverse=True))


def read_thresholds(draft: MonitorDraft, faults: Faults) -> tuple[int, ...]:
    """The thresholds of a new monitor."""
    return check_thresholds(draft.warning_thresholds, DEFAULT_THRESHOLDS, faults)


def read_interval(draft: MonitorDraft, faults: Faults) -> int:
    """The interval of a new monitor."""
    return check_interval(draft.check_interval_seconds, DEFAULT_INTERVAL_SECONDS, faults)
