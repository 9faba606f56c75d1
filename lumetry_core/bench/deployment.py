"""The servers under measurement: a real `lumetry serve`, and the peer, each in processes of its own on a temporary directory."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.usage import ProcessTree, wait_until

START_SECONDS = 90.0
STOP_SECONDS = 40.0
FOREIGN_SETTINGS = ("LUMETRY_DATA_DIR", "LUMETRY_DATABASE_URL", "LUMETRY_HTTP", "LUMETRY_GRPC", "LUMETRY_CONFIG")
"""Variables that must not lead a benchmark to somebody's data; all others take effect as usual."""
SCRAPES_NOTHING = "global: {scrape_interval: 1h}\n"


@dataclass(frozen=True, slots=True)
class Server:
    """A running Lumetry."""

    http: str
    grpc: str
    token: str
    tree: ProcessTree
    folder: Path

    def connect(self) -> Connection:
        """A connection to the gateway that carries the token."""
        return Connection(self.http, self.token)


@dataclass(frozen=True, slots=True)
class Peer:
    """A running Prometheus or Alertmanager."""

    address: str
    version: str
    tree: ProcessTree


@contextmanager
def run_server(folder: Path, database_url: str = "", further: Sequence[str] = ()) -> Iterator[Server]:
    """Starts Lumetry on `folder` (a new or a stopped deployment's) and stops it at the end.

    Args:
        further: More options of `lumetry serve`.

    Raises:
        BenchError: It did not become ready.
    """
    options = ["--data-dir", str(folder), *(["--database-url", database_url] if database_url else [])]
    addresses = folder / "addresses.json"
    addresses.unlink(missing_ok=True)
    serve = [*lumetry(), "serve", *options, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", *further]
    with run_process(serve, folder / "bench-server.log") as process:
        await_start(process, addresses.exists, "lumetry serve", folder / "bench-server.log")
        bound = msgspec.json.decode(addresses.read_bytes(), type=dict[str, str])
        with Connection(bound["http"]) as connection:
            await_start(process, lambda: connection.request("GET", "/readyz").status == 200, "lumetry serve", folder / "bench-server.log")
        yield Server(bound["http"], bound["grpc"], create_token(folder, options), ProcessTree(process.pid), folder)


def create_token(folder: Path, options: Sequence[str]) -> str:
    """A credential with every permission of the administrator.

    Raises:
        BenchError: The command failed.
    """
    name = f"bench-{os.getpid()}-{os.urandom(3).hex()}"
    command = [*lumetry(), "token", "create", "--name", name, *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment(), check=False)  # noqa: S603 -- our own command
    if done.returncode:
        raise BenchError(f"lumetry token create failed: {done.stderr[-2000:]}")
    return done.stdout.strip()


def prometheus_program() -> str | None:
    """Where Prometheus is installed; None when it is not."""
    return shutil.which("prometheus")


@contextmanager
def run_prometheus(folder: Path, config: str = SCRAPES_NOTHING) -> Iterator[Peer]:
    """Starts an empty Prometheus that accepts remote-write.

    Args:
        config: Its configuration file's text.

    Raises:
        BenchError: It is not installed or did not become ready.
    """
    program = prometheus_program()
    if program is None:
        raise BenchError("prometheus is not installed")
    file, log = folder / "prometheus.yml", folder / "prometheus.log"
    file.write_text(config)
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        "--web.enable-remote-write-receiver",
        f"--web.listen-address={address}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--config.file={file}",
        "--log.level=warn",
    ]
    with run_process(command, log) as process:
        await_start(process, lambda: is_ready(address), "prometheus", log)
        with Connection(address) as connection:
            version = connection.request("GET", "/api/v1/status/buildinfo").json(200)["data"]["version"]
        yield Peer(address, version, ProcessTree(process.pid))


def is_ready(address: str) -> bool:
    """Whether a peer answers that it is ready."""
    try:
        with Connection(address) as connection:
            return connection.request("GET", "/-/ready").status == 200
    except OSError:
        return False


@contextmanager
def run_process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command until the end of the block, its output in `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 -- our own command or the peer's
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent, env=environment()
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_start(process: subprocess.Popen[bytes], condition: Callable[[], bool], name: str, log: Path) -> None:
    """Waits until a started process serves.

    Raises:
        BenchError: It ended or took too long; the message carries the end of its log.
    """
    started = wait_until(lambda: process.poll() is not None or condition(), longest_seconds=START_SECONDS)
    if not started or process.poll() is not None:
        raise BenchError(f"{name} did not start:\n{log.read_text(errors='replace')[-3000:]}")


def make_folder(parent: Path | str, name: str) -> Path:
    """A new directory in another."""
    path = Path(parent) / name
    path.mkdir()
    return path


def lumetry() -> list[str]:
    """The command line program of this very installation."""
    return [sys.executable, "-m", "lumetry_core"]


HIGH_LIMITS = {
    "LUMETRY_RATE_INGEST_PER_SECOND": "1000000",
    "LUMETRY_RATE_OTHER_PER_SECOND": "1000000",
    "LUMETRY_LOGS_KEY_RPM": "1000000",
    "LUMETRY_LOGS_ORG_RPM": "1000000",
}
"""Limits are counted as always, but one credential stands for a whole fleet here."""


def environment() -> dict[str, str]:
    """The environment of the servers."""
    return HIGH_LIMITS | {name: value for name, value in os.environ.items() if name not in FOREIGN_SETTINGS}


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
