"""When a metric of a container is too high, with hysteresis: two high samples in a row fire, three low ones in a row recover."""

from dataclasses import dataclass
from enum import StrEnum

FIRES_AFTER = 2
RECOVERS_AFTER = 3
RECOVERS_AT = 0.9
"""Share of the threshold at which a sample counts as low."""


class Verdict(StrEnum):
    """What a sample brought about."""

    NOTHING = "nothing"
    FIRES = "fires"
    STILL_HIGH = "still high"
    RECOVERS = "recovers"


@dataclass(frozen=True, slots=True)
class Watch:
    """Where a metric stands: samples in a row that are high while it is calm, or low while it alerts."""

    is_alerting: bool = False
    streak: int = 0


def judge(watch: Watch, value: float, threshold: float) -> tuple[Watch, Verdict]:
    """Takes a sample into account."""
    if not watch.is_alerting:
        if value < threshold:
            return Watch(), Verdict.NOTHING
        if watch.streak + 1 < FIRES_AFTER:
            return Watch(streak=watch.streak + 1), Verdict.NOTHING
        return Watch(is_alerting=True), Verdict.FIRES
    if value > RECOVERS_AT * threshold:
        return Watch(is_alerting=True), Verdict.STILL_HIGH if value >= threshold else Verdict.NOTHING
    if watch.streak + 1 < RECOVERS_AFTER:
        return Watch(is_alerting=True, streak=watch.streak + 1), Verdict.NOTHING
    return Watch(), Verdict.RECOVERS
