"""`lumetry bench replay`: how long it takes to replay a dynamic rule over points that are read already."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np

from lumetry_core.bench.detecting_rules import PROFILE, dynamic, make_rule, stddev
from lumetry_core.bench.detecting_synthetic import START_MS
from lumetry_core.bench.report import Better, Figure, Report
from lumetry_core.bench.usage import describe_machine
from lumetry_core.evaluation.compile import compile_rule
from lumetry_core.evaluation.state import StoredSeries
from lumetry_core.metrics.model import Floats, Integers
from lumetry_core.replay.engine import Replay
from lumetry_core.replay.history import hold_nothing

SEED = 20_240_102
METRIC_ID = 1
GRACE_MS = 120_000
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What to replay."""

    series: int = 100
    days: int = 30
    step_seconds: int = 60
    window_minutes: int = 5


def run_replay(options: ReplayOptions, progress: Callable[[str], None]) -> Report:
    """Replays made-up points with a daily rhythm, each day at once; a spike a day on each series breaches, once enough was learned."""
    machine, disturbed = describe_machine()
    watch = compile_rule(
        make_rule(replace(dynamic("Stddev", options.window_minutes, stddev("Warning", 10)), name="replay")), PROFILE, GRACE_MS
    )
    replay = Replay(
        {METRIC_ID: [watch]}, {METRIC_ID: [hold_nothing(PROFILE, METRIC_ID)]}, GRACE_MS, max_members={METRIC_ID: options.series}
    )
    replay.add_series([StoredSeries(number, METRIC_ID, {}, str(number)) for number in range(options.series)])
    rng = np.random.default_rng(SEED)
    seconds, used, points = 0.0, 0.0, 0
    for day in range(options.days):
        columns = make_day(rng, options, day)
        begin, before = time.perf_counter(), time.process_time()
        replay.take(*columns)
        seconds, used = seconds + time.perf_counter() - begin, used + time.process_time() - before
        points += len(columns[0])
        if day % 10 == 9:
            progress(f"{day + 1} days: {seconds:.2f} s")
    figures = [
        Figure("replay", seconds, "s", goal=60.0, better=Better.LOWER),
        Figure("replay: CPU", used, "s", better=Better.LOWER),
        Figure("points", points),
        Figure("points per second", points / seconds),
        Figure("violations", len(replay.violations)),
        Figure("alerts", len(replay.alerts)),
    ]
    notes = ["points are made, not read: decoding stored ones is not counted", *disturbed]
    return Report("Replay of a dynamic rule", asdict(options) | machine, figures, notes)


def make_day(rng: np.random.Generator, options: ReplayOptions, day: int) -> tuple[Integers, Integers, Floats]:
    """Points of a day, ascending by time: series, times and values."""
    seconds = np.arange(0, DAY_SECONDS, options.step_seconds)
    ids = np.tile(np.arange(options.series), len(seconds))
    times = np.repeat(START_MS + (day * DAY_SECONDS + seconds) * 1000, options.series)
    rhythm = np.repeat(100 - 30 * np.cos(2 * np.pi * seconds / DAY_SECONDS), options.series)
    values = rhythm + rng.normal(0, 3, len(ids))
    values[rng.integers(0, len(seconds), options.series) * options.series + np.arange(options.series)] += 500
    return ids, times, values
