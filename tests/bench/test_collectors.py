import pytest

from lumetry_core.bench.collectors import CollectorOptions, Living, report_collectors
from lumetry_core.bench.collectors_fleet import Tally, make_points, metric_key


def test_make_points_of_a_collector() -> None:
    """A collector's batch has as many series as points, ten to a metric, under its own host."""
    request = make_points(7, 25)
    series = {(point.metric_key, point.labels["device"]) for point in request.points}
    assert (len(series), {point.labels["host.id"] for point in request.points}) == (25, {"bench-00007"})
    assert sorted({point.metric_key for point in request.points}) == [metric_key(0), metric_key(10), metric_key(20)]


@pytest.mark.parametrize(
    ("cpu_share", "missed_calls", "evaluated", "missed"),
    [
        (0.3, 0, 20, []),
        (0.6, 1, 19, ["CPU of the server", "calls not answered within an interval", "batches evaluated"]),
    ],
)
def test_judge_what_was_measured(cpu_share: float, missed_calls: int, evaluated: int, missed: list[str]) -> None:
    """Less than half a core, no late answer, and everything evaluated is what a fleet must find."""
    tally = Tally(heartbeats=[0.01] * 20, uploads=[0.02] * 20, delays=[0.0] * 40, missed=missed_calls, points=2000)
    living = Living(tally, 20.0, cpu_share, evaluated, 10, 100_000_000, 0.0)
    report = report_collectors(CollectorOptions(collectors=10, rounds=2), {"cores": 2.0}, living, [])
    assert [figure.name for figure in report.figures if figure.verdict == "missed"] == missed
