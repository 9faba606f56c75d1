from datetime import UTC, datetime

import pytest

from lumetry_core.baselines.drafts import ExclusionDraft, ProfileDraft
from lumetry_core.baselines.model import ProfileDefinition
from lumetry_core.baselines.validation import check_exclusion, check_profile
from lumetry_core.runtime.errors import Fault, Faults, LumetryError

START = datetime(2026, 6, 1, 22, tzinfo=UTC)
END = datetime(2026, 6, 1, 23, tzinfo=UTC)


def faults_in(faults: Faults) -> tuple[Fault, ...]:
    with pytest.raises(LumetryError) as failure:
        faults.raise_if_any()
    return failure.value.faults


def test_check_profile_fills_in_defaults() -> None:
    """What was left out has the contract's defaults; names are trimmed."""
    faults = Faults()
    assert check_profile(ProfileDraft(name=" Weekly "), faults) == ProfileDefinition("Weekly", 28, 4, "UTC")
    assert not faults


@pytest.mark.parametrize(("days", "points"), [(1, 1), (365, 10_000)])
def test_check_profile_takes_its_whole_range(days: int, points: int) -> None:
    """Least and most are allowed."""
    faults = Faults()
    draft = ProfileDraft(name="x" * 200, lookback_days=days, minimum_points=points, time_zone="Europe/Berlin")
    assert check_profile(draft, faults) == ProfileDefinition("x" * 200, days, points, "Europe/Berlin")
    assert not faults


def test_check_profile_names_every_fault() -> None:
    """Each field is judged by itself."""
    faults = Faults()
    check_profile(ProfileDraft(name=" ", lookback_days=0, minimum_points=10_001, time_zone="europe/berlin"), faults)
    assert faults_in(faults) == (
        Fault("name", "must have 1 to 200 characters"),
        Fault("lookbackDays", "must be between 1 and 365"),
        Fault("minimumPoints", "must be between 1 and 10000"),
        Fault("timeZone", "must be the IANA name of a time zone, such as Europe/Berlin"),
    )
    faults = Faults()
    check_profile(ProfileDraft(name="a\0" + 200 * "b", lookback_days=366, minimum_points=0, time_zone=""), faults)
    assert [fault.path for fault in faults_in(faults)] == ["name", "name", "lookbackDays", "minimumPoints", "timeZone"]


def test_check_exclusion_trims_the_reason() -> None:
    """A period with a start before its end is fine, however short or old."""
    faults = Faults()
    assert check_exclusion(ExclusionDraft(start_time=START, end_time=END, reason=" Move "), faults) == "Move"
    assert not faults


def test_check_exclusion_names_every_fault() -> None:
    """Times and reason are required; a period must not be empty."""
    faults = Faults()
    check_exclusion(ExclusionDraft(), faults)
    assert faults_in(faults) == (
        Fault("startTime", "is required"),
        Fault("endTime", "is required"),
        Fault("reason", "must have 1 to 500 characters"),
    )
    for start, end in ((START, START), (END, START)):
        faults = Faults()
        check_exclusion(ExclusionDraft(start_time=start, end_time=end, reason=501 * "x"), faults)
        assert faults_in(faults) == (
            Fault("endTime", "must be after startTime"),
            Fault("reason", "must have 1 to 500 characters"),
        )
