from datetime import UTC, date, datetime, timedelta

import pytest

from lumetry_core.endpoints.windows import Span, split

NOW = datetime(2026, 6, 30, 15, 30, tzinfo=UTC)
KEPT = timedelta(days=30)


@pytest.mark.parametrize(
    ("window", "span"),
    [
        (timedelta(hours=24), Span(NOW - timedelta(hours=24), NOW + timedelta(days=1), None)),
        (timedelta(days=7), Span(datetime(2026, 6, 23, 15, 30, tzinfo=UTC), datetime(2026, 6, 24, tzinfo=UTC), date(2026, 6, 24))),
        (timedelta(days=30), Span(NOW - KEPT, NOW - KEPT, date(2026, 5, 31))),
        (timedelta(days=90), Span(NOW - timedelta(days=90), NOW - timedelta(days=90), date(2026, 4, 1))),
    ],
)
def test_split_takes_checks_where_they_are_kept_and_days_elsewhere(window: timedelta, span: Span) -> None:
    """No check is counted twice: single checks end where whole days begin."""
    assert split(window, NOW, KEPT) == span
