"""`lumetry serve`: one server per data directory. This process stays small: what needs the store runs in its children."""

import asyncio
import os
import subprocess
import sys

from lumetry_core.config import Config
from lumetry_core.runtime.logging import configure_logging
from lumetry_core.supervisor import StartError, commands, lock, stop_on_signals, supervise


def serve_everything(config: Config) -> int:
    """Migrates, runs core and gateway until a signal ends them; the process's exit code."""
    configure_logging(config.log_level)
    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock(config.data_dir, "serve") as locked:
        if not locked:
            raise SystemExit(f"another server runs on {config.data_dir}")
        share_database_url(config)
        migrated = subprocess.run([sys.executable, "-m", "lumetry_core", "migrate", *store_options(config)], stdout=2, check=False)  # noqa: S603
        if migrated.returncode != 0:
            return migrated.returncode
        try:
            asyncio.run(serve_until_stopped(config))
        except StartError as error:
            raise SystemExit(str(error)) from error
    return 0


async def serve_until_stopped(config: Config, on_ready: asyncio.Event | None = None, stop: asyncio.Event | None = None) -> None:
    """Runs both roles until a signal comes or `stop` is set."""
    share_database_url(config)
    stopped = stop or asyncio.Event()
    stop_on_signals(stopped)
    await supervise(commands(core_options(config), config.http, config.log_level), config.data_dir, stopped, on_ready)


def core_options(config: Config) -> list[str]:
    """The flags that make the core's process see the same configuration; sections reach it by environment and file."""
    options = [*store_options(config), "--grpc", config.grpc, "--sqlite-synchronous", config.sqlite_synchronous]
    options.append("--allow-private-webhooks" if config.allow_private_webhooks else "--forbid-private-webhooks")
    if config.secret_key_file is not None:
        options += ["--secret-key-file", str(config.secret_key_file)]
    if config.reflection is not None:
        options.append("--reflection" if config.reflection else "--no-reflection")
    return options


def store_options(config: Config) -> list[str]:
    """The flags that name the store, for any command; see `share_database_url`."""
    return ["--data-dir", str(config.data_dir), "--log-level", config.log_level]


def share_database_url(config: Config) -> None:
    """Makes children use the configured database. Not by a flag: the address may hold a password, and everybody sees flags."""
    if config.database_url:
        os.environ["LUMETRY_DATABASE_URL"] = config.database_url
