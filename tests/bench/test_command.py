from pathlib import Path

import pytest
from click.testing import CliRunner

from lumetry_core.bench.command import bench, show
from lumetry_core.bench.report import Figure, Report


@pytest.mark.parametrize("command", ["ingest", "list", "evaluate", "storm", "latency", "alarms"])
def test_bench_commands_explain_themselves(command: str) -> None:
    """Every benchmark has a help page, read without loading what it runs."""
    result = CliRunner().invoke(bench, [command, "--help"])
    assert result.exit_code == 0
    assert "--database-url" in result.output


def test_bench_refuses_unbounded_runs() -> None:
    """Length and size of a run are bounded."""
    result = CliRunner().invoke(bench, ["ingest", "--seconds", "100000"])
    assert result.exit_code == 2


def test_show_ends_with_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The last line is for programs, and the file holds the same."""
    show(Report("t", {}, [Figure("rate", 1.0)]), tmp_path / "report.json")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "t"
    assert lines[-1].startswith('{"title":"t"')
    assert (tmp_path / "report.json").read_text() == lines[-1] + "\n"
