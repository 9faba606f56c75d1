"""What overviews count of a heartbeat."""

from dataclasses import dataclass

from lumetry_core.heartbeats.model import Status


@dataclass(frozen=True, slots=True)
class Standing:
    """How a heartbeat is."""

    id: int
    status: Status
