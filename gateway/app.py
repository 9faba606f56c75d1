"""What starts, in which order; everything is taken down in the reverse order."""

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from gateway.config import Config, split_address
from gateway.contracts.logs.family import build_family as build_logs
from gateway.contracts.lumetry.family import build_family as build_lumetry
from gateway.contracts.monitoring.family import build_family as build_monitoring
from gateway.contracts.monitoring.pings import PingSender
from gateway.contracts.monitoring.status_public import PublicPage
from gateway.contracts.workspace.family import build_family as build_workspace
from gateway.openapi.documents import Documents
from gateway.transcode.channel import open_core
from gateway.transcode.credentials import adopt_request_id
from gateway.transcode.failures import Failure
from gateway.transcode.families import Families
from gateway.transcode.handling import Figures, Handler, fail
from gateway.transcode.lanes import Ingestor
from gateway.transcode.series import SeriesBook, SeriesDictionary
from gateway.transcode.serving import Server

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 15.0
GC_THRESHOLDS = (50_000, 20, 100)
"""Requests make few cycles; rare collections keep latency even."""
KEEP_ALIVE_SECONDS = 75.0
LINGERING_SECONDS = 2.0
"""How long the rest of a refused body is still taken, so that the client reads the answer."""
BACKLOG = 1024


@dataclass(slots=True)
class Services:
    """What the rows with a `handle` of their own share."""

    config: Config
    ingestor: Ingestor
    figures: Figures
    documents: Documents
    status_page: PublicPage
    pings: PingSender = field(default_factory=PingSender)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the gateway drains: endless answers end."""


def build_families(config: Config) -> Families:
    """All families that the gateway speaks."""
    return Families(build(config) for build in (build_lumetry, build_logs, build_monitoring, build_workspace))


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[str]:
    """Serves while the context lasts; the value is the bound `host:port`."""
    async with AsyncExitStack() as stack:
        core = open_core(config.core)
        stack.push_async_callback(core.channel.close)
        ingestor = Ingestor(core, SeriesBook(SeriesDictionary()))
        stack.push_async_callback(ingestor.drain)
        figures = Figures()
        families = build_families(config)
        status_page = PublicPage(core)
        stack.push_async_callback(status_page.close)
        services = Services(config, ingestor, figures, Documents(families), status_page)
        handler = Handler(families, core, services, figures, config.trusted_proxies)

        def refuse(failure: Failure) -> web.Response:
            request_id = adopt_request_id(None)
            response = fail(handler.families.of(""), failure, request_id)
            response.headers["X-Request-Id"] = request_id
            return response

        runner = web.ServerRunner(
            Server(
                handler,
                refuse,
                auto_decompress=False,
                access_log=None,
                keepalive_timeout=KEEP_ALIVE_SECONDS,
                lingering_time=LINGERING_SECONDS,
            ),
            shutdown_timeout=DRAIN_SECONDS,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(status_page.hub.end_readers)
        stack.callback(services.closing.set)
        host, port = split_address(config.http)
        site = web.TCPSite(runner, host, port, backlog=BACKLOG)
        await site.start()
        yield bound_address(runner)


def bound_address(runner: web.ServerRunner) -> str:
    """Where the server listens."""
    host, port = runner.addresses[0][:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def serve(config: Config) -> None:
    """Serves until a signal or the end of the lifeline, then drains."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if config.lifeline:
        watch_lifeline(loop, stop.set)
    async with running(config) as address:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        if config.ready_fd is not None:
            tell_ready(config.ready_fd, address)
        log.info("serving", http=address, core=config.core)
        await stop.wait()
        log.info("draining")


def watch_lifeline(loop: asyncio.AbstractEventLoop, on_end: Callable[[], None]) -> None:
    """Notices when standard input closes."""

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            on_end()

    loop.add_reader(sys.stdin.fileno(), read)


def tell_ready(descriptor: int, address: str) -> None:
    """Writes the bound address to whoever started this process."""
    with os.fdopen(descriptor, "w") as pipe:
        pipe.write(json.dumps({"http": address}) + "\n")


def configure_logging(level: str) -> None:
    """Routes structlog and the standard library to JSON lines on standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    rendering: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.JSONRenderer(),
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=rendering, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
