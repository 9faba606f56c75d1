import numpy as np

from lumetry_core.metrics.columns import MAX_FAULTS, MIN_TIME_MS, Columns, PointFault, find_faults
from lumetry_core.metrics.definition import define
from lumetry_core.metrics.dictionary import SeriesDictionary

NOW = 1_780_000_000_000
FUTURE = "must be at most ten minutes in the future"


def make_dictionary() -> SeriesDictionary:
    dictionary = SeriesDictionary()
    dictionary.add(define("good", [], "", ""))
    dictionary.add(define("9bad", [("a|b", "1")], "", ""))
    return dictionary


def make_columns(points: list[tuple[int, int, float]], sizes: list[int]) -> Columns:
    return Columns(
        np.array([point[0] for point in points], np.int64),
        np.array([point[1] for point in points], np.int64),
        np.array([point[2] for point in points], np.float64),
        np.array(sizes, np.int64),
    )


def test_find_faults_of_good_points() -> None:
    """The ends of the time range are still good."""
    columns = make_columns([(0, NOW + 600_000, 1.0), (0, MIN_TIME_MS, -1e308)], [1, 1])
    assert find_faults(columns, make_dictionary(), NOW) == {}


def test_find_faults_names_batch_point_and_field() -> None:
    """Every fault is found and counted from its batch's start."""
    columns = make_columns(
        [(0, NOW, 1.0), (0, NOW + 600_001, float("nan")), (0, NOW, 1.0), (1, NOW, 1.0), (0, MIN_TIME_MS - 1, float("inf"))],
        [2, 1, 2],
    )
    found = find_faults(columns, make_dictionary(), NOW)
    assert {batch: [(fault.path, fault.point_index) for fault in faults] for batch, faults in found.items()} == {
        0: [("metrics[1].timestamp", 1), ("metrics[1].value", 1)],
        2: [
            ("metrics[0].metricName", 0),
            ("metrics[0].labels.a|b", 0),
            ("metrics[1].timestamp", 1),
            ("metrics[1].value", 1),
        ],
    }
    assert found[0][0] == PointFault(1, "timestamp", FUTURE)


def test_find_faults_of_sizes() -> None:
    """Empty and oversized batches are refused as a whole."""
    columns = make_columns([(0, NOW, 1.0)] * 10_001, [0, 10_001])
    found = find_faults(columns, make_dictionary(), NOW)
    assert {batch: [fault.path for fault in faults] for batch, faults in found.items()} == {0: ["metrics"], 1: ["metrics"]}


def test_find_faults_caps_the_report() -> None:
    """The last fault says how many more points have faults."""
    columns = make_columns([(0, NOW, float("nan"))] * 1000, [1000])
    faults = find_faults(columns, make_dictionary(), NOW)[0]
    assert len(faults) == MAX_FAULTS
    assert faults[-1] == PointFault(-1, "", "901 more points have faults")


def test_without_drops_rejected_batches() -> None:
    """The other batches keep their points and order."""
    columns = make_columns([(0, 1, 1.0), (0, 2, 2.0), (0, 3, 3.0)], [1, 1, 1]).without({1})
    assert (columns.times_ms.tolist(), columns.values.tolist(), columns.batch_sizes.tolist()) == ([1, 3], [1.0, 3.0], [1, 1])
