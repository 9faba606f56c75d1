"""How the members of a multidimensional metric are to be compared (contract 6.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Analysis(StrEnum):
    """With what a member is compared."""

    PEER = "peer_deviation"
    BASELINE = "baseline_deviation"


class FleetDirection(StrEnum):
    """Which side of what is expected counts."""

    ABOVE = "Above"
    BELOW = "Below"
    BOTH = "Both"


@dataclass(frozen=True, slots=True)
class DeviationConfig:
    """When a member deviates, and after how many ticks an alert opens and closes.

    `threshold` counts scaled median absolute deviations among peers, standard deviations against a baseline; `critical_threshold` None:
    no violation is critical. `baseline_profile_id` None: the default profile; it counts for baselines only.
    """

    threshold: float
    critical_threshold: float | None = None
    min_deviation_percent: float = 20.0
    min_absolute_deviation: float = 0.0
    direction: FleetDirection = FleetDirection.BOTH
    open_ticks: int = 3
    close_ticks: int = 3
    baseline_profile_id: int | None = None


PEER_DEFAULT = DeviationConfig(3.5)
BASELINE_DEFAULT = DeviationConfig(3.0)


@dataclass(frozen=True, slots=True)
class FleetContract:
    """What is analysed of a metric's members. `split_dimension` None: the first dimension key; an empty scope holds all members."""

    analyses: tuple[Analysis, ...] = ()
    split_dimension: str | None = None
    scope: Mapping[str, str] = field(default_factory=dict)
    min_peer_count: int = 3
    max_cardinality: int = 500
    peer: DeviationConfig = PEER_DEFAULT
    baseline: DeviationConfig = BASELINE_DEFAULT


NO_FLEET = FleetContract()
"""The contract of a metric for which nobody asked anything else."""
