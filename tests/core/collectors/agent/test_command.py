import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

RESIDENT_LIMIT = 60 * 1024 * 1024


@pytest.mark.parametrize("ending", ["sigterm", "lifeline"])
async def test_process_collects_until_told_to_end(core: Any, tmp_path: Path, ending: str) -> None:
    """A real process sends this host's figures, stays small, and ends with code 0 after delivering what it has."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lumetry_core.collectors.agent"),
        *("--url", f"grpc://127.0.0.1:{core.port}", "--state-dir", str(tmp_path / "state"), "--interval", "1", "--lifeline"),
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
    assert [event["event"] for event in events] == ["enrolled", "stopped"]
    assert core.token not in errors.decode()
    assert core.credential not in errors.decode()


@pytest.mark.parametrize(
    ("url", "code", "text"),
    [("http://127.0.0.1:8080", 2, "collectors do not speak HTTP"), ("grpc://127.0.0.1:1", 1, "needs an enrollment token")],
)
def test_command_says_why_it_cannot_run(tmp_path: Path, url: str, code: int, text: str) -> None:
    """A wrong address and a missing token are explained to people, without a traceback."""
    command = [sys.executable, "-m", "lumetry_core.collectors.agent", "--url", url, "--state-dir", str(tmp_path)]
    result = subprocess.run(command, env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert text in result.stderr
    assert "Traceback" not in result.stderr
