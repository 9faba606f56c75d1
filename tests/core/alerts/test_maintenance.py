from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lumetry_core.alerts.maintenance import SETTLE, ScopeType, advance, choose_window, covers, find_next_start, has_changed, next_change
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service.transitions import new_alert
from tests.core.alerts.planning import NOW, window

NINE, TEN = (datetime(2026, 6, 1, hour, tzinfo=UTC) for hour in (9, 10))
DAY = timedelta(days=1)
COVERING = {3: {3, 2, 1}, 30: {30, 20}}
"""Service 1 contains 2, which contains 3; host 20 carries 30."""


@pytest.fixture
def alert(opening: Callable[..., Any]) -> Alert:
    """An alert of a metric that affects service 3 and configuration item 30."""
    return replace(new_alert(7, opening(), NOW), id=1, related_service_id=3, related_ci_id=30)


@pytest.mark.parametrize(
    ("changes", "covered"),
    [
        ({}, True),
        ({"scope_type": ScopeType.METRIC, "metric_key": "db.latency"}, True),
        ({"scope_type": ScopeType.METRIC, "metric_key": "db.late"}, False),
        ({"scope_type": ScopeType.SERVICE, "scope_node_id": 3}, True),
        ({"scope_type": ScopeType.SERVICE, "scope_node_id": 1}, True),
        ({"scope_type": ScopeType.SERVICE, "scope_node_id": 30}, False),
        ({"scope_type": ScopeType.CI, "scope_node_id": 20}, True),
        ({"scope_type": ScopeType.CI, "scope_node_id": 31}, False),
    ],
)
def test_covers_by_scope(alert: Alert, changes: dict[str, Any], covered: bool) -> None:
    """Services are looked for among services, configuration items among those, each with what contains or carries them."""
    assert covers(window(**changes), alert, COVERING) is covered
    assert not covers(window(scope_type=ScopeType.CI, scope_node_id=20), replace(alert, related_ci_id=None), COVERING)


def test_choose_window_that_ends_last(alert: Alert) -> None:
    """Of several that cover the one that ends last counts, of those the oldest."""
    short, long, twin = window(id=1), window(id=3, occurrence_end=TEN + DAY), window(id=2, occurrence_end=TEN + DAY)
    assert choose_window([short, long, twin], alert, {}) == twin
    assert choose_window([window(scope_type=ScopeType.METRIC, metric_key="x")], alert, {}) is None


def test_window_is_active_until_its_end() -> None:
    """The start belongs to a window, the end does not; a removed one is never active."""
    one = window()
    assert [one.is_active(time) for time in (NINE - SETTLE, NINE, TEN)] == [False, True, False]
    assert not replace(one, delete_time=NOW).is_active(NINE)


def test_advance_moves_to_the_occurrence_of_the_time() -> None:
    """A lasting occurrence stays; afterwards the next comes, and the last one stays for good."""
    daily = window(rrule="FREQ=DAILY;COUNT=3", time_zone="UTC")
    assert [advance(daily, time).occurrence_start for time in (NOW, NINE, TEN, NINE + 2 * DAY, NINE + 9 * DAY)] == [
        NINE,
        NINE,
        NINE + DAY,
        NINE + 2 * DAY,
        NINE,
    ]
    assert [find_next_start(daily, time) for time in (NOW, NINE, NINE + 2 * DAY)] == [NINE, NINE + DAY, None]
    assert (advance(window(), TEN), find_next_start(window(), NOW)) == (window(), None)


def test_next_change_settles_after_each() -> None:
    """After a start or an end alerts are judged once more; what is over or removed has nothing to wait for after that."""
    one = window()
    assert [next_change(one, time, changed=changed) for time, changed in ((NOW, False), (NINE, True), (NINE + SETTLE, False))] == [
        NINE,
        NINE + SETTLE,
        TEN,
    ]
    assert [next_change(one, time, changed=changed) for time, changed in ((TEN, True), (TEN + SETTLE, False))] == [TEN + SETTLE, None]
    removed = replace(one, delete_time=NOW)
    assert [next_change(removed, NOW, changed=changed) for changed in (True, False)] == [NOW + SETTLE, None]
    assert [has_changed(one, due, now) for due, now in ((NINE, NINE), (NINE + SETTLE, NINE + SETTLE), (NINE + SETTLE, TEN))] == [
        True,
        False,
        True,
    ]
    assert not has_changed(removed, NINE, TEN)
