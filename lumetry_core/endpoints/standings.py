"""What overviews count of an endpoint."""

from dataclasses import dataclass

from lumetry_core.endpoints.model import Status


@dataclass(frozen=True, slots=True)
class Standing:
    """How an endpoint is."""

    id: int
    status: Status
    is_paused: bool
