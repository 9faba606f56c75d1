"""Labelled series in the published format of the Numenta Anomaly Benchmark: `timestamp,value` and windows of time that hold an anomaly."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec
import numpy as np

from lumetry_core.bench.connection import BenchError
from lumetry_core.metrics.model import Floats, Integers

HEADER = ("timestamp", "value")
SIDECAR = ".labels.json"
"""What the name of a file's own labels ends with, in place of its `.csv`."""


class Window(NamedTuple):
    """A labelled anomaly: from `start` to `end`, both included, in ms since the Unix epoch."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSeries:
    """Points in the order of their file, and the windows in which something was wrong, ascending."""

    name: str
    times: Integers
    values: Floats
    windows: tuple[Window, ...]


Labels = Mapping[str, Sequence[tuple[str, str]]]


def read_labels(path: Path) -> Labels:
    """Windows by the path of their series, as in `combined_windows.json`.

    Raises:
        BenchError: The file is no such thing.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[tuple[str, str]]])
    except (OSError, msgspec.DecodeError) as error:
        raise BenchError(f"{path}: {error}") from error


def read_sidecar(path: Path) -> Sequence[tuple[str, str]]:
    """The windows of one series, from a file of its own.

    Raises:
        BenchError: The file is no such thing.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[tuple[str, str]])
    except (OSError, msgspec.DecodeError) as error:
        raise BenchError(f"{path}: {error}") from error


def read_series(path: Path, labels: Labels) -> LabelledSeries:
    """A series with its windows: those that `labels` has for it, else those of the file `NAME.labels.json` beside it, else none.

    Raises:
        BenchError: A file is not in the format.
    """
    times, values = read_points(path)
    found = find_windows(path, labels)
    sidecar = path.with_name(path.stem + SIDECAR)
    if found is None and sidecar.exists():
        found = read_sidecar(sidecar)
    windows = []
    for start, end in found or ():
        try:
            windows.append(Window(parse_time(start), parse_time(end)))
        except ValueError as error:
            raise BenchError(f"labels of {path}: {error}") from error
    return LabelledSeries(path.stem, times, values, tuple(sorted(windows)))


def find_windows(path: Path, labels: Labels) -> Sequence[tuple[str, str]] | None:
    """The windows of a series, named by the end of its path; the longest name counts."""
    parts = path.absolute().parts
    named = [name for name in labels if PurePosixPath(name).parts == parts[-len(PurePosixPath(name).parts) :]]
    return labels[max(named, key=len)] if named else None


def read_points(path: Path) -> tuple[Integers, Floats]:
    """The columns of a file.

    Raises:
        BenchError: Names the line that is not in the format.
    """
    times, values = [], []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            if tuple(next(rows, ())) != HEADER:
                raise BenchError(f"{path}: the first line must be {','.join(HEADER)}")
            for number, row in enumerate(rows, start=2):
                if not row:
                    continue
                time, value = parse_row(row, f"{path}:{number}")
                times.append(time)
                values.append(value)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BenchError(f"{path}: {error}") from error
    if not times:
        raise BenchError(f"{path}: holds no points")
    return np.array(times, np.int64), np.array(values, np.float64)


def parse_row(row: Sequence[str], place: str) -> tuple[int, float]:
    """Time and value of a line.

    Raises:
        BenchError: It is not in the format.
    """
    if len(row) != len(HEADER):
        raise BenchError(f"{place}: holds {len(row)} fields where {len(HEADER)} are due")
    try:
        time, value = parse_time(row[0]), float(row[1])
    except ValueError as error:
        raise BenchError(f"{place}: {error}") from error
    if not math.isfinite(value):
        raise BenchError(f"{place}: {row[1]} is not a finite number")
    return time, value


def parse_time(text: str) -> int:
    """A time such as `2014-04-10 07:15:00`, which is UTC, in ms since the Unix epoch."""
    time = datetime.fromisoformat(text)
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
