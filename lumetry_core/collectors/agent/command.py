"""How the collector is started."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import click
import structlog

from lumetry_core.collectors.agent.address import AddressError, parse_target
from lumetry_core.collectors.agent.enrolling import EnrollmentError
from lumetry_core.collectors.agent.failures import RevokedError
from lumetry_core.collectors.agent.hostagent.command import AgentOptions, is_agent, read_settings
from lumetry_core.collectors.agent.settings import Settings
from lumetry_core.collectors.agent.state import StateError
from lumetry_core.collectors.agent.wanted import MAX_BUFFER_BYTES, MIN_BUFFER_BYTES
from lumetry_core.runtime.logging import configure_logging

log = structlog.get_logger(__name__)

STANDARD_INPUT = 0
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
Life = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set."""
NOT_ADMITTED = 77
"""The exit code that the units name in RestartPreventExitStatus; EX_NOPERM of sysexits.h."""


@click.command("run")
@click.option(
    "--url",
    envvar="LUMETRY_URL",
    required=True,
    help="The server: grpc://host:port, grpcs://host:port (TLS), or http(s)://host[:port] where a network passes no HTTP/2.",
)
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
    help="Where credential, configuration and buffer are kept.",
)
@click.option(
    "--interval",
    envvar="LUMETRY_INTERVAL",
    default=None,
    type=click.FloatRange(1, 3600),
    help="Seconds between samples of this host, in place of the configured ones; refused in agent mode, where rule packs say it.",
)
@click.option(
    "--buffer-bytes",
    envvar="LUMETRY_BUFFER_BYTES",
    default=None,
    type=click.IntRange(MIN_BUFFER_BYTES, MAX_BUFFER_BYTES),
    help="Disk space for points while the server is away, in place of the configured one; the oldest are dropped beyond it.",
)
@click.option(
    "--host-id", envvar="LUMETRY_HOST_ID", default=None, help="Identity of this host, in place of the one made of its machine id."
)
@click.option("--hostname", envvar="LUMETRY_HOSTNAME", default=None, help="Name of this host, in place of the system's.")
@click.option(
    "--agent", is_flag=True, envvar="LUMETRY_AGENT", help="Run as a host agent; an agent's token or state directory says so, too."
)
@click.option(
    "--collector-url",
    envvar="LUMETRY_COLLECTOR_URL",
    default=None,
    help="Of an agent: a collector that relays, as in grpc://host:4319, or http://host:4319 when that collector itself speaks HTTP.",
)
@click.option("--cluster", envvar="LUMETRY_CLUSTER", default=None, help="Of an agent: display name of the cluster to join.")
@click.option("--cluster-id", envvar="LUMETRY_CLUSTER_ID", default=None, help="Of an agent: external id of the cluster to join.")
@click.option(
    "--log-level",
    envvar="LUMETRY_LOG_LEVEL",
    default="INFO",
    show_default=True,
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    help="Least level that is logged.",
)
@click.option("--lifeline", is_flag=True, help="End when standard input closes.")
def run_command(
    *,
    url: str,
    enrollment_token: str | None,
    state_dir: Path,
    interval: float | None,
    buffer_bytes: int | None,
    host_id: str | None,
    hostname: str | None,
    agent: bool,
    collector_url: str | None,
    cluster: str | None,
    cluster_id: str | None,
    log_level: str,
    lifeline: bool,
) -> None:
    """Samples this host and sends the points to a server; keeps them on disk while it is away. Logs JSON, one object a line.

    Ends with code 77 when the server does not admit the collector: its enrollment token is missing or refused, or it was revoked. Starting
    it again does not help then.
    """
    configure_logging(log_level)
    try:
        target = parse_target(url)
    except AddressError as error:
        raise click.BadParameter(str(error), param_hint="--url") from error
    settings = Settings(target, enrollment_token, state_dir, interval, buffer_bytes, host_id, hostname)
    life = choose_life(settings, AgentOptions(agent, collector_url, cluster, cluster_id))
    try:
        asyncio.run(run_until_told(life, lifeline=lifeline))
    except StateError as error:
        end(error, 1)
    except (EnrollmentError, RevokedError) as error:
        end(error, NOT_ADMITTED)


def end(reason: Exception, code: int) -> NoReturn:
    """Ends the process; the last line of the log says why."""
    log.error(str(reason), exit_code=code)
    sys.exit(code)


def choose_life(settings: Settings, options: AgentOptions) -> Life:
    """A collector's or an agent's; only the code of the one is loaded."""
    if not is_agent(options, settings.enrollment_token, settings.state_folder):
        from lumetry_core.collectors.agent.process import run  # noqa: PLC0415 -- see the docstring

        return lambda stop: run(settings, stop)
    from lumetry_core.collectors.agent.hostagent.agent import run_agent  # noqa: PLC0415 -- see the docstring

    try:
        agent_settings = read_settings(settings, options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return lambda stop: run_agent(agent_settings, stop)


async def run_until_told(life: Life, *, lifeline: bool) -> None:
    """Runs until SIGTERM or SIGINT or, with a lifeline, until whoever holds the other end of standard input is gone."""
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
    await life(stop)
