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


@pytest.mark.parametrize(
    ("url", "code", "text"),
    [("ftp://127.0.0.1:8080", 2, "unknown scheme ftp"), ("grpc://127.0.0.1:1", 77, "needs an enrollment token")],
)
def test_command_says_why_it_cannot_run(tmp_path: Path, url: str, code: int, text: str) -> None:
    """A wrong address and a missing token are explained to people, without a traceback."""
    command = [sys.executable, "-m", "lumetry_core.collectors.agent", "--url", url, "--state-dir", str(tmp_path)]
    result = subprocess.run(command, env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert text in result.stderr
    assert "Traceback" not in result.stderr


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
    assert errors.decode().count("its credential was revoked") == 1
    assert {(point.labels["host.id"], point.labels["host.name"]) for point in core.points} == {("host-7", "seven")}
    assert core.enrollments[0].hostname == "seven"
