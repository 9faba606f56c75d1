"""The composition root of the core: what starts, in which order. One straight line; teardown is its reverse."""

import asyncio
import fcntl
import secrets
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version

import structlog
import uvloop

from lumetry_core.access.model import CREDENTIALS_CHANNEL
from lumetry_core.access.oidc_provider import OpenidProvider
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.login import LoginDesk
from lumetry_core.access.service.oidc import OidcDesk
from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.access.service.rates import RateLimiter
from lumetry_core.access.vault import KeyFileError, open_vault
from lumetry_core.access.worker import CredentialKeeper
from lumetry_core.activity.worker import ActivityKeeper, ActivityPacker
from lumetry_core.alerts.worker import OperationsKeeper
from lumetry_core.billing.service.budgets import Gate
from lumetry_core.billing.service.editing import BUDGETS_CHANNEL
from lumetry_core.billing.service.rates import publish_rates
from lumetry_core.billing.worker import BudgetTeller, LedgerKeeper
from lumetry_core.bootstrap import bootstrap_deployment
from lumetry_core.certificates.checking import CertificateChecker
from lumetry_core.certificates.model import CHANNEL as CERTIFICATES_CHANNEL
from lumetry_core.certificates.trust import TrustStore
from lumetry_core.certificates.worker import CertificateScheduler
from lumetry_core.collectors.agent.polling.fetching import make_client
from lumetry_core.collectors.service.appender import BeatAppender
from lumetry_core.collectors.stream_worker import StreamKeeper
from lumetry_core.collectors.streams import Streams as CollectorStreams
from lumetry_core.collectors.work import Handlers as WorkHandlers
from lumetry_core.collectors.work_worker import WorkKeeper
from lumetry_core.collectors.worker import CollectorKeeper
from lumetry_core.config import Config
from lumetry_core.containers.connecting import connect
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.containers.watching import Watcher
from lumetry_core.containers.worker import ContainerKeeper
from lumetry_core.endpoints.sealing import Rules as EndpointRules
from lumetry_core.endpoints.sightings import Sightings
from lumetry_core.endpoints.worker import CertificateWatcher, EndpointChecker, EndpointKeeper
from lumetry_core.evaluation.compound_worker import CompoundJudge
from lumetry_core.evaluation.fleet_worker import FleetTicker
from lumetry_core.evaluation.model import Progress
from lumetry_core.evaluation.worker import Evaluator
from lumetry_core.external.service.appender import Appender as ExternalAppender
from lumetry_core.external.worker import ExternalProcessor
from lumetry_core.files.storage import Storage
from lumetry_core.files.worker import FileKeeper
from lumetry_core.heartbeats.service.appender import PingAppender
from lumetry_core.heartbeats.worker import HeartbeatKeeper
from lumetry_core.hostagents.graph_worker import HostGraphKeeper
from lumetry_core.hostagents.service.beating import BeatAppender as HostAgentBeatAppender
from lumetry_core.hostagents.worker import HostAgentKeeper
from lumetry_core.incidents.worker import Correlator, IncidentKeeper
from lumetry_core.inquiries.worker import InquiryKeeper
from lumetry_core.lifecycle import announce, reflects, settle_memory, watch_for_end
from lumetry_core.logrules.worker import LogReader, LogRuleKeeper
from lumetry_core.logs.service.append import LOGS_CHANNEL
from lumetry_core.logs.service.appender import Appender as LogAppender
from lumetry_core.logs.service.usage import RefusedPushes
from lumetry_core.logs.usage_worker import LogUsageKeeper
from lumetry_core.logs.worker import LogKeeper, LogSealer
from lumetry_core.metrics.model import CATALOG_CHANNEL
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.recent import RecentEntries
from lumetry_core.metrics.service.senders import SENDERS_CHANNEL, SenderBook
from lumetry_core.metrics.worker import Maintainer, NoteKeeper, Sealer
from lumetry_core.metricsources.handlers import build_handlers as build_source_handlers
from lumetry_core.metricsources.sealing import Rules as SourceRules
from lumetry_core.metricsources.worker import SourceKeeper, SourcePoller
from lumetry_core.migrations.revision import newest_revision, read_revision
from lumetry_core.notices.worker import NoticeKeeper
from lumetry_core.notifications.collecting import build_handlers as build_notification_handlers
from lumetry_core.notifications.delivering import Deliverer
from lumetry_core.notifications.destination_sender import DestinationSender
from lumetry_core.notifications.dispatching import Dispatcher
from lumetry_core.notifications.mailer import Mailer, MailSettings
from lumetry_core.notifications.sealing import build_fallback
from lumetry_core.notifications.sender import Sender
from lumetry_core.notifications.service.integrations import Rules as IntegrationRules
from lumetry_core.notifications.worker import Announcer, DeliveryKeeper, Router
from lumetry_core.overview.worker import LinkKeeper
from lumetry_core.resources.service.upkeep import retention_of
from lumetry_core.resources.worker import ResourceKeeper, Sampler
from lumetry_core.runtime.addresses import OwnPorts
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
from lumetry_core.sessions.worker import SessionAnnouncer
from lumetry_core.statuspages.service.organization import PublicOrganization
from lumetry_core.statuspages.worker import StatusKeeper
from lumetry_core.topology.service.changes import GRAPH_CHANNEL
from lumetry_core.updates.model import CHANNEL as UPDATES_CHANNEL
from lumetry_core.updates.registry import Registries
from lumetry_core.updates.worker import Scanner
from lumetry_core.uptime.worker import UptimeKeeper

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
            if channel == BUDGETS_CHANNEL:
                gate.forget()
            if channel == SENDERS_CHANNEL:
                senders.forget()
            wakeups.wake(channel)

        gate = Gate()
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
            await publish_rates(tx, config.billing.rates)

        recent = RecentEntries()
        appender = Appender(database, clock, config.metrics, partition_count, recent, gate)
        senders = SenderBook(database, clock)
        log_appender = LogAppender(database, clock, gate)
        refused_pushes = RefusedPushes(database, clock)
        stack.push_async_callback(refused_pushes.flush)
        external_appender = ExternalAppender(database, clock)
        ping_appender = PingAppender(database, clock)
        beat_appender = BeatAppender(database, clock)
        collector_streams = CollectorStreams()
        host_agent_beats = HostAgentBeatAppender(database, clock, config.organization_defaults)
        usage_kept = timedelta(days=config.retention.rollup_days)
        kept_checks = timedelta(days=config.retention.checks_days)
        resources_kept = retention_of(config.retention.raw_days, config.retention.rollup_days)
        desk = LoginDesk(database, clock, config.auth, config.rate)
        progress = Progress()
        evaluator = Evaluator(database, owner, config.evaluator, progress, recent)
        stack.push_async_callback(give_back, evaluator)
        runtime = RuntimeLink()
        status = StatusServicer(database, clock, build_inspect(clock))

        provider = OpenidProvider(config.oidc, clock)
        stack.push_async_callback(provider.close)
        oidc_desk = OidcDesk(database, clock, config.auth, config.rate, config.oidc, provider, config.effective_base_url)
        own_ports = OwnPorts()
        webhook_policy = replace(config.webhook_policy, own_ports=own_ports)
        check_policy = replace(config.check_policy, own_ports=own_ports)
        source_rules = SourceRules(vault, check_policy)
        work_handlers: WorkHandlers = {**build_source_handlers(source_rules), **build_notification_handlers(vault)}
        outbound = OutboundClient(webhook_policy, proxy=config.monitoring.http_proxy)
        stack.push_async_callback(outbound.close)
        source_client = make_client(check_policy, config.monitoring.http_proxy)
        stack.push_async_callback(source_client.close)
        sender = Sender(outbound, vault)
        fallback = build_fallback(config.alerting.fallback_target, webhook_policy, vault)
        deliverer = Deliverer(database, clock, owner, sender, fallback)
        mail = MailSettings(
            config.monitoring.smtp_host,
            config.monitoring.smtp_port,
            config.monitoring.smtp_username,
            config.monitoring.smtp_password,
            config.monitoring.smtp_from,
            config.monitoring.smtp_require_tls,
        )
        destination_sender = DestinationSender(outbound, vault, Mailer(mail))
        dispatcher = Dispatcher(database, clock, owner, destination_sender)
        router = Router(database, owner, fallback, deliverer)
        certificate_checker = CertificateChecker(check_policy, TrustStore(), clock)
        certificates = CertificateScheduler(database, certificate_checker, wakeups, config.retention.checks_days)
        stack.push_async_callback(certificates.close)
        endpoint_rules = EndpointRules(vault, check_policy)
        watcher = Watcher(database, clock, owner, config.containers, connect, runtime, endpoint_rules)
        stack.push_async_callback(watcher.release)
        sightings = Sightings(asyncio.get_running_loop().time)
        endpoint_checker = EndpointChecker(
            database, clock, wakeups, vault, check_policy, version("lumetry"), sightings, secrets.SystemRandom().random
        )
        certificate_watcher = CertificateWatcher(database, clock, sightings, certificate_checker.check)
        scanner = Scanner(
            database,
            clock,
            owner,
            runtime,
            lambda: Registries(check_policy, clock.now),
            timedelta(seconds=config.monitoring.update_interval_seconds),
            kept_checks,
        )
        source_poller = SourcePoller(database, clock, wakeups, source_rules, source_client, appender.append, secrets.SystemRandom().random)
        storage = Storage(config.effective_files_dir)
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
                senders=senders,
                log_appender=log_appender,
                refused_pushes=refused_pushes,
                external_appender=external_appender,
                ping_appender=ping_appender,
                beat_appender=beat_appender,
                collector_streams=collector_streams,
                host_agent_beats=host_agent_beats,
                work_handlers=work_handlers,
                source_rules=source_rules,
                source_client=source_client,
                progress=progress,
                runtime=runtime,
                integration_rules=IntegrationRules(vault, webhook_policy),
                certificate_checker=certificate_checker,
                endpoint_rules=endpoint_rules,
                fallback=fallback,
                sender=sender,
                destination_sender=destination_sender,
                status=status,
                storage=storage,
            )
        )
        accesses = read_accesses(services)
        limiter = RateLimiter(config.limits, clock, database, refused_pushes.note_limited)
        stack.push_async_callback(limiter.settle)
        if config.disable_rate_limit and config.is_production:
            log.warning("DISABLE_RATE_LIMIT is ignored in production")
        server = build_server(config.grpc, services, accesses, authenticator, reflect=reflects(config), limiter=limiter)
        await server.server.start()
        own_ports.add(config.grpc.rpartition(":")[0], server.port)
        stack.push_async_callback(server.server.stop, DRAIN_SECONDS)

        async with asyncio.TaskGroup() as group:
            ticks = (
                ("evaluator", evaluator.tick, "inbox", 1.0),
                ("fleets", FleetTicker(database, owner, config.fleet.tick_seconds, config.organization_defaults).tick, "fleets", 1.0),
                ("compound", CompoundJudge(database, owner, config.evaluator).tick, "compound", 1.0),
                ("notes", NoteKeeper(appender.forget_notes).tick, CATALOG_CHANNEL, 3600.0),
                ("operations", OperationsKeeper(database).tick, "operations", 1.0),
                ("external", ExternalProcessor(database, external_appender.is_pressed).tick, "external", 0.3),
                ("endpoint-keeper", EndpointKeeper(database, config.retention.checks_days).tick, "endpoint-keeper", 60.0),
                ("heartbeats", HeartbeatKeeper(database, kept_checks, asyncio.get_running_loop().time).tick, "heartbeats", 1.0),
                ("correlator", Correlator(database, config.organization_defaults).tick, "correlation", 2.0),
                ("incidents", IncidentKeeper(database, config.organization_defaults, config.incident_retention).tick, "incidents", 5.0),
                ("host-graph", HostGraphKeeper(database).tick, GRAPH_CHANNEL, 1.0),
                ("router", router.tick, "routing", 2.0),
                ("router-due", router.tick_due, "routing-due", 0.2),
                ("delivery-keeper", DeliveryKeeper(database, config.incident_retention.alerts).tick, "delivery-keeper", 60.0),
                ("deliverer", deliverer.tick, "deliveries", 1.0),
                ("collector-work", WorkKeeper(database, work_handlers).tick, "collector-work", 1.0),
                ("dispatcher", dispatcher.tick, "dispatches", 0.5),
                ("announcer", Announcer(database).tick, "webhooks", 2.0),
                ("session-announcer", SessionAnnouncer(database).tick, "sessions", 2.0),
                ("certificates", certificates.tick, CERTIFICATES_CHANNEL, 1.0),
                ("source-keeper", SourceKeeper(database).tick, "source-keeper", 10.0),
                ("sealer", Sealer(database, owner, config.metrics).tick, "sealer", 5.0),
                ("maintainer", Maintainer(database, owner, config.metrics).tick, "upkeep", 20.0),
                ("credentials", CredentialKeeper(database, authenticator, config.retention.audit_days).tick, CREDENTIALS_CHANNEL, 4.0),
                ("collectors", CollectorKeeper(database).tick, "collectors", 5.0),
                ("collector-streams", StreamKeeper(database, collector_streams).tick, "collector-streams", 15.0),
                ("host-agents", HostAgentKeeper(database).tick, "host-agents", 5.0),
                ("activity", ActivityPacker(database).tick, "activity", 30.0),
                ("activity-keeper", ActivityKeeper(database).tick, "activity-keeper", 60.0),
                ("notices", NoticeKeeper(database, list_organization_ids).tick, "notices", 60.0),
                ("overview", LinkKeeper(database).tick, "overview", 600.0),
                ("inquiries", InquiryKeeper(database).tick, "inquiries", 600.0),
                ("rates", limiter.tick, "rates", 1.0),
                ("budgets", BudgetTeller(database).tick, BUDGETS_CHANNEL, 2.0),
                ("ledger", LedgerKeeper(database, usage_kept).tick, "ledger", 60.0),
                ("log-usage", LogUsageKeeper(database, refused_pushes, usage_kept).tick, "log-usage", 2.0),
                ("log-reader", LogReader(database).tick, LOGS_CHANNEL, 1.0),
                ("log-rules", LogRuleKeeper(database).tick, "log-rules", 1.0),
                ("log-sealer", LogSealer(database).tick, "log-sealer", 2.0),
                (
                    "status-keeper",
                    StatusKeeper(database, PublicOrganization(config.monitoring.status_organization)).tick,
                    "statuspages",
                    0.5,
                ),
                ("uptime-keeper", UptimeKeeper(database, timedelta(days=config.retention.rollup_days)).tick, "uptime-keeper", 60.0),
                ("updates", scanner.tick, UPDATES_CHANNEL, 1.0),
                ("resources", Sampler(database, clock, runtime).tick, "resources", 1.0),
                ("resource-keeper", ResourceKeeper(database, resources_kept).tick, "resource-keeper", 60.0),
                (
                    "containers",
                    ContainerKeeper(
                        database, runtime, endpoint_rules, config.monitoring.container_down_after_seconds, config.retention.transitions_days
                    ).tick,
                    "containers",
                    5.0,
                ),
                ("file-keeper", FileKeeper(database, storage).tick, "file-keeper", 60.0),
                ("log-keeper", LogKeeper(database, config.logs.of_area(), config.retention.max_log_bytes).tick, "log-keeper", 60.0),
            )
            aside = wakeups.listen(database.url) if database.is_postgresql else database.keep_checkpointed()
            appenders = (appender.run(), log_appender.run(), external_appender.run(), ping_appender.run())
            beats = (beat_appender.run(), host_agent_beats.run())
            watchers = (watcher.run(), endpoint_checker.run(), certificate_watcher.run(), source_poller.run())
            agents = (*appenders, *beats, *watchers, deliverer.run(), dispatcher.run(), aside)
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
