"""The limits by which a point is judged, fixed or drawn from a baseline (contract lumetry 8.2, 9.2, 9.3, 19.5)."""

from dataclasses import dataclass

from lumetry_core.rules.model import Direction, ThresholdMode

UNLIMITED = float("inf")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of all levels of a rule, in rising severity; an absent one is infinite.

    Args:
        lowers: A value below one breaches its level.
        uppers: A value above one breaches its level.
        clear_lower: A value below it is not clear.
        clear_upper: A value above it is not clear.
        shown: Lower and upper limit of each level as violations report them: for a dynamic rule both, whatever its direction.
        expected: The baseline's mean; None for a static rule.
        confidence: In the baseline; None for a static rule.
    """

    lowers: tuple[float, ...]
    uppers: tuple[float, ...]
    clear_lower: float
    clear_upper: float
    shown: tuple[tuple[float | None, float | None], ...]
    expected: float | None = None
    confidence: str | None = None


@dataclass(frozen=True, slots=True)
class Learning:
    """How limits are drawn from what was learned.

    Args:
        profile_id: The baseline's profile.
        half: Minutes to each side of a point's own that are pooled.
        minimum_points: Pooled points below which nothing is judged.
        parameters: Percent or multiplier of each level, in rising severity.
        recovery_parameter: That of the recovery band, which is the narrowest.
    """

    profile_id: int
    half: int
    minimum_points: int
    mode: ThresholdMode
    direction: Direction
    parameters: tuple[float, ...]
    recovery_parameter: float


def finite(limit: float) -> float | None:
    """A limit as people see it: an infinite one is none."""
    return limit if -UNLIMITED < limit < UNLIMITED else None
