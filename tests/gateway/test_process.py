"""The gateway as a process: ready line, answers, drain."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from gateway.config import Config, read_config
from lumetry.alerts.v1 import alert_service_pb2

BEARER = {"Authorization": "Bearer lmt_1"}


@dataclass
class Running:
    """A gateway process and where it serves."""

    process: asyncio.subprocess.Process
    url: str


@pytest.fixture
async def gateway(core: Any) -> AsyncIterator[Running]:
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "gateway", "--http", "127.0.0.1:0", "--core", core.address, "--ready-fd", str(writing), "--lifeline"]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, pass_fds=(writing,), env={"PYTHONPATH": "proto/gen:."}
    )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        line = await asyncio.to_thread(pipe.readline)
    yield Running(process, f"http://{json.loads(line)['http']}")
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def test_drain_on_sigterm(gateway: Running, core: Any) -> None:
    """A request that is under way is answered, then the process ends with code 0; log lines are JSON."""
    asked, release = asyncio.Event(), asyncio.Event()

    async def answer(_request: Any, _context: Any) -> Any:
        asked.set()
        await release.wait()
        return alert_service_pb2.ListAlertsResponse()

    core.answers["ListAlerts"] = answer
    async with aiohttp.ClientSession(gateway.url) as client:
        waiting = asyncio.create_task(fetch(client, "/api/alerts"))
        await asked.wait()
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.stderr is not None
        events = [json.loads(await gateway.process.stderr.readline())["event"] for _ in range(2)]
        release.set()
        assert await waiting == (200, [])
    async with asyncio.timeout(10):
        assert (await gateway.process.wait(), events) == (0, ["serving", "draining"])


async def test_end_with_lifeline(gateway: Running) -> None:
    """When whoever started the process is gone, it ends."""
    assert gateway.process.stdin is not None
    gateway.process.stdin.close()
    async with asyncio.timeout(10):
        assert await gateway.process.wait() == 0


async def fetch(client: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    async with client.get(path, headers=BEARER) as response:
        return response.status, await response.json()


def test_read_flags_before_environment() -> None:
    """A flag wins over the environment, the environment over the default."""
    environ = {"LUMETRY_HTTP": "[::1]:1", "LUMETRY_CORE": "core:2", "LUMETRY_LOG_LEVEL": "debug"}
    assert read_config([], {}) == Config()
    assert read_config([], environ) == Config(http="[::1]:1", core="core:2", log_level="DEBUG")
    assert read_config(["--http", "x:3", "--http", "y:4", "--ready-fd", "5", "--lifeline"], environ) == Config(
        http="y:4", core="core:2", log_level="DEBUG", ready_fd=5, lifeline=True
    )


@pytest.mark.parametrize("arguments", [["--http", "8080"], ["--http", "a:70000"], ["--log-level", "LOUD"], ["--nothing"]])
def test_refuse_wrong_options(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option ends the process with its usage."""
    with pytest.raises(SystemExit):
        read_config(arguments, {})
    assert "usage: gateway" in capsys.readouterr().err
