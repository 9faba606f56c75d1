"""Checks what people send, noting every fault by its path in the contract (lumetry 9.4, 12.4)."""

from lumetry_core.baselines.drafts import ExclusionDraft, ProfileDraft
from lumetry_core.baselines.model import DEFAULT_LOOKBACK_DAYS, DEFAULT_MINIMUM_POINTS, DEFAULT_TIME_ZONE, ProfileDefinition
from lumetry_core.baselines.time_zones import time_zone_names
from lumetry_core.runtime.errors import Faults

MAX_NAME = 200
MAX_REASON = 500
LOOKBACK_DAYS = (1, 365)
MINIMUM_POINTS = (1, 10_000)


def check_profile(draft: ProfileDraft, faults: Faults) -> ProfileDefinition:
    """Reads a profile, filling in defaults. The definition is to be used only when no fault was noted.

    The name's uniqueness and what the default allows are checked by the caller, who can look them up.
    """
    return ProfileDefinition(
        name=check_text(draft.name, MAX_NAME, "name", faults),
        lookback_days=check_count(draft.lookback_days, LOOKBACK_DAYS, DEFAULT_LOOKBACK_DAYS, "lookbackDays", faults),
        minimum_points=check_count(draft.minimum_points, MINIMUM_POINTS, DEFAULT_MINIMUM_POINTS, "minimumPoints", faults),
        time_zone=check_time_zone(DEFAULT_TIME_ZONE if draft.time_zone is None else draft.time_zone, faults),
    )


def check_exclusion(draft: ExclusionDraft, faults: Faults) -> str:
    """Notes what is wrong with a period and gives its reason, trimmed. Whether the metric exists is checked by the caller."""
    faults.check(draft.start_time is not None, "startTime", "is required")
    if draft.end_time is None:
        faults.add("endTime", "is required")
    elif draft.start_time is not None:
        faults.check(draft.end_time > draft.start_time, "endTime", "must be after startTime")
    return check_text(draft.reason, MAX_REASON, "reason", faults)


def check_text(text: str, longest: int, path: str, faults: Faults) -> str:
    """Reads a text that must be given, trimmed."""
    trimmed = text.strip()
    faults.check(1 <= len(trimmed) <= longest, path, f"must have 1 to {longest} characters")
    faults.check("\0" not in trimmed, path, "must not contain the character NUL")
    return trimmed


def check_count(value: int | None, allowed: tuple[int, int], default: int, path: str, faults: Faults) -> int:
    """Reads a whole number."""
    least, most = allowed
    faults.check(value is None or least <= value <= most, path, f"must be between {least} and {most}")
    return default if value is None else value


def check_time_zone(name: str, faults: Faults) -> str:
    """Reads the name of a time zone; letter case counts."""
    faults.check(name in time_zone_names(), "timeZone", "must be the IANA name of a time zone, such as Europe/Berlin")
    return name
