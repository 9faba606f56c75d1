"""`lumetry bench detect`: how well a default rule finds what is labelled in series, and how often it cries wolf.

The series go through the evaluator as replays do, in order of time, each as a member of one metric.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lumetry_core.baselines.candidates import no_candidates
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.weeks import WeekClock
from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.detecting_rules import DEFAULT_RULES, PROFILE, RECOMMENDED, make_rule
from lumetry_core.bench.detecting_scores import MINUTE_MS, Alarm, Score, score, total
from lumetry_core.bench.detecting_series import LabelledSeries, read_labels, read_series
from lumetry_core.bench.detecting_synthetic import make_series
from lumetry_core.bench.report import Better, Figure, Report, render_table, show
from lumetry_core.evaluation.compile import compile_rule
from lumetry_core.evaluation.state import StoredSeries
from lumetry_core.metrics.model import Floats, Integers
from lumetry_core.replay.engine import Replay
from lumetry_core.replay.history import hold_history
from lumetry_core.rules.draft import RuleDraft

METRIC_ID = 1
GRACE_MS = 120_000
DAY_MS = 86_400_000
HEADER = ("series", "windows", "found", "recall", "alerts", "false", "precision", "delay med", "delay max", "false/week", "stray %")


@dataclass(frozen=True, slots=True)
class Detection:
    """What a rule found in series; `scores` by the series' names."""

    rule: str
    scores: Mapping[str, Score]
    points: int
    seconds: float

    @property
    def total(self) -> Score:
        """Of all series together."""
        return total(self.scores.values())


def read_all(files: Iterable[Path], labels: Path | None, *, synthetic: bool) -> list[LabelledSeries]:
    """The series of files, then those that are made up.

    Raises:
        BenchError: A file is not in the format, or there is nothing to read.
    """
    known = {} if labels is None else read_labels(labels)
    series = [read_series(path, known) for path in files] + (make_series() if synthetic else [])
    if not series:
        raise BenchError("give files with series, or --synthetic")
    return series


def choose_rules(name: str) -> list[str]:
    """The default rules that are meant: one by name, `all`, or without a name the recommended one.

    Raises:
        BenchError: There is no such rule.
    """
    if name == "all":
        return list(DEFAULT_RULES)
    if name and name not in DEFAULT_RULES:
        raise BenchError(f"there is no default rule {name}; there are {', '.join(DEFAULT_RULES)}, and all")
    return [name or RECOMMENDED]


def detect(series: Sequence[LabelledSeries], rule: str, learning_days: float) -> Detection:
    """Runs a default rule over series and scores its alerts."""
    begin = time.perf_counter()
    learned = [learned_at(int(one.times.min()), int(one.times.max()), learning_days) for one in series]
    alarms = find_alarms(series, DEFAULT_RULES[rule].draft, learned)
    scores = {
        unique_name(series, number): score(one.windows, alarms[number], learned[number], int(one.times.max()))
        for number, one in enumerate(series)
    }
    return Detection(rule, scores, sum(len(one.times) for one in series), time.perf_counter() - begin)


def unique_name(series: Sequence[LabelledSeries], number: int) -> str:
    """A series' name, numbered where an earlier one has the same."""
    name = series[number].name
    before = sum(one.name == name for one in series[:number])
    return f"{name} ({before + 1})" if before else name


def learned_at(first: int, end: int, learning_days: float) -> int:
    """End of the learning period, which is at most half of a series."""
    return first + min(round(learning_days * DAY_MS), (end - first) // 2)


def find_alarms(series: Sequence[LabelledSeries], draft: RuleDraft, learned: Sequence[int]) -> list[list[Alarm]]:
    """The alerts of a rule on each series; one that stays open ends with its series.

    Args:
        learned: For each series the time at which the rule is made: points before are learned as by a bootstrap, without being judged.
    """
    watch = compile_rule(make_rule(draft), PROFILE, GRACE_MS)
    ids = np.concatenate([np.full(len(one.times), number) for number, one in enumerate(series)])
    times, values = np.concatenate([one.times for one in series]), np.concatenate([one.values for one in series])
    order = np.argsort(times, kind="stable")
    ids, times, values = ids[order], times[order], values[order]
    is_history = times < np.array(learned)[ids]
    held = hold_history(PROFILE, METRIC_ID, learn(ids[is_history], times[is_history], values[is_history], len(series)), no_candidates())
    replay = Replay({METRIC_ID: [watch]}, {METRIC_ID: [held]}, GRACE_MS, max_members={METRIC_ID: len(series)})
    replay.add_series([StoredSeries(number, METRIC_ID, {}, str(number)) for number in range(len(series))])
    replay.take(ids[~is_history], times[~is_history], values[~is_history])
    found: list[list[Alarm]] = [[] for _ in series]
    for alert in replay.alerts:
        number = int(alert.dimension_key or 0)
        found[number].append(Alarm(alert.start, int(series[number].times.max()) if alert.end is None else alert.end))
    return found


def learn(members: Integers, times: Integers, values: Floats, member_count: int) -> Learned:
    """Learns points as they are."""
    learned = Learned(str(number) for number in range(member_count))
    learned.add(members, WeekClock(PROFILE.time_zone).minutes_of_week(times), times // MINUTE_MS, values)
    return learned


def run_detect(
    series: Sequence[LabelledSeries], rules: Sequence[str], learning_days: float, progress: Callable[[str], None]
) -> list[Report]:
    """One report for each rule."""
    reports = []
    for rule in rules:
        progress(f"{rule}: {DEFAULT_RULES[rule].words}")
        reports.append(describe(detect(series, rule, learning_days), learning_days))
    return reports


def describe(detection: Detection, learning_days: float) -> Report:
    """What a rule found, as other benchmarks report it; the raw numbers are by series."""
    found = detection.total
    figures = [
        Figure("recall: windows found", found.recall * 100, "%", goal=100.0),
        Figure("precision: alerts that meet a window", found.precision * 100, "%"),
        Figure("false alarms of a series", found.false_alarms_per_week, "per week", better=Better.LOWER),
        Figure("detection delay, median", found.median_delay_minutes, "min", better=Better.LOWER),
        Figure("detection delay, longest", found.longest_delay_minutes, "min", better=Better.LOWER),
        Figure("time in alert outside windows", found.stray_percent, "%", better=Better.LOWER),
        Figure("alerts", found.alerts),
        Figure("points", detection.points),
        Figure("run time", detection.seconds, "s", better=Better.LOWER),
    ]
    conditions = {"rule": detection.rule, "series": len(detection.scores), "learning_days": learning_days}
    notes = [
        DEFAULT_RULES[detection.rule].words,
        f"baseline: minute of week, {PROFILE.minimum_points} points at least, {PROFILE.time_zone}",
        "learning period: learned without being judged, as when a rule is made on a metric with a past; at most half of a series",
        "an alert that meets a window is a detection of it, whenever it opened; one that meets none is a false alarm",
    ]
    rows = [{"series": name} | figures_of(one) for name, one in detection.scores.items()]
    return Report("Detection", conditions, figures, notes, {"series": rows, "total": figures_of(found)})


def figures_of(found: Score) -> dict[str, float | int | None]:
    """The figures of a score for programs; None where nothing was observed."""
    counts = {name: value for name, value in asdict(found).items() if name not in ("delays_ms", "scored_ms", "stray_ms")}
    rates = {
        "recall": found.recall,
        "precision": found.precision,
        "median_delay_minutes": found.median_delay_minutes,
        "longest_delay_minutes": found.longest_delay_minutes,
        "false_alarms_per_week": found.false_alarms_per_week,
        "stray_percent": found.stray_percent,
    }
    return counts | {name: None if math.isnan(value) else value for name, value in rates.items()}


def render_reports(reports: Sequence[Report]) -> str:
    """Tables for people: by series for one rule, by rule for several."""
    if len(reports) > 1:
        return render_rules(reports)
    return "\n\n".join((render_table(reports[0]), render_series(reports[0])))


def render_series(detection: Report) -> str:
    """The table by series, with the total last."""
    rows = [HEADER, *(cells(row, str(row["series"])) for row in detection.measurements["series"])]
    rows.append(cells(detection.measurements["total"], "all"))
    return render(rows)


def render_rules(reports: Sequence[Report]) -> str:
    """The table by rule."""
    return render([("rule", *HEADER[1:]), *(cells(one.measurements["total"], str(one.conditions["rule"])) for one in reports)])


def render(rows: Sequence[Sequence[str]]) -> str:
    """Rows under a heading, in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]) for row in rows
    ]
    return "\n".join([lines[0].rstrip(), "  ".join("-" * width for width in widths), *lines[1:]])


def cells(row: Mapping[str, float | int | None], name: str) -> tuple[str, ...]:
    """A row of a table."""

    def shown(key: str, factor: float = 1.0) -> str:
        value = row[key]
        return "–" if value is None else show(value * factor)

    return (
        name,
        str(row["windows"]),
        str(row["found"]),
        shown("recall", 100),
        str(row["alerts"]),
        str(row["false_alarms"]),
        shown("precision", 100),
        shown("median_delay_minutes"),
        shown("longest_delay_minutes"),
        shown("false_alarms_per_week"),
        shown("stray_percent"),
    )
