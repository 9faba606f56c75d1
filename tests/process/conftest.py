"""Real processes: a whole deployment as an operator would start it, and HTTP as a client would speak it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

START_SECONDS = 60


@dataclass
class Deployment:
    """`lumetry serve` on free ports with a data directory of its own."""

    data_dir: Path
    options: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    token: str = ""

    def command(self, *arguments: str) -> str:
        """Runs a `lumetry` command on this deployment's data and gives its standard output."""
        return subprocess.run(
            [sys.executable, "-m", "lumetry_core", *arguments, "--data-dir", str(self.data_dir), *self.options],
            check=True,
            capture_output=True,
            text=True,
            env=self.environment(),
            timeout=120,
        ).stdout.strip()

    def environment(self) -> dict[str, str]:
        return {**os.environ, "LUMETRY_ADMIN_PASSWORD": "correct horse battery", **self.environ}

    def start(self) -> None:
        """Starts the server and waits until it serves."""
        addresses = self.data_dir / "addresses.json"
        addresses.unlink(missing_ok=True)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "lumetry_core",
                    "serve",
                    "--data-dir",
                    str(self.data_dir),
                    "--http",
                    "127.0.0.1:0",
                    "--grpc",
                    "127.0.0.1:0",
                    *self.options,
                ],
                stdout=log,
                stderr=log,
                env=self.environment(),
            )
        wait_until(addresses.exists, START_SECONDS, self.describe)
        if not self.token:
            self.token = self.command("token", "create", "--name", "test")

    def describe(self) -> str:
        return (self.data_dir / "server.log").read_text()[-4000:]

    @property
    def addresses(self) -> dict[str, str]:
        loaded: dict[str, str] = json.loads((self.data_dir / "addresses.json").read_text())
        return loaded

    def stop(self) -> int:
        """Ends the server as an operator would and tells its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def children(self) -> dict[str, int]:
        """The process ids of the roles."""
        import psutil  # noqa: PLC0415

        assert self.process is not None
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # it ended meanwhile
                found["gateway" if "gateway" in child.cmdline() else "core"] = child.pid
        return found

    def request(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """One HTTP request; the status and the decoded body, text for a calendar."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://{self.addresses['http']}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                raw = response.read()
                if response.headers.get_content_type() == "text/calendar":
                    return response.status, raw.decode()
                return response.status, json.loads(raw) if raw else None
        except urllib.error.HTTPError as error:
            with error:
                raw = error.read()
                return error.code, json.loads(raw) if raw else None


def wait_until(condition: Callable[[], Any], seconds: float, describe: Callable[[], str] = lambda: "") -> Any:
    """Polls until the condition gives something true, and fails with a description when it does not in time."""
    end = time.monotonic() + seconds
    pause = 0.02
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(pause)
    raise AssertionError(f"did not happen within {seconds} s: {describe()}")


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A running deployment on SQLite, ended after the test."""
    running = Deployment(tmp_path / "data")
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()
