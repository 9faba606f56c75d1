"""The composition root of the core: what starts, in which order. One straight line; teardown is its reverse."""

import asyncio
import fcntl
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from ipaddress import ip_address
from typing import Any

import structlog
import uvloop
from google.protobuf.message import Message

from lumetry.access.v1 import access_service_pb2_grpc
from lumetry.alerts.v1 import alert_service_pb2_grpc
from lumetry.collectors.v1 import collector_service_pb2_grpc
from lumetry.evaluation.v1 import evaluation_service_pb2_grpc
from lumetry.incidents.v1 import event_service_pb2_grpc, incident_service_pb2_grpc
from lumetry.metrics.v1 import ingestion_service_pb2_grpc, metric_service_pb2_grpc
from lumetry.rules.v1 import rule_service_pb2_grpc
from lumetry.runtime.v1 import status_service_pb2_grpc
from lumetry.violations.v1 import violation_service_pb2_grpc
from lumetry_core.access.rpc import AccessServicer
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.worker import CredentialKeeper
from lumetry_core.alerts.rpc import AlertServicer, encode_alert, encode_system_alert
from lumetry_core.bootstrap import bootstrap_deployment
from lumetry_core.collectors.rpc import CollectorServicer
from lumetry_core.config import Config
from lumetry_core.evaluation.model import Progress
from lumetry_core.evaluation.rpc import EvaluationServicer
from lumetry_core.evaluation.worker import Evaluator
from lumetry_core.incidents.rpc.events import EventServicer
from lumetry_core.incidents.rpc.incidents import IncidentServicer
from lumetry_core.incidents.worker import Correlator
from lumetry_core.metrics.rpc.catalog import MetricServicer
from lumetry_core.metrics.rpc.ingestion import IngestionServicer
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.recent import RecentEntries
from lumetry_core.metrics.worker import Maintainer, Sealer
from lumetry_core.migrations.revision import newest_revision, read_revision
from lumetry_core.rules.rpc import RuleServicer
from lumetry_core.runtime.clock import Clock, SystemClock
from lumetry_core.runtime.database import Transaction, open_database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.runtime.identifiers import new_uuid
from lumetry_core.runtime.logging import configure_logging
from lumetry_core.runtime.queue import Wakeups, work
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.status import Inspect, Measure, StatusServicer
from lumetry_core.violations.rpc import ViolationServicer, encode_violation

log = structlog.get_logger(__name__)

ACCESS_SERVICE = "lumetry.access.v1.AccessService"
DRAIN_SECONDS = 3.0
"""Calls end within milliseconds; streams are ended after it."""
WRONG_STORE = 3
"""Exit code: the store has another schema, or another core uses it."""
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


async def serve_core(config: Config, *, ready_fd: int | None, lifeline: bool) -> int:
    """Starts everything, serves until told to stop, drains; the process's exit code."""
    clock = SystemClock()
    wakeups = Wakeups()
    owner = new_uuid()
    stop = watch_for_end(lifeline=lifeline)
    async with AsyncExitStack() as stack:
        database = open_database(config.effective_database_url, wakeups.wake, synchronous=config.sqlite_synchronous)
        stack.push_async_callback(database.close)
        found = await read_revision(database)
        if found != newest_revision():
            log.error("the database has another schema, run `lumetry migrate`", found=found, needed=newest_revision())
            return WRONG_STORE
        await bootstrap_deployment(database, config, clock.now())
        async with database.write() as tx:
            partition_count = await inbox.ensure_partitions(tx)

        recent = RecentEntries()
        appender = Appender(database, clock, config.metrics, partition_count, recent)
        authenticator = Authenticator(database, clock)
        desk = LoginDesk(database, clock, config.auth, config.rate)
        progress = Progress()
        evaluator = Evaluator(database, owner, config.evaluation, progress, recent)
        stack.push_async_callback(give_back, evaluator)
        encoders: dict[str, Callable[[Any], Message]] = {"alerts": encode_alert, "systemAlerts": encode_system_alert}
        status = StatusServicer(database, clock, build_inspect(clock))

        services = {
            "lumetry.runtime.v1.StatusService": (status_service_pb2_grpc.add_StatusServiceServicer_to_server, status),
            "lumetry.metrics.v1.IngestionService": (
                ingestion_service_pb2_grpc.add_IngestionServiceServicer_to_server,
                IngestionServicer(appender, clock),
            ),
            "lumetry.metrics.v1.MetricService": (
                metric_service_pb2_grpc.add_MetricServiceServicer_to_server,
                MetricServicer(database, clock),
            ),
            "lumetry.rules.v1.RuleService": (rule_service_pb2_grpc.add_RuleServiceServicer_to_server, RuleServicer(database, clock)),
            "lumetry.violations.v1.ViolationService": (
                violation_service_pb2_grpc.add_ViolationServiceServicer_to_server,
                ViolationServicer(database),
            ),
            "lumetry.alerts.v1.AlertService": (
                alert_service_pb2_grpc.add_AlertServiceServicer_to_server,
                AlertServicer(database, clock, encode_violation),
            ),
            "lumetry.evaluation.v1.EvaluationService": (
                evaluation_service_pb2_grpc.add_EvaluationServiceServicer_to_server,
                EvaluationServicer(database, clock, progress),
            ),
            "lumetry.incidents.v1.IncidentService": (
                incident_service_pb2_grpc.add_IncidentServiceServicer_to_server,
                IncidentServicer(database, clock, encode_alert, encode_violation),
            ),
            "lumetry.incidents.v1.EventService": (
                event_service_pb2_grpc.add_EventServiceServicer_to_server,
                EventServicer(database, clock, wakeups, authenticator, encoders),
            ),
            "lumetry.collectors.v1.CollectorService": (
                collector_service_pb2_grpc.add_CollectorServiceServicer_to_server,
                CollectorServicer(database, clock),
            ),
        }
        accesses = read_accesses((ACCESS_SERVICE, *services))
        access = AccessServicer(database, clock, desk, authenticator, accesses)
        services[ACCESS_SERVICE] = (access_service_pb2_grpc.add_AccessServiceServicer_to_server, access)
        server = build_server(config.grpc, services, accesses, authenticator, reflect=reflects(config))
        await server.server.start()
        stack.push_async_callback(server.server.stop, DRAIN_SECONDS)

        async with asyncio.TaskGroup() as group:
            workers = [
                group.create_task(appender.run()),
                group.create_task(work("evaluator", evaluator.tick, wakeups, clock, "inbox", 1.0)),
                group.create_task(work("correlator", Correlator(database, config.correlation).tick, wakeups, clock, "correlation", 2.0)),
                group.create_task(work("sealer", Sealer(database, owner, config.metrics).tick, wakeups, clock, "sealer", 5.0)),
                group.create_task(work("maintainer", Maintainer(database, owner, config.metrics).tick, wakeups, clock, "upkeep", 20.0)),
                group.create_task(
                    work(
                        "credentials",
                        CredentialKeeper(database, authenticator, config.retention.audit_days).tick,
                        wakeups,
                        clock,
                        "credentials",
                        5.0,
                    )
                ),
            ]
            if not database.is_postgresql:
                workers.append(group.create_task(database.keep_checkpointed()))
            else:
                workers.append(group.create_task(wakeups.listen(database.url)))
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
