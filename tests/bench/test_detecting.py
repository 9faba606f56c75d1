import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lumetry_core.bench.command import bench
from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.detecting import (
    choose_rules,
    detect,
    find_alarms,
    learned_at,
    read_all,
    render_reports,
    run_detect,
    unique_name,
)
from lumetry_core.bench.detecting_rules import DEFAULT_RULES, RECOMMENDED, make_rule
from lumetry_core.bench.detecting_scores import Alarm
from lumetry_core.bench.detecting_series import LabelledSeries, Window
from lumetry_core.bench.detecting_synthetic import START_MS, make_series
from lumetry_core.rules.model import RuleType, Severity

DAY, STEP = 86_400_000, 300_000


def noisy(days: int, name: str = "load", lift: slice | None = None) -> LabelledSeries:
    """Small noise around 100, with points that are much higher."""
    values = 100 + np.random.default_rng(1).normal(0, 1, days * 288)
    windows: tuple[Window, ...] = ()
    if lift is not None:
        values[lift] += 50
        windows = (Window(START_MS + lift.start * STEP, START_MS + (lift.stop - 1) * STEP),)
    return LabelledSeries(name, START_MS + np.arange(len(values)) * STEP, values, windows)


def test_find_alarms_learns_before_it_judges() -> None:
    """What comes before the rule is learned without being judged; each series has its own baseline and alerts."""
    series = [noisy(16, lift=slice(15 * 288, 15 * 288 + 6)), noisy(16)]
    learned = [START_MS + 14 * DAY] * 2
    opened = START_MS + 15 * DAY
    assert find_alarms(series, DEFAULT_RULES[RECOMMENDED].draft, learned) == [[Alarm(opened, opened + 11 * STEP)], []]


def test_find_alarms_ends_an_open_alert_with_its_series() -> None:
    """A level that stays is one alert until the last point."""
    series = [noisy(16, lift=slice(15 * 288, 16 * 288))]
    (alarms,) = find_alarms(series, DEFAULT_RULES[RECOMMENDED].draft, [START_MS + 14 * DAY])
    assert alarms == [Alarm(START_MS + 15 * DAY, int(series[0].times[-1]))]


def test_learned_at_is_at_most_half() -> None:
    """A short series keeps half of its time for scoring."""
    assert (learned_at(0, 100 * DAY, 21), learned_at(0, 14 * DAY, 21)) == (21 * DAY, 7 * DAY)


def test_detect_names_equal_series_apart() -> None:
    """Files of one name in several folders keep a row each."""
    series = [noisy(2, "a"), noisy(2, "b"), noisy(2, "a")]
    assert [unique_name(series, number) for number in range(3)] == ["a", "b", "a (2)"]
    assert list(detect(series, RECOMMENDED, 1).scores) == ["a", "b", "a (2)"]


def test_detect_finds_everything_synthetic() -> None:
    """The recommended rule has full recall on the shipped series, and false alarms only where the documents say."""
    found = detect(make_series(), RECOMMENDED, 21)
    assert found.total.recall == 1
    assert {name: one.false_alarms for name, one in found.scores.items() if one.false_alarms} == {"heavy-tails": 2, "flat": 42}
    assert found.total.longest_delay_minutes == 110


def test_make_rule_of_every_default() -> None:
    """All defaults are valid dynamic rules; the first one is recommended."""
    rules = {name: make_rule(one.draft) for name, one in DEFAULT_RULES.items()}
    assert {rule.type for rule in rules.values()} == {RuleType.DYNAMIC}
    assert RECOMMENDED == "stddev-two-levels"
    assert [level.severity for level in rules[RECOMMENDED].levels] == [Severity.WARNING, Severity.CRITICAL]


def test_choose_rules_by_name() -> None:
    """One, all, or the recommended one; an unknown name is answered with the known ones."""
    assert (choose_rules(""), choose_rules("stddev-3"), choose_rules("all")) == ([RECOMMENDED], ["stddev-3"], list(DEFAULT_RULES))
    with pytest.raises(BenchError, match="there is no default rule none; there are stddev-two-levels, "):
        choose_rules("none")


def test_read_all_needs_something() -> None:
    """No file and nothing synthetic is nothing to do."""
    with pytest.raises(BenchError, match="--synthetic"):
        read_all((), None, synthetic=False)
    assert len(read_all((), None, synthetic=True)) == 10


def test_render_reports_by_series_or_rule() -> None:
    """One rule is shown by series, several are compared; what was not observed is a dash."""
    series = [noisy(2)]
    (one,) = run_detect(series, [RECOMMENDED], 1, lambda _line: None)
    assert [line.split()[0] for line in render_reports([one]).splitlines()[-3:]] == ["-" * 6, "load", "all"]
    assert "–" in render_reports([one]).splitlines()[-1]
    both = render_reports(run_detect(series, [RECOMMENDED, "stddev-3"], 1, lambda _line: None)).splitlines()
    assert [line.split()[0] for line in both] == ["rule", "-" * 17, RECOMMENDED, "stddev-3"]


def test_bench_detect_on_files(tmp_path: Path) -> None:
    """Files and labels in, a table and a line of JSON out, or the JSON alone."""
    path = tmp_path / "a.csv"
    rows = [f"2024-01-{day:02d} {hour:02d}:00:00,{hour % 2 + 9 * (day == 30)}" for day in range(1, 31) for hour in range(24)]
    path.write_text("\n".join(["timestamp,value", *rows]))
    labels = tmp_path / "windows.json"
    labels.write_text('{"a.csv": [["2024-01-30 00:00:00", "2024-01-30 23:00:00"]]}')
    arguments = ["detect", str(path), "--labels", str(labels), "--learning-days", "14", "--rule", "envelope-20"]
    result = CliRunner().invoke(bench, [*arguments, "--json-file", str(tmp_path / "report.json")])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout.splitlines()[-1])
    assert printed["measurements"]["total"]["found"] == 1
    assert json.loads((tmp_path / "report.json").read_text()) == printed
    only = CliRunner().invoke(bench, [*arguments, "--json"])
    assert json.loads(only.stdout)["title"] == "Detection"


def test_bench_detect_says_what_is_wrong(tmp_path: Path) -> None:
    """A file that is none is a message, not a traceback."""
    result = CliRunner().invoke(bench, ["detect", str(tmp_path / "none.csv")])
    assert (result.exit_code, "none.csv" in result.output) == (1, True)
