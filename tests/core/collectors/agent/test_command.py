import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.core.collectors.agent.product_double import GrpcCore, HttpCore

RESIDENT_LIMIT = 60 * 1024 * 1024


@pytest.mark.parametrize("ending", ["sigterm", "lifeline"])
async def test_process_collects_until_told_to_end(core: GrpcCore | HttpCore, tmp_path: Path, ending: str) -> None:
    """A real process sends this host's figures, stays small, and ends with code 0 after delivering what it has."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lumetry_core.collectors.agent"),
        *("--url", core.target.url, "--state-dir", str(tmp_path / "state"), "--interval", "1", "--lifeline"),
        env={"LUMETRY_ENROLLMENT_TOKEN": core.token, "PATH": "/usr/bin"},
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    await core.until(lambda: {"host.cpu.percent", "host.memory.percent", "host.load1"} <= {point.metric_key for point in core.points})
    assert psutil.Process(process.pid).memory_info().rss < RESIDENT_LIMIT
    if ending == "sigterm":
        process.send_signal(signal.SIGTERM)
    else:
        process.stdin.close()
    errors = await process.stderr.read()
    assert await process.wait() == 0
    events = [json.loads(line) for line in errors.decode().splitlines()]
    assert [event["event"] for event in events] == [
        "an option stands above the configuration",
        "enrolled",
        "configuration applied",
        "stopped",
    ]
    assert core.token not in errors.decode()
    assert core.credential not in errors.decode()


def run_collector(url: str, state_folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A collector that is not expected to stay."""
    command = [sys.executable, "-m", "lumetry_core.collectors.agent", "--url", url, "--state-dir", str(state_folder), *options]
    return subprocess.run(command, env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=False)


def test_command_with_a_wrong_option(tmp_path: Path) -> None:
    """What is wrong with the command line is explained as to somebody at a terminal, without a traceback."""
    result = run_collector("ftp://127.0.0.1:8080", tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("Usage: ")
    assert "unknown scheme ftp" in result.stderr
    assert "Traceback" not in result.stderr


def test_command_with_a_log_level(tmp_path: Path) -> None:
    """Case does not matter; one that does not exist is refused with those that do."""
    known = run_collector("grpc://127.0.0.1:1", tmp_path, "--log-level", "warning")
    unknown = run_collector("grpc://127.0.0.1:1", tmp_path, "--log-level", "loud")
    assert (known.returncode, unknown.returncode) == (77, 2)
    assert "DEBUG" in unknown.stderr.upper()
    assert "Traceback" not in unknown.stderr


def test_command_without_a_token(tmp_path: Path) -> None:
    """The log says in one line why the process ends."""
    result = run_collector("grpc://127.0.0.1:1", tmp_path)
    [line] = [json.loads(line) for line in result.stderr.splitlines()]
    assert (result.returncode, line["level"], line["exit_code"]) == (77, "error", 77)
    assert line["event"] == "This collector has not enrolled yet and needs an enrollment token."


def test_command_with_a_state_directory_that_is_none(tmp_path: Path) -> None:
    """The log says in one line why the process ends; the next start may succeed."""
    occupied = tmp_path / "state" / "lock"
    occupied.mkdir(parents=True)
    result = run_collector("grpc://127.0.0.1:1", occupied.parent)
    [line] = [json.loads(line) for line in result.stderr.splitlines()]
    assert (result.returncode, line["level"], line["exit_code"]) == (1, "error", 1)
    assert str(occupied.parent) in line["event"]


def test_help_says_what_an_agent_does_not_take() -> None:
    """An interval that agent mode refuses is said to be none of it."""
    command = [sys.executable, "-m", "lumetry_core.collectors.agent", "--help"]
    result = subprocess.run(command, env={"PATH": "/usr/bin", "COLUMNS": "500"}, capture_output=True, text=True, check=True)
    assert "refused in agent mode" in " ".join(result.stdout.split())


async def test_process_of_a_revoked_collector_ends_with_its_own_code(core: GrpcCore | HttpCore, tmp_path: Path) -> None:
    """The unit does not start it again, and the log says what to do."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lumetry_core.collectors.agent"),
        *("--url", core.target.url, "--state-dir", str(tmp_path / "state"), "--interval", "1"),
        env={"LUMETRY_ENROLLMENT_TOKEN": core.token, "PATH": "/usr/bin", "LUMETRY_HOST_ID": "host-7", "LUMETRY_HOSTNAME": "seven"},
        stderr=asyncio.subprocess.PIPE,
    )
    await core.until(lambda: core.points)
    core.credential = "revoked"
    _, errors = await process.communicate()
    assert process.returncode == 77
    last = [json.loads(line) for line in errors.decode().splitlines()][-1]
    assert (last["level"], last["exit_code"]) == ("error", 77)
    assert "its credential was revoked" in last["event"]
    assert errors.decode().count("its credential was revoked") == 1
    assert {(point.labels["host.id"], point.labels["host.name"]) for point in core.points} == {("host-7", "seven")}
    assert core.enrollments[0].hostname == "seven"
