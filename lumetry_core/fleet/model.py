"""What detectors say of members, and what is remembered of a member between ticks (contract lumetry 6.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from lumetry_core.metrics.fleet_contract import Analysis
from lumetry_core.metrics.model import Floats, Integers

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What one analysis says of members: parallel columns, NaN where there is no number.

    Args:
        is_judged: Whether there was something to compare with; nothing else is said of the others.
        scores: Distance from what is expected in units of the threshold.
        deviations: The same in percent of what is expected.
    """

    is_judged: Flags
    is_outlier: Flags
    is_critical: Flags
    expected: Floats
    lower: Floats
    upper: Floats
    scores: Floats
    deviations: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Peer groups: parallel columns, NaN where there is no number; limits only where peers are compared."""

    counts: Integers
    medians: Floats
    mads: Floats
    lower: Floats
    upper: Floats


class Verdict(StrEnum):
    """What one analysis says of a member at a tick."""

    NORMAL = "Normal"
    WARNING = "Warning"
    CRITICAL = "Critical"
    UNJUDGED = "Unjudged"

    @property
    def is_outlier(self) -> bool:
        """Whether the member deviates."""
        return self in (Verdict.WARNING, Verdict.CRITICAL)


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive outlier ticks of one analysis: how many, the first of them, and the time of the point that it judged."""

    ticks: int
    start_tick_ms: int
    first_time_ms: int
    is_critical: bool
    """Whether any of them was beyond the critical threshold."""


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """The alert that is open for a member. `is_critical` only rises."""

    id: int
    is_critical: bool


@dataclass(frozen=True, slots=True)
class MemberState:
    """What the past of a member means for its next tick.

    Args:
        runs: By analysis; one that has none is not there.
        normal_ticks: Consecutive ticks at which every analysis found an alerting member normal.
        last_time_ms: Its newest value; None before the first.
    """

    runs: Mapping[Analysis, Run] = field(default_factory=dict)
    normal_ticks: int = 0
    last_time_ms: int | None = None
    alert: OpenAlert | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it need not be remembered."""
        return not self.runs and self.alert is None


@dataclass(frozen=True, slots=True)
class Patience:
    """How many ticks in a row open and close an alert.

    Args:
        open_ticks: By analysis, of those that are on.
        close_ticks: The most that any of them asks for, as all must find the member normal.
        gone_ms: A member without a value for so long is gone.
    """

    open_ticks: Mapping[Analysis, int]
    close_ticks: int
    gone_ms: int


@dataclass(frozen=True, slots=True)
class FleetState:
    """What is remembered of a metric between ticks.

    Args:
        tick_ms: The newest tick that was recorded.
        since_ms: The tick since which none was left out.
        fingerprint: Tells whether the contract is still the one by which members were counted.
        members: By dimension key; idle members are not there.
    """

    tick_ms: int
    since_ms: int
    fingerprint: str
    is_overflowing: bool = False
    members: Mapping[str | None, MemberState] = field(default_factory=dict)
