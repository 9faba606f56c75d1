from datetime import UTC, datetime, timedelta

from lumetry_core.alerts.maintenance import MaintenanceWindow, ScopeType
from lumetry_core.replay.covering import Maintenance, Periods, occurrences_of
from tests.core.alerts.planning import window
from tests.core.incidents.building import an_alert

START = datetime(2026, 6, 1, tzinfo=UTC)
END = datetime(2026, 6, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


def shown(of: MaintenanceWindow) -> list[tuple[float, float]]:
    """Occurrences as hours after the start."""
    return [((one.occurrence_start - START) / HOUR, (one.occurrence_end - START) / HOUR) for one in occurrences_of(of, START, END)]


def test_occurrences_of_a_window_that_occurs_once() -> None:
    """It occurs if it lasts within the range, its end excluded."""
    assert shown(window()) == [(9.0, 10.0)]
    assert shown(window(start_time=START - HOUR, end_time=START)) == []
    assert shown(window(start_time=START - HOUR, end_time=START + HOUR)) == [(-1.0, 1.0)]
    assert shown(window(start_time=END + HOUR, end_time=END + 2 * HOUR)) == []


def test_occurrences_of_a_recurring_window_at_their_times() -> None:
    """Past occurrences count wherever the stored one is, also one that began before the range; those that touch are one."""
    long_ago = {"start_time": START - timedelta(days=30) - HOUR, "end_time": START - timedelta(days=30) + HOUR}
    stored = {"occurrence_start": START + timedelta(days=99), "occurrence_end": START + timedelta(days=99) + HOUR}
    daily = window(rrule="FREQ=DAILY", time_zone="UTC", **long_ago, **stored)
    assert shown(daily) == [(-1.0, 1.0), (23.0, 25.0), (47.0, 49.0), (71.0, 73.0)]
    ended = window(rrule="FREQ=DAILY;COUNT=3", time_zone="UTC", **long_ago, **stored)
    assert shown(ended) == []
    always = window(rrule="FREQ=DAILY;COUNT=60", time_zone="UTC", start_time=START - 24 * HOUR, end_time=START)
    assert shown(always) == [(0.0, 59 * 24.0)]


def test_periods_follow_time() -> None:
    """What touches lasts on; time may jump over everything."""
    periods = Periods([(START, START + HOUR, 1, "early"), (START + HOUR, START + 2 * HOUR, 1, "late")])
    assert (periods.next_change, periods.advance(START - HOUR), periods.lasting) == (START, False, {})
    assert (periods.advance(START), periods.lasting) == (True, {1: "early"})
    assert (periods.advance(START + HOUR), periods.lasting) == (True, {1: "late"})
    assert (periods.advance(END), periods.lasting, periods.next_change) == (True, {}, None)


def test_find_chooses_as_live() -> None:
    """Of several windows that cover an alert the one that ends last; a window of a node covers what belongs to it."""
    metric = window(id=1, scope_type=ScopeType.METRIC, metric_key="cpu.usage")
    service = window(id=2, scope_type=ScopeType.SERVICE, scope_node_id=42, end_time=END, occurrence_end=END)
    maintenance = Maintenance([metric, service], {43: frozenset({43, 42})}, START, END)
    of_service, of_metric, of_neither = (
        an_alert(related_service_id=43),
        an_alert(),
        an_alert(metric_key="other", related_service_id=44),
    )

    def numbers() -> list[int | None]:
        found = [maintenance.find(alert) for alert in (of_service, of_metric, of_neither)]
        return [None if one is None else one.id for one in found]

    assert numbers() == [None, None, None]
    maintenance.periods.advance(START + 9 * HOUR)
    assert numbers() == [2, 1, None]
    maintenance.periods.advance(START + 10 * HOUR)
    assert numbers() == [2, None, None]
