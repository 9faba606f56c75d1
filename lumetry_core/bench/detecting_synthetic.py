"""Labelled series that are made up, always the same: what a metric looks like over six weeks, and what goes wrong with it.

All have a point every five minutes and begin on a Monday. Nothing goes wrong in the first three weeks; gaps, drift and noise that are
not labelled are normal.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from lumetry_core.bench.detecting_series import LabelledSeries, Window
from lumetry_core.metrics.model import Floats

SEED = 20_240_101
START_MS = 1_704_067_200_000
"""Monday, 1 January 2024, in UTC."""
STEP_MS = 300_000
HOUR = 12
"""Points of an hour."""
DAY = 24 * HOUR
WEEK = 7 * DAY
POINTS = 6 * WEEK

Span = tuple[int, int]
"""First and last point of an anomaly."""


def make_series() -> list[LabelledSeries]:
    """All series, in the order of their names in the report."""
    return [make(np.random.default_rng((SEED, number)), name, draw) for number, (name, draw) in enumerate(SERIES.items())]


class Sketch:
    """A series in the making."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.at = np.arange(POINTS)
        self.values: Floats = np.zeros(POINTS)
        self.is_kept: NDArray[np.bool_] = np.ones(POINTS, np.bool_)
        self.spans: list[Span] = []

    def noise(self, size: float, memory: float = 0.0) -> Floats:
        """Normal noise; with memory each point repeats that share of the one before, at the same size."""
        shocks = self.rng.normal(0, size * np.sqrt(1 - memory**2), POINTS)
        if memory:
            for number in range(1, POINTS):
                shocks[number] += memory * shocks[number - 1]
        return shocks

    def day(self) -> Floats:
        """A smooth rhythm between -1 at night and 1 in the afternoon."""
        return -np.cos(2 * np.pi * (self.at / DAY - 0.125))

    def office(self) -> NDArray[np.bool_]:
        """Monday to Friday."""
        return self.at % WEEK < 5 * DAY

    def wrong(self, first: int, points: int) -> slice:
        """Labels points as abnormal."""
        self.spans.append((first, first + points - 1))
        return slice(first, first + points)

    def lose(self, first: int, points: int) -> None:
        """Makes points missing."""
        self.is_kept[first : first + points] = False


def make(rng: np.random.Generator, name: str, draw: Callable[[Sketch], None]) -> LabelledSeries:
    """Draws a series."""
    sketch = Sketch(rng)
    draw(sketch)
    times = START_MS + sketch.at[sketch.is_kept] * STEP_MS
    return LabelledSeries(name, times, np.round(sketch.values[sketch.is_kept], 4), tuple(windows_of(sketch.spans)))


def windows_of(spans: Iterable[Span]) -> list[Window]:
    """Times of anomalies."""
    return [Window(START_MS + first * STEP_MS, START_MS + last * STEP_MS) for first, last in sorted(spans)]


def at(week: int, day: int, hour: float) -> int:
    """The point of a week, its day and an hour of the day, all counted from 0."""
    return week * WEEK + day * DAY + round(hour * HOUR)


def draw_daily(sketch: Sketch) -> None:
    """Requests with a daily rhythm; single points shoot up or fall to nothing."""
    sketch.values = 500 + 200 * sketch.day() + sketch.noise(15)
    for week, day, hour in ((3, 1, 3), (3, 4, 14), (4, 2, 9), (5, 0, 20)):
        sketch.values[sketch.wrong(at(week, day, hour), 1)] += 260
    for week, day, hour in ((4, 5, 15), (5, 3, 12)):
        sketch.values[sketch.wrong(at(week, day, hour), 1)] = 20


def draw_weekly(sketch: Sketch) -> None:
    """Office load, which is abnormal only on the wrong day: work on a Sunday, silence on a Wednesday."""
    hours = sketch.at % DAY / HOUR
    busy = np.clip(np.minimum(hours - 7, 18 - hours) / 2, 0, 1) * sketch.office()
    sketch.values = 40 + 300 * busy + sketch.noise(8, memory=0.5)
    sunday = sketch.wrong(at(3, 6, 10), 3 * HOUR)
    sketch.values[sunday] += 150
    wednesday = sketch.wrong(at(4, 2, 11), 2 * HOUR)
    sketch.values[wednesday] = 45 + sketch.noise(8)[wednesday]
    night = sketch.wrong(at(5, 1, 2), HOUR)
    sketch.values[night] += 90


def draw_trend(sketch: Sketch) -> None:
    """Usage that grows by half a percent of its level a week, which is normal, with steps that are not."""
    sketch.values = 200 + sketch.at / WEEK + 30 * sketch.day() + sketch.noise(6, memory=0.3)
    sketch.values[sketch.wrong(at(3, 2, 6), 6 * HOUR)] += 60
    sketch.values[sketch.wrong(at(4, 4, 18), 12 * HOUR)] -= 60
    sketch.values[sketch.wrong(at(5, 5, 1), 4 * HOUR)] += 80


def draw_shift(sketch: Sketch) -> None:
    """Response times without rhythm that change their level for a day, and in the end for good."""
    sketch.values = 120 + sketch.noise(5, memory=0.4)
    sketch.values[sketch.wrong(at(3, 3, 8), DAY)] += 50
    sketch.values[sketch.wrong(at(4, 1, 0), 2 * HOUR)] -= 45
    sketch.values[sketch.wrong(at(5, 4, 9), POINTS - at(5, 4, 9))] += 60


def draw_leak(sketch: Sketch) -> None:
    """Memory that leaks over hours until a restart: the label begins where the leak does."""
    sketch.values = 55 + 5 * sketch.day() + sketch.noise(1.2, memory=0.6)
    for week, day, hour, hours in ((3, 1, 5, 12), (4, 3, 20, 8), (5, 2, 0, 16)):
        points = hours * HOUR
        sketch.values[sketch.wrong(at(week, day, hour), points)] += np.linspace(0, 35, points)


def draw_gaps(sketch: Sketch) -> None:
    """Traffic with missing data, some of it right before or after what goes wrong."""
    sketch.values = 80 + 30 * sketch.day() + 20 * sketch.office() + sketch.noise(4, memory=0.3)
    for week, day, hour, hours in ((0, 2, 4, 3), (1, 5, 0, 24), (2, 1, 16, 6), (3, 0, 10, 2), (4, 2, 0, 30), (5, 1, 8, 5)):
        sketch.lose(at(week, day, hour), hours * HOUR)
    sketch.values[sketch.wrong(at(3, 0, 12), 2 * HOUR)] += 60
    sketch.values[sketch.wrong(at(3, 5, 4), HOUR)] += 45
    sketch.values[sketch.wrong(at(5, 1, 7), HOUR)] -= 45


def draw_noise(sketch: Sketch) -> None:
    """Latency with heavy tails, larger by day; only an hour of fourfold latency is abnormal."""
    sketch.values = 20 + 8 * sketch.day() + 6 * np.exp(sketch.noise(0.55))
    sketch.values[sketch.wrong(at(4, 3, 13), HOUR)] *= 4


def draw_counts(sketch: Sketch) -> None:
    """Errors, mostly none; a few dozen in each of several intervals are abnormal."""
    sketch.values = sketch.rng.poisson(0.4 + 0.3 * (sketch.day() > 0)).astype(np.float64)
    burst = sketch.wrong(at(3, 6, 23), 6)
    sketch.values[burst] += sketch.rng.poisson(25, 6)
    burst = sketch.wrong(at(5, 2, 11), 9)
    sketch.values[burst] += sketch.rng.poisson(25, 9)


def draw_flat(sketch: Sketch) -> None:
    """A pool of connections that is always 16, until half of it is gone; one more or less is nothing for long."""
    sketch.values = 16 + (sketch.rng.random(POINTS) < 0.02).astype(np.float64)
    sketch.values[sketch.wrong(at(4, 0, 16), 2 * HOUR)] = 8


def draw_ordinary(sketch: Sketch) -> None:
    """A daily and a weekly rhythm with noise that grows with the load, and nothing wrong at all."""
    load = 100 + 60 * sketch.day() + 25 * sketch.office()
    sketch.values = load * (1 + sketch.noise(0.06, memory=0.5))


SERIES: dict[str, Callable[[Sketch], None]] = {
    "daily-spikes": draw_daily,
    "weekly-wrong-day": draw_weekly,
    "trend-steps": draw_trend,
    "level-shifts": draw_shift,
    "drifting-leak": draw_leak,
    "gaps": draw_gaps,
    "heavy-tails": draw_noise,
    "rare-errors": draw_counts,
    "flat": draw_flat,
    "ordinary": draw_ordinary,
}
