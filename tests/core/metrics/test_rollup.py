import numpy as np

from lumetry_core.metrics.rollup import Points, Rollup, as_rollup, concatenate, keep_last, roll_up

MINUTE = 60_000


def rows(rollup: Rollup) -> list[tuple[float, ...]]:
    return list(zip(*(column.tolist() for column in (rollup.series_ids, rollup.times_ms, *rollup.columns)), strict=True))


def make_points(points: list[tuple[int, int, float]]) -> Points:
    return Points(
        np.array([point[0] for point in points], np.int64),
        np.array([point[1] for point in points], np.int64),
        np.array([point[2] for point in points], np.float64),
    )


def test_keep_last_sorts_and_lets_the_last_accepted_value_win() -> None:
    """Order of arrival decides among points of one series and time."""
    points = keep_last(make_points([(2, 10, 1.0), (1, 20, 2.0), (2, 10, 3.0), (1, 10, 4.0), (2, 10, 2.0)]))
    assert list(zip(points.series_ids.tolist(), points.times_ms.tolist(), points.values.tolist(), strict=True)) == [
        (1, 10, 4.0),
        (1, 20, 2.0),
        (2, 10, 2.0),
    ]


def test_roll_up_computes_every_statistic() -> None:
    """Count, sum, sum of squares, minimum and maximum per series and bucket."""
    points = make_points([(1, 0, 1.0), (1, 4 * MINUTE, 3.0), (1, 5 * MINUTE, 10.0), (2, 1, -2.0)])
    assert rows(roll_up(as_rollup(points), 5 * MINUTE)) == [
        (1, 0, 2.0, 4.0, 10.0, 1.0, 3.0),
        (1, 5 * MINUTE, 1.0, 10.0, 100.0, 10.0, 10.0),
        (2, 0, 1.0, -2.0, 4.0, -2.0, -2.0),
    ]


def test_roll_up_of_roll_ups_equals_that_of_the_points() -> None:
    """Five minutes first, then hours, gives what hours alone give."""
    generator = np.random.default_rng(3)
    points = make_points([(1 + number % 3, number * 7000, float(generator.integers(-50, 50))) for number in range(3000)])
    straight = roll_up(as_rollup(points), 60 * MINUTE)
    assert rows(roll_up(roll_up(as_rollup(points), 5 * MINUTE), 60 * MINUTE)) == rows(straight)


def test_roll_up_aligns_buckets_before_the_epoch() -> None:
    """Buckets start at multiples of their length on both sides of 1970."""
    assert rows(roll_up(as_rollup(make_points([(1, -1, 1.0)])), MINUTE))[0][:2] == (1, -MINUTE)


def test_roll_up_of_nothing() -> None:
    """No points make no buckets."""
    assert rows(roll_up(concatenate([as_rollup(make_points([]))]), MINUTE)) == []
