from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.alerts.maintenance import MaintenanceWindow, ScopeType
from lumetry_core.statuspages.covering import NOWHERE, Place, announce_windows, covers, is_covered
from lumetry_core.statuspages.model import Standing, Status
from lumetry_core.statuspages.page import ShownMaintenance
from tests.core.statuspages.building import NOW, SECRET, a_component

HOUR = timedelta(hours=1)
PLACE = Place(services=frozenset({10, 11}), cis=frozenset({20}))


def a_window(number: int = 1, **changes: Any) -> MaintenanceWindow:
    """A window from now for an hour."""
    values: dict[str, Any] = {
        "id": number,
        "organization_id": 1,
        "scope_type": ScopeType.GLOBAL,
        "scope_node_id": None,
        "metric_key": None,
        "start_time": NOW,
        "end_time": NOW + HOUR,
        "reason": SECRET,
        "rrule": None,
        "time_zone": None,
        "occurrence_start": NOW,
        "occurrence_end": NOW + HOUR,
        "create_time": NOW,
        "created_by": None,
    }
    return MaintenanceWindow(**values | changes)


@pytest.mark.parametrize(
    ("scope", "node", "expected"),
    [
        (ScopeType.GLOBAL, None, (True, True)),
        (ScopeType.METRIC, None, (False, False)),
        (ScopeType.SERVICE, 11, (True, False)),
        (ScopeType.SERVICE, 20, (False, False)),
        (ScopeType.CI, 20, (True, False)),
        (ScopeType.CI, 10, (False, False)),
    ],
)
def test_covers_by_scope(scope: ScopeType, node: int | None, expected: tuple[bool, bool]) -> None:
    """A window covers a monitor by its service or its configuration item, and one without node only when it is global."""
    window = a_window(scope_type=scope, scope_node_id=node)
    assert (covers(window, PLACE), covers(window, NOWHERE)) == expected
    assert is_covered([window], PLACE, NOW) is expected[0]
    assert not is_covered([window], PLACE, NOW + HOUR)


def test_announce_windows_of_a_week() -> None:
    """Windows that last or start within a week are announced with what they cover; others and hidden components are not."""
    shown = Standing(a_component(1, display_name="Shop"), "", SECRET, Status.OPERATIONAL, 5)
    hidden = Standing(a_component(2, display_name="Hidden", is_visible=False), "", SECRET, Status.OPERATIONAL, None)
    windows = [
        a_window(1, occurrence_start=NOW + 7 * 24 * HOUR, occurrence_end=NOW + 8 * 24 * HOUR),
        a_window(2, scope_type=ScopeType.SERVICE, scope_node_id=10),
        a_window(3, occurrence_start=NOW + 8 * 24 * HOUR, occurrence_end=NOW + 9 * 24 * HOUR),
        a_window(4, scope_type=ScopeType.SERVICE, scope_node_id=99),
        a_window(5, occurrence_start=NOW - 2 * HOUR, occurrence_end=NOW),
        a_window(6, delete_time=NOW),
    ]
    assert announce_windows(windows, [shown, hidden], {5: PLACE}, NOW) == (
        ShownMaintenance(2, NOW, NOW + HOUR, ("Shop",), is_active=True),
        ShownMaintenance(1, NOW + 7 * 24 * HOUR, NOW + 8 * 24 * HOUR, ("Shop",), is_active=False),
    )
