from pathlib import Path

import pytest

from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.detecting_series import Window, find_windows, read_labels, read_series

NOON = 1_393_588_800_000
"""2014-02-28 12:00:00 in UTC."""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_read_series_with_labels_of_a_collection(tmp_path: Path) -> None:
    """A series finds its windows by the end of its path; times are UTC; order and repetitions are kept as they are."""
    rows = "timestamp,value\n2014-02-28 12:05:00,1.5\n2014-02-28 12:00:00,-2\n\n2014-02-28 12:00:00,3e2\n"
    path = write(tmp_path / "data" / "cloud" / "cpu.csv", rows)
    labels = write(tmp_path / "labels.json", '{"cloud/cpu.csv": [["2014-02-28 12:00:00.000000", "2014-02-28 12:05:00.000000"]]}')
    series = read_series(path, read_labels(labels))
    assert (series.name, series.times.tolist(), series.values.tolist(), series.windows) == (
        "cpu",
        [NOON + 300_000, NOON, NOON],
        [1.5, -2.0, 300.0],
        (Window(NOON, NOON + 300_000),),
    )


def test_read_series_with_a_file_of_its_own(tmp_path: Path) -> None:
    """Without labels of a collection, those beside the file count, in order of time."""
    path = write(tmp_path / "cpu.csv", "timestamp,value\n2014-02-28 12:00:00,1\n")
    write(tmp_path / "cpu.labels.json", '[["2014-02-28 13:00:00", "2014-02-28 14:00:00"], ["2014-02-28 12:00:00", "2014-02-28 12:30:00"]]')
    assert read_series(path, {}).windows == (Window(NOON, NOON + 1_800_000), Window(NOON + 3_600_000, NOON + 7_200_000))
    assert read_series(path, {"cpu.csv": []}).windows == ()


def test_find_windows_by_whole_names() -> None:
    """The longest name that the path ends with counts, and half a name does not."""
    near, far = [("a", "b")], [("c", "d")]
    assert find_windows(Path("/data/x/cpu.csv"), {"cpu.csv": far, "x/cpu.csv": near, "u.csv": far}) == near
    assert find_windows(Path("/data/x/cpu.csv"), {"u.csv": far}) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("time,value\n", "the first line must be timestamp,value"),
        ("", "the first line must be timestamp,value"),
        ("timestamp,value\n", "holds no points"),
        ("timestamp,value\n2014-02-28 12:00:00\n", ":2: holds 1 fields where 2 are due"),
        ("timestamp,value\n2014-02-28 12:00:00,1\nyesterday,1\n", ":3: Invalid isoformat string: 'yesterday'"),
        ("timestamp,value\n2014-02-28 12:00:00,high\n", ":2: could not convert string to float: 'high'"),
        ("timestamp,value\n2014-02-28 12:00:00,nan\n", ":2: nan is not a finite number"),
    ],
)
def test_read_series_that_is_none(tmp_path: Path, text: str, problem: str) -> None:
    """A file in another format is refused with the line at fault."""
    path = write(tmp_path / "cpu.csv", text)
    with pytest.raises(BenchError) as raised:
        read_series(path, {})
    assert str(raised.value).endswith(problem)


@pytest.mark.parametrize("text", ["[]", "{", '{"cpu.csv": [["2014-02-28 12:00:00"]]}'])
def test_read_labels_that_are_none(tmp_path: Path, text: str) -> None:
    """A file of labels in another shape is refused by its name."""
    path = write(tmp_path / "labels.json", text)
    with pytest.raises(BenchError, match=r"labels\.json"):
        read_labels(path)


def test_read_series_with_labels_that_are_no_times(tmp_path: Path) -> None:
    """A window whose ends are no times is refused."""
    path = write(tmp_path / "cpu.csv", "timestamp,value\n2014-02-28 12:00:00,1\n")
    with pytest.raises(BenchError, match="labels of"):
        read_series(path, {"cpu.csv": [("soon", "later")]})


def test_read_series_that_is_missing(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(BenchError, match=r"none\.csv"):
        read_series(tmp_path / "none.csv", {})
