"""The composition root of the core: what starts, in which order. One straight line; teardown is its reverse."""

import asyncio
import fcntl
import gc
import json
import os
import signal
import sys
from contextlib import AsyncExitStack, suppress
from ipaddress import ip_address

import structlog
import uvloop

from lumetry_core.access.model import CREDENTIALS_CHANNEL
from lumetry_core.access.oidc_provider import OpenidProvider
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.oidc import OidcDesk
from lumetry_core.access.service.rates import RateLimiter
from lumetry_core.access.vault import KeyFileError, open_vault
from lumetry_core.access.worker import CredentialKeeper
from lumetry_core.alerts.worker import OperationsKeeper
from lumetry_core.bootstrap import bootstrap_deployment
from lumetry_core.config import Config
from lumetry_core.containers.detection import RuntimeDetector
from lumetry_core.containers.engine import ask_version
from lumetry_core.evaluation.compound_worker import CompoundJudge
from lumetry_core.evaluation.fleet_worker import FleetTicker
from lumetry_core.evaluation.model import Progress
from lumetry_core.evaluation.worker import Evaluator
from lumetry_core.external.service.appender import Appender as ExternalAppender
from lumetry_core.external.worker import ExternalProcessor
from lumetry_core.incidents.worker import Correlator, IncidentKeeper
from lumetry_core.logs.service.appender import Appender as LogAppender
from lumetry_core.logs.worker import LogKeeper, LogSealer
from lumetry_core.metrics.model import CATALOG_CHANNEL
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.recent import RecentEntries
from lumetry_core.metrics.worker import Maintainer, NoteKeeper, Sealer
from lumetry_core.migrations.revision import newest_revision, read_revision
from lumetry_core.notifications.delivering import Deliverer
from lumetry_core.notifications.sealing import build_fallback
from lumetry_core.notifications.sender import Sender
from lumetry_core.notifications.service.integrations import Rules as IntegrationRules
from lumetry_core.notifications.worker import DeliveryKeeper, Router
from lumetry_core.runtime.clock import Clock, SystemClock
from lumetry_core.runtime.database import Transaction, open_database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.runtime.identifiers import new_uuid
from lumetry_core.runtime.logging import configure_logging
from lumetry_core.runtime.outbound import OutboundClient
from lumetry_core.runtime.queue import Wakeups, work
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.status import Inspect, Measure, StatusServicer
from lumetry_core.services import Parts, build_services

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 3.0
"""Calls end within milliseconds; streams are ended after it."""
WRONG_STORE = 3
"""Exit code: the store has another schema or cannot be opened with this key, or another core uses it."""
MAX_LAG_SECONDS = 60.0
"""A batch that waits longer for its evaluation makes the core not ready."""


def run_core(config: Config, *, ready_fd: int | None = None, lifeline: bool = False) -> int:
    """Runs the core until SIGTERM or SIGINT; the process's exit code.

    Args:
        config: What the operator set.
        ready_fd: Gets the bound address as a JSON line once calls are taken.
        lifeline: Ends the core when standard input closes.
    """
    configure_logging(config.log_level)
    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (config.data_dir / "core.lock").open("w") as lock:
        if not config.database_url:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.error("another core runs on this data directory", data_dir=str(config.data_dir))  # noqa: TRY400 -- no fault of ours
                return WRONG_STORE
        return uvloop.run(serve_core(config, ready_fd=ready_fd, lifeline=lifeline))


async def serve_core(config: Config, *, ready_fd: int | None, lifeline: bool) -> int:  # noqa: PLR0915 -- one straight line
    """Starts everything, serves until told to stop, drains; the process's exit code."""
    clock = SystemClock()
    wakeups = Wakeups()
    owner = new_uuid()
    stop = watch_for_end(lifeline=lifeline)
    async with AsyncExitStack() as stack:

        def on_wake(channel: str) -> None:
            if channel == CREDENTIALS_CHANNEL:
                authenticator.forget()
            if channel == CATALOG_CHANNEL:
                appender.forget_notes()
            wakeups.wake(channel)

        database = open_database(config.effective_database_url, on_wake, synchronous=config.sqlite_synchronous)
        stack.push_async_callback(database.close)
        authenticator = Authenticator(database, clock, production=config.is_production)
        found = await read_revision(database)
        if found != newest_revision():
            log.error("the database has another schema, run `lumetry migrate`", found=found, needed=newest_revision())
            return WRONG_STORE
        try:
            vault = open_vault(config.data_dir, config.secret_key_file)
        except KeyFileError as error:
            log.error("the secret key cannot be used", fault=str(error))  # noqa: TRY400 -- no fault of ours
            return WRONG_STORE
        await bootstrap_deployment(database, config, clock.now())
        async with database.write() as tx:
            partition_count = await inbox.ensure_partitions(tx)

        recent = RecentEntries()
        appender = Appender(database, clock, config.metrics, partition_count, recent)
        log_appender = LogAppender(database, clock)
        external_appender = ExternalAppender(database, clock)
        desk = LoginDesk(database, clock, config.auth, config.rate)
        progress = Progress()
        evaluator = Evaluator(database, owner, config.evaluator, progress, recent)
        stack.push_async_callback(give_back, evaluator)
        status = StatusServicer(database, clock, build_inspect(clock))

        provider = OpenidProvider(config.oidc, clock)
        stack.push_async_callback(provider.close)
        oidc_desk = OidcDesk(database, clock, config.auth, config.rate, config.oidc, provider, config.effective_base_url)
        outbound = OutboundClient(config.webhook_policy)
        stack.push_async_callback(outbound.close)
        sender = Sender(outbound, vault)
        fallback = build_fallback(config.alerting.fallback_target, config.webhook_policy, vault)
        deliverer = Deliverer(database, clock, owner, sender, fallback)
        router = Router(database, owner, fallback, deliverer)
        services = build_services(
            Parts(
                config=config,
                database=database,
                clock=clock,
                wakeups=wakeups,
                authenticator=authenticator,
                desk=desk,
                oidc_desk=oidc_desk,
                appender=appender,
                log_appender=log_appender,
                external_appender=external_appender,
                progress=progress,
                detector=RuntimeDetector(config.containers, ask_version),
                integration_rules=IntegrationRules(vault, config.webhook_policy),
                fallback=fallback,
                sender=sender,
                status=status,
            )
        )
        accesses = read_accesses(services)
        limiter = RateLimiter(config.limits, clock, database)
        stack.push_async_callback(limiter.settle)
        if config.disable_rate_limit and config.is_production:
            log.warning("DISABLE_RATE_LIMIT is ignored in production")
        server = build_server(config.grpc, services, accesses, authenticator, reflect=reflects(config), limiter=limiter)
        await server.server.start()
        stack.push_async_callback(server.server.stop, DRAIN_SECONDS)

        async with asyncio.TaskGroup() as group:
            ticks = (
                ("evaluator", evaluator.tick, "inbox", 1.0),
                ("fleets", FleetTicker(database, owner, config.fleet.tick_seconds, config.organization_defaults).tick, "fleets", 1.0),
                ("compound", CompoundJudge(database, owner, config.evaluator).tick, "compound", 1.0),
                ("notes", NoteKeeper(appender.forget_notes).tick, CATALOG_CHANNEL, 3600.0),
                ("operations", OperationsKeeper(database).tick, "operations", 1.0),
                ("external", ExternalProcessor(database, external_appender.is_pressed).tick, "external", 0.3),
                ("correlator", Correlator(database, config.organization_defaults).tick, "correlation", 2.0),
                ("incidents", IncidentKeeper(database, config.organization_defaults, config.incident_retention).tick, "incidents", 5.0),
                ("router", router.tick, "routing", 2.0),
                ("router-due", router.tick_due, "routing-due", 0.2),
                ("delivery-keeper", DeliveryKeeper(database, config.incident_retention.alerts).tick, "delivery-keeper", 60.0),
                ("deliverer", deliverer.tick, "deliveries", 1.0),
                ("sealer", Sealer(database, owner, config.metrics).tick, "sealer", 5.0),
                ("maintainer", Maintainer(database, owner, config.metrics).tick, "upkeep", 20.0),
                ("credentials", CredentialKeeper(database, authenticator, config.retention.audit_days).tick, CREDENTIALS_CHANNEL, 5.0),
                ("rates", limiter.tick, "rates", 1.0),
                ("log-sealer", LogSealer(database).tick, "log-sealer", 2.0),
                ("log-keeper", LogKeeper(database, config.logs.of_area()).tick, "log-keeper", 60.0),
            )
            aside = wakeups.listen(database.url) if database.is_postgresql else database.keep_checkpointed()
            agents = (appender.run(), log_appender.run(), external_appender.run(), deliverer.run(), aside)
            workers = [group.create_task(run) for run in agents]
            workers += [group.create_task(work(name, tick, wakeups, clock, channel, idle)) for name, tick, channel, idle in ticks]
            await server.set_serving(serving=True)
            address = f"{config.grpc.rpartition(':')[0]}:{server.port}"
            log.info("serving", grpc=address, database="postgresql" if database.is_postgresql else "sqlite")
            settle_memory()
            announce(ready_fd, address)
            await stop.wait()
            log.info("draining")
            status.drain()
            await server.set_serving(serving=False)
            await server.server.stop(DRAIN_SECONDS)
            for worker in workers:
                worker.cancel()
    return 0


async def give_back(evaluator: Evaluator) -> None:
    """Gives the partitions back; when the store cannot be written their leases expire by themselves."""
    with suppress(LumetryError):
        await evaluator.stop()


def build_inspect(clock: Clock) -> Inspect:
    """What readiness and metrics say of the inbox."""

    async def inspect(tx: Transaction) -> tuple[list[str], list[Measure]]:
        depth = await inbox.queue_depth(tx)
        lag = 0.0 if depth.oldest_create_time is None else max((clock.now() - depth.oldest_create_time).total_seconds(), 0.0)
        problems = []
        if lag > MAX_LAG_SECONDS:
            problems.append(f"Evaluation lags {lag:.0f} s behind, {MAX_LAG_SECONDS:.0f} s are allowed.")
        measures = [
            Measure("queued_batches", "Accepted batches that wait for evaluation.", depth.jobs),
            Measure("queued_points", "Accepted points that wait for evaluation.", depth.points),
            Measure("evaluation_lag_seconds", "Age of the oldest batch that waits for evaluation.", lag),
        ]
        return problems, measures

    return inspect


def reflects(config: Config) -> bool:
    """Whether reflection is offered: as set, else on loopback addresses only."""
    if config.reflection is not None:
        return config.reflection
    host = config.grpc.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def watch_for_end(*, lifeline: bool) -> asyncio.Event:
    """An event that SIGTERM, SIGINT and, if asked for, the end of standard input set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if lifeline:
        descriptor = sys.stdin.fileno()

        def on_input() -> None:
            if not os.read(descriptor, 1024):
                loop.remove_reader(descriptor)
                stop.set()

        loop.add_reader(descriptor, on_input)
    return stop


def announce(ready_fd: int | None, address: str) -> None:
    """Tells the starter the bound address."""
    if ready_fd is not None:
        with os.fdopen(ready_fd, "w") as pipe:
            pipe.write(json.dumps({"grpc": address}) + "\n")


def settle_memory() -> None:
    """Takes what was loaded at start out of the garbage collector's rounds, and makes rounds rarer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
