"""What a benchmark found, as a table for people and as JSON for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np


class Better(StrEnum):
    """The direction in which a figure improves."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `floor` is what it must reach, `goal` what it should reach; None where nothing was promised."""

    name: str
    value: float
    unit: str = ""
    floor: float | None = None
    goal: float | None = None
    better: Better = Better.HIGHER

    @property
    def verdict(self) -> str:
        """`goal`, `floor` or `missed`; empty without a promise."""
        if self.goal is not None and self._reaches(self.goal):
            return "goal"
        if self.floor is None:
            return "" if self.goal is None else "missed"
        return "floor" if self._reaches(self.floor) else "missed"

    def _reaches(self, target: float) -> bool:
        return self.value >= target if self.better is Better.HIGHER else self.value <= target


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one run, its conditions, and the raw measurements behind the figures."""

    title: str
    conditions: Mapping[str, Any]
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    measurements: Mapping[str, Any] = field(default_factory=dict)
    valid: bool = True
    """False: other work disturbed the run so much that its figures say nothing about the product."""


MUCH_DISTURBANCE = 0.10
"""Share of the machine above which other processes spoil a run."""


def is_valid(foreign_share: float) -> bool:
    """Whether figures measured beside so much other work, as a share of all cores, say anything."""
    return foreign_share <= MUCH_DISTURBANCE


def disturbance_figure(foreign_share: float) -> Figure:
    """Other work as a figure."""
    return Figure("other processes: share of all cores, worst phase", foreign_share * 100, "%", better=Better.LOWER)


def disturbance_notes(foreign_share: float) -> list[str]:
    """What a reader must know of other work; empty when a run is valid."""
    if is_valid(foreign_share):
        return []
    return [f"NOT VALID as a result: other processes used up to {foreign_share:.0%} of the machine while it was measured"]


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles of answer times in milliseconds."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


def summarize_latency(seconds: Sequence[float]) -> Latency:
    """Quantiles by nearest rank, so that each is a time that was really observed. Without observations all are NaN."""
    if not seconds:
        nan = float("nan")
        return Latency(0, nan, nan, nan, nan)
    ordered = np.sort(np.asarray(seconds, dtype=np.float64)) * 1000
    p50, p90, p99 = (float(ordered[nearest_rank(len(ordered), share)]) for share in (0.5, 0.9, 0.99))
    return Latency(len(ordered), p50, p90, p99, float(ordered[-1]))


def nearest_rank(count: int, share: float) -> int:
    """Position, from 0, of the smallest of `count` ordered values that at least `share` of them do not exceed."""
    return max(0, -int(-(count * share) // 1) - 1)


def render_table(report: Report) -> str:
    """The report as text for a terminal: conditions, one line per figure, notes."""
    header = ("figure", "value", "unit", "floor", "goal", "verdict")
    rows = [
        (figure.name, show(figure.value), figure.unit, show_target(figure, figure.floor), show_target(figure, figure.goal), figure.verdict)
        for figure in report.figures
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [report.title, "  ".join(f"{name}={value}" for name, value in report.conditions.items()), ""]
    lines.append(align(header, widths))
    lines.append("  ".join("-" * width for width in widths))
    lines.extend(align(row, widths) for row in rows)
    lines.extend(("", *(f"- {note}" for note in report.notes)) if report.notes else ())
    return "\n".join(lines)


def align(row: Sequence[str], widths: Sequence[int]) -> str:
    """Puts a row's cells under their headings: names and units to the left, numbers to the right."""
    left = {0, 2, 5}
    cells = (
        cell.ljust(width) if column in left else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def show_target(figure: Figure, target: float | None) -> str:
    """A promised number with the direction in which it binds."""
    if target is None:
        return ""
    return f"{'≥' if figure.better is Better.HIGHER else '≤'} {show(target)}"


def show(value: float) -> str:
    """A number with about four digits that matter."""
    if value != value:  # noqa: PLR0124 -- NaN: nothing was observed
        return "–"
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 4
    return f"{value:,.{digits}f}" if size else "0"


def encode_json(report: Report) -> str:
    """The report as one line of JSON; each figure carries its verdict, a number that was not observed is null."""
    plain = msgspec.to_builtins(report)
    for row, figure in zip(plain["figures"], report.figures, strict=True):
        row["verdict"] = figure.verdict
    return msgspec.json.encode(plain).decode()
