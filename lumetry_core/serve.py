"""What `lumetry serve` and its sisters do around the processes: data directory, schema, one server per data directory."""

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lumetry_core.backup import BackupError, restore
from lumetry_core.config import Config
from lumetry_core.migrations.run import read_revision, upgrade
from lumetry_core.runtime.logging import configure_logging
from lumetry_core.supervisor import StartError, commands, stop_on_signals, supervise


def serve_everything(config: Config) -> int:
    """Migrates, runs core and gateway until a signal ends them; the process's exit code."""
    configure_logging(config.log_level)
    prepare(config)
    with lock(config.data_dir, "serve") as locked:
        if not locked:
            raise SystemExit(f"another server runs on {config.data_dir}")
        try:
            asyncio.run(serve_until_stopped(config))
        except StartError as error:
            raise SystemExit(str(error)) from error
    return 0


async def serve_until_stopped(config: Config, on_ready: asyncio.Event | None = None, stop: asyncio.Event | None = None) -> None:
    """Runs both roles until a signal comes or `stop` is set."""
    stopped = stop or asyncio.Event()
    stop_on_signals(stopped)
    await supervise(commands(core_options(config), config.http, config.log_level), config.data_dir, stopped, on_ready)


def core_options(config: Config) -> list[str]:
    """The flags that make the core's process see the same configuration; sections reach it by environment and file."""
    options = ["--data-dir", str(config.data_dir), "--grpc", config.grpc, "--log-level", config.log_level]
    options += ["--sqlite-synchronous", config.sqlite_synchronous]
    if config.database_url:
        options += ["--database-url", config.database_url]
    options.append("--allow-private-webhooks" if config.allow_private_webhooks else "--forbid-private-webhooks")
    if config.reflection is not None:
        options.append("--reflection" if config.reflection else "--no-reflection")
    return options


def prepare(config: Config) -> str:
    """Makes the data directory and brings the database to the newest schema; tells the schema's revision."""
    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    upgrade(config.effective_database_url)
    revision, _newest = read_revision(config.effective_database_url)
    return revision or ""


def restore_backup(config: Config, file: Path) -> None:
    """Replaces the database by a backup and migrates it.

    Raises:
        BackupError: A server runs on the data directory, or the backup cannot be used.
    """
    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock(config.data_dir, "serve") as free, lock(config.data_dir, "core") as idle:
        if not (free and idle):
            raise BackupError(f"A server runs on {config.data_dir}; stop it first.")
        restore(config.effective_database_url, file)
    prepare(config)


@contextmanager
def lock(data_dir: Path, name: str) -> Iterator[bool]:
    """Holds an advisory lock of the data directory; False when another process has it. It ends with the process."""
    with (data_dir / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
