"""What overviews count of a certificate's monitor."""

from dataclasses import dataclass

from lumetry_core.certificates.model import Status


@dataclass(frozen=True, slots=True)
class Standing:
    """How a certificate is."""

    id: int
    status: Status
