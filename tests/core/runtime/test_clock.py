from datetime import UTC, datetime, timedelta, timezone

import pytest

from lumetry_core.runtime.clock import SystemClock, from_ms, spell_time, to_ms, truncate


@pytest.mark.parametrize(
    ("moment", "milliseconds"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC), -1),
        (datetime(2026, 6, 1, 8, 0, 0, 123000, tzinfo=UTC), 1_780_300_800_123),
        (datetime(1, 1, 1, tzinfo=UTC), -62_135_596_800_000),
        (datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC), 253_402_300_799_999),
    ],
)
def test_to_ms_and_from_ms_are_inverse(moment: datetime, milliseconds: int) -> None:
    """Every time of the calendar with whole milliseconds has its number, before the epoch as well."""
    assert (to_ms(moment), from_ms(milliseconds)) == (milliseconds, moment)


def test_to_ms_cuts_finer_digits_towards_the_past() -> None:
    """What is finer than a millisecond is cut, not rounded."""
    assert to_ms(datetime(1970, 1, 1, 0, 0, 0, 1999, tzinfo=UTC)) == 1
    assert to_ms(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == -1


def test_truncate_turns_any_offset_into_utc() -> None:
    """The same instant in UTC, cut to milliseconds."""
    east = timezone(timedelta(hours=5, minutes=30))
    assert truncate(datetime(2026, 6, 1, 13, 30, 0, 123999, tzinfo=east)) == datetime(2026, 6, 1, 8, 0, 0, 123000, tzinfo=UTC)
    assert truncate(datetime(2026, 6, 1, 13, 30, tzinfo=east)).tzinfo is UTC


def test_system_clock_tells_the_present_in_milliseconds() -> None:
    """The machine's time, aware and truncated."""
    before = truncate(datetime.now(UTC))
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert (now.tzinfo, now.microsecond % 1000) == (UTC, 0)


def test_spell_time_shows_a_fraction_only_when_there_is_one() -> None:
    """Always UTC with `Z`, at most milliseconds."""
    moment = datetime(2026, 6, 1, 10, 0, 0, 231999, tzinfo=timezone(timedelta(hours=2)))
    assert spell_time(moment) == "2026-06-01T08:00:00.231Z"
    assert spell_time(moment.replace(microsecond=999)) == "2026-06-01T08:00:00Z"
