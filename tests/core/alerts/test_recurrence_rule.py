from datetime import UTC, date, datetime

import pytest

from lumetry_core.alerts.recurrence_rule import Frequency, Rule, UnreadableRule, parse_rule


def test_parse_rule_with_every_part() -> None:
    """Letter case does not matter, and every supported part is read."""
    assert parse_rule("freq=yearly;INTERVAL=2;COUNT=9;WKST=SU;BYDAY=MO,-1fr;BYMONTH=1,12;BYSETPOS=1,-1") == Rule(
        Frequency.YEARLY,
        interval=2,
        count=9,
        until=None,
        week_start=6,
        weekdays=((0, 0), (4, -1)),
        months=(1, 12),
        positions=(1, -1),
    )
    numbers = parse_rule("FREQ=YEARLY;BYMONTHDAY=-1;BYYEARDAY=366;BYWEEKNO=-53")
    assert (numbers.month_days, numbers.year_days, numbers.weeks) == ((-1,), (366,), (-53,))


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("20261231", date(2026, 12, 31)),
        ("20261231T220000", datetime(2026, 12, 31, 22, tzinfo=UTC).replace(tzinfo=None)),
        ("20261231T220000Z", datetime(2026, 12, 31, 22, tzinfo=UTC)),
    ],
)
def test_parse_rule_with_an_end(text: str, until: date) -> None:
    """UNTIL is a day, a local time, or a moment."""
    assert parse_rule(f"FREQ=DAILY;UNTIL={text}").until == until


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "RRULE value such as"),
        ("every day", "RRULE value such as"),
        ("FREQ=DAILY;", "RRULE value such as"),
        ("FREQ=", "RRULE value such as"),
        ("RRULE:FREQ=DAILY", "unknown part 'RRULE:FREQ'"),
        ("DTSTART=20260101;FREQ=DAILY", "unknown part 'DTSTART'"),
        ("FREQ=DAILY;BYEASTER=1", "unknown part 'BYEASTER'"),
        ("INTERVAL=1", "must have FREQ"),
        ("FREQ=HOURLY", "must have FREQ"),
        ("FREQ=SECONDLY;INTERVAL=1", "must have FREQ"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ only once"),
        ("FREQ=DAILY;BYHOUR=9", "must not have BYHOUR"),
        ("FREQ=DAILY;BYSECOND=1,2,3", "must not have BYSECOND"),
        ("FREQ=DAILY;INTERVAL=0", "1 to 1000 in INTERVAL"),
        ("FREQ=DAILY;INTERVAL=-1", "1 to 1000 in INTERVAL"),
        ("FREQ=DAILY;INTERVAL=1001", "1 to 1000 in INTERVAL"),
        ("FREQ=DAILY;INTERVAL=" + "9" * 400, "1 to 1000 in INTERVAL"),
        ("FREQ=DAILY;INTERVAL=٣", "1 to 1000 in INTERVAL"),
        ("FREQ=DAILY;COUNT=0", "1 to 999999999 in COUNT"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20260101", "both COUNT and UNTIL"),
        ("FREQ=DAILY;UNTIL=20261301", "in UNTIL"),
        ("FREQ=DAILY;UNTIL=20260101T250000Z", "in UNTIL"),
        ("FREQ=DAILY;UNTIL=tomorrow", "in UNTIL"),
        ("FREQ=WEEKLY;BYDAY=XX", "in BYDAY"),
        ("FREQ=MONTHLY;BYDAY=0MO", "in BYDAY"),
        ("FREQ=MONTHLY;BYDAY=54MO", "in BYDAY"),
        ("FREQ=WEEKLY;BYDAY=1MO", "numbered weekdays only"),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO", "numbered weekdays only"),
        ("FREQ=WEEKLY;WKST=1", "in WKST"),
        ("FREQ=YEARLY;BYMONTH=13", "1 to 12 in BYMONTH"),
        ("FREQ=YEARLY;BYMONTH=-1", "1 to 12 in BYMONTH"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "1 to 31 or -1 to -31 in BYMONTHDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,", "in BYMONTHDAY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY with FREQ=MONTHLY"),
        ("FREQ=DAILY;BYWEEKNO=1", "BYWEEKNO with FREQ=DAILY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "another BY part"),
        ("FREQ=YEARLY;BYDAY=" + ",".join(["MO"] * 200), "at most 500 characters"),
    ],
)
def test_parse_rule_refuses(text: str, message: str) -> None:
    """What is no rule, or not a supported one, is refused with its reason."""
    with pytest.raises(UnreadableRule, match=message.replace("+", r"\+")):
        parse_rule(text)
