import math

import pytest

from lumetry_core.bench.detecting_scores import MINUTE_MS, WEEK_MS, Alarm, Score, score, total
from lumetry_core.bench.detecting_series import Window


def minutes(*pairs: tuple[int, int]) -> list[tuple[int, int]]:
    return [(start * MINUTE_MS, end * MINUTE_MS) for start, end in pairs]


def windows(*pairs: tuple[int, int]) -> list[Window]:
    return [Window(*pair) for pair in minutes(*pairs)]


def alarms(*pairs: tuple[int, int]) -> list[Alarm]:
    return [Alarm(*pair) for pair in minutes(*pairs)]


def test_score_counts_what_meets() -> None:
    """An alert is a detection of every window that it meets, at the ends too; the first one tells the delay."""
    found = score(windows((100, 200), (300, 400), (500, 600)), alarms((110, 120), (150, 160), (200, 300), (450, 460)), 0, 1000 * MINUTE_MS)
    assert found == Score(
        windows=3,
        found=2,
        alerts=4,
        false_alarms=1,
        delays_ms=(10 * MINUTE_MS, 0),
        scored_ms=1000 * MINUTE_MS,
        stray_ms=110 * MINUTE_MS,
    )
    assert (found.recall, found.precision, found.median_delay_minutes, found.longest_delay_minutes) == (2 / 3, 0.75, 5.0, 10.0)
    assert found.stray_percent == pytest.approx(11.0)


def test_score_of_an_alert_that_was_open_before() -> None:
    """An alert that was open when the window began found it at once."""
    assert score(windows((100, 200)), alarms((90, 150)), 0, WEEK_MS).delays_ms == (0,)


def test_score_leaves_the_learning_period_out() -> None:
    """Neither windows that ended nor alerts that opened while the baseline learned count; a week with two false alarms is the rest."""
    learned = 1000 * MINUTE_MS
    given = alarms((10, 5000), (1001, 1002), (1003, 1004))
    found = score(windows((5, 999), (2000, 3000)), given, learned, learned + WEEK_MS)
    assert (found.windows, found.found, found.alerts, found.false_alarms) == (1, 0, 2, 2)
    assert found.false_alarms_per_week == 2


def test_score_of_nothing() -> None:
    """Figures that nothing was observed of are no numbers, and no zeros."""
    found = score([], [], 5, 5)
    figures = (found.recall, found.precision, found.false_alarms_per_week, found.median_delay_minutes, found.longest_delay_minutes)
    assert all(math.isnan(figure) for figure in (*figures, found.stray_percent))


def test_total_adds_series_up() -> None:
    """Shares of the total come from its counts, so that a series weighs by what it holds."""
    one = Score(2, 1, 4, 3, (5,), WEEK_MS, 7)
    assert total([one, Score(1, 1, 1, 0, (9,), WEEK_MS, 1)]) == Score(3, 2, 5, 3, (5, 9), 2 * WEEK_MS, 8)
    assert total([one, one]).false_alarms_per_week == 3
