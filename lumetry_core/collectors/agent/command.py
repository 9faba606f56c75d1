"""How the collector is started."""

import asyncio
import os
import signal
from pathlib import Path

import click

from lumetry_core.collectors.agent.address import AddressError, parse_target
from lumetry_core.collectors.agent.buffer import DEFAULT_CAP_BYTES
from lumetry_core.collectors.agent.process import EnrollmentError, Settings, run
from lumetry_core.collectors.agent.state import StateError
from lumetry_core.runtime.logging import configure_logging

STANDARD_INPUT = 0
MIN_BUFFER_BYTES = 1024 * 1024
MAX_BUFFER_BYTES = 10 * 1024**3


@click.command("run")
@click.option("--url", envvar="LUMETRY_URL", required=True, help="The core: grpc://host:port, grpcs://host:port (TLS) or host:port.")
@click.option(
    "--enrollment-token",
    envvar="LUMETRY_ENROLLMENT_TOKEN",
    default=None,
    help="Single-use token of a registered collector; needed at the first start. Prefer the variable: arguments are visible to others.",
)
@click.option(
    "--state-dir",
    envvar="LUMETRY_STATE_DIR",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where credential and buffer are kept.",
)
@click.option(
    "--interval",
    envvar="LUMETRY_INTERVAL",
    default=60.0,
    show_default=True,
    type=click.FloatRange(1, 3600),
    help="Seconds between samples.",
)
@click.option(
    "--buffer-bytes",
    envvar="LUMETRY_BUFFER_BYTES",
    default=DEFAULT_CAP_BYTES,
    show_default=True,
    type=click.IntRange(MIN_BUFFER_BYTES, MAX_BUFFER_BYTES),
    help="Disk space for points while the core is away; the oldest are dropped beyond it.",
)
@click.option("--log-level", envvar="LUMETRY_LOG_LEVEL", default="INFO", show_default=True, help="Least level that is logged.")
@click.option("--lifeline", is_flag=True, help="End when standard input closes.")
def run_command(
    *, url: str, enrollment_token: str | None, state_dir: Path, interval: float, buffer_bytes: int, log_level: str, lifeline: bool
) -> None:
    """Samples this host and sends the points to a core; keeps them on disk while it is away."""
    configure_logging(log_level)
    try:
        target = parse_target(url)
    except AddressError as error:
        raise click.BadParameter(str(error), param_hint="--url") from error
    settings = Settings(target, enrollment_token, state_dir, interval, buffer_bytes)
    try:
        asyncio.run(run_until_told(settings, lifeline=lifeline))
    except (StateError, EnrollmentError) as error:
        raise click.ClickException(str(error)) from error


async def run_until_told(settings: Settings, *, lifeline: bool) -> None:
    """Runs a collector until SIGTERM or SIGINT or, with a lifeline, until whoever holds the other end of standard input is gone."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def read_lifeline() -> None:
        if not os.read(STANDARD_INPUT, 1024):
            loop.remove_reader(STANDARD_INPUT)
            stop.set()

    if lifeline:
        loop.add_reader(STANDARD_INPUT, read_lifeline)
    await run(settings, stop)
