"""`lumetry demo`: the pieces in their order."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import click
import grpc

from lumetry_core.administration import open_deployment
from lumetry_core.bootstrap import admin_password_file
from lumetry_core.collectors.agent.host import host_labels
from lumetry_core.config import Config
from lumetry_core.demo.burn import burning, core_count
from lumetry_core.demo.narrate import narrate
from lumetry_core.demo.rules import Metadata, create_rules, starter_rules
from lumetry_core.demo.seed import Seed, collector_folder, seed, token_file
from lumetry_core.demo.topology import host_topology, push_topology
from lumetry_core.demo.welcome import Place, welcome
from lumetry_core.maintenance import prepare
from lumetry_core.runtime.clock import SystemClock
from lumetry_core.runtime.logging import configure_logging
from lumetry_core.serve import serve_until_stopped
from lumetry_core.supervisor import StartError, lock

SAMPLE_SECONDS = 2
BURN_SECONDS = 60.0
STORY_SECONDS = 240.0
COLLECTOR_STOP_SECONDS = 8.0
QUIET_LEVEL = "WARNING"
"""In place of the default level of the processes' own log, so that the demo's lines stand out."""


def run_demo(config: Config, *, spike: bool) -> int:
    """Runs the demo in the foreground until a signal ends it; the process's exit code."""
    config = replace(config, log_level=QUIET_LEVEL) if config.log_level == Config().log_level else config
    configure_logging(config.log_level)
    prepare(config)
    with lock(config.data_dir, "serve") as locked:
        if not locked:
            raise SystemExit(f"another server runs on {config.data_dir}")
        try:
            asyncio.run(play(config, spike=spike))
        except StartError as error:
            raise SystemExit(str(error)) from error
    return 0


async def play(config: Config, *, spike: bool) -> None:
    """Seeds, serves, and shows; ends when the server does."""
    async with open_deployment(config) as database:
        seeded = await seed(database, SystemClock(), config.data_dir)
    stop, ready = asyncio.Event(), asyncio.Event()
    server = asyncio.create_task(serve_until_stopped(config, ready, stop))
    show = asyncio.create_task(present(config, seeded, ready, spike=spike))
    try:
        done, _ = await asyncio.wait([server, show], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        show.cancel()
        await asyncio.gather(show, return_exceptions=True)
        stop.set()
        await asyncio.gather(server, return_exceptions=True)


async def present(config: Config, seeded: Seed, ready: asyncio.Event, *, spike: bool) -> None:
    """Shows the demo on a running server, then keeps the collector at work until cancelled."""
    await ready.wait()
    addresses = json.loads((config.data_dir / "addresses.json").read_text())
    metadata = (("authorization", f"Bearer {seeded.api_token}"),)
    async with collecting(addresses["grpc"], seeded, config.data_dir), grpc.aio.insecure_channel(addresses["grpc"]) as channel:
        wanted = starter_rules(core_count())
        click.echo("Waiting for the first points of this host …")
        await create_rules(channel, metadata, wanted)
        labels = host_labels(collector_folder(config.data_dir))
        await push_topology(channel, metadata, host_topology(labels["host.id"], labels["host.name"]))
        place = Place(
            http=addresses["http"],
            grpc=addresses["grpc"],
            data_dir=config.data_dir,
            password_file=None if config.admin_password else admin_password_file(config.data_dir),
            token=seeded.api_token,
            token_file=token_file(config.data_dir),
        )
        click.echo(welcome(place, [rule.name for rule in wanted]))
        if spike:
            await show_spike(channel, metadata)
        await asyncio.Event().wait()


async def show_spike(channel: grpc.aio.Channel, metadata: Metadata) -> None:
    """Keeps all cores busy for a minute and tells what becomes of it."""
    click.echo(f"Spike: all {core_count()} cores are kept busy for {BURN_SECONDS:.0f} seconds.")
    async with burning(BURN_SECONDS):
        story = await narrate(channel, metadata, SystemClock(), click.echo, STORY_SECONDS)
    if story.is_over.is_set():
        click.echo("The alert has closed by itself. Its incident stays open until somebody resolves it.")


@asynccontextmanager
async def collecting(core: str, seeded: Seed, data_dir: Path) -> AsyncIterator[None]:
    """A collector of this host, for the duration of the block. Its log is a file, `collector.log`."""
    folder = collector_folder(data_dir)
    environment = {**os.environ, **({"LUMETRY_ENROLLMENT_TOKEN": seeded.enrollment_token} if seeded.enrollment_token else {})}
    command = ["-m", "lumetry_core.collectors.agent", "--lifeline", "--url", f"grpc://{core}", "--state-dir", str(folder)]
    with (data_dir / "collector.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *command, "--interval", str(SAMPLE_SECONDS)),
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches the demo, which ends the collector before the server
        )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(COLLECTOR_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
