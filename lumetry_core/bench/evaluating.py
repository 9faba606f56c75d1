"""`lumetry bench evaluate`: what evaluation costs at a steady rate, and how fast a storm of alerts becomes incidents.

In process, on a database of its own: inbox, evaluator and correlator without transports.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from lumetry_core.access.service.organizations import bootstrap
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.service.transitions import active_rule_alerts
from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.fleet import TRIGGER_COUNT, Fleet, create_rules, make_fleet
from lumetry_core.bench.measuring import median
from lumetry_core.bench.report import Better, Figure, Report
from lumetry_core.bench.stored_alerts import first_organization, make_openings, store_alerts
from lumetry_core.bench.usage import describe_machine
from lumetry_core.evaluation.model import Progress
from lumetry_core.evaluation.model import Settings as EvaluationSettings
from lumetry_core.evaluation.worker import Evaluator
from lumetry_core.incidents.worker import Correlator
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.inbox import ensure_partitions, queue_depth
from lumetry_core.metrics.service.recent import RecentEntries
from lumetry_core.metrics.settings import Settings as MetricSettings
from lumetry_core.migrations.run import upgrade
from lumetry_core.runtime.clock import SystemClock
from lumetry_core.runtime.database import Database, open_database
from lumetry_core.runtime.identifiers import new_secret, new_uuid

STORM_METRICS = 500
FIRST_STORM_RULE = 1_000_000
"""Behind all rules that were created, whose members may have alerts already."""
STORM_SPACING = timedelta(milliseconds=100)
WEEKS_LEARNED = 3
TICKS_AT_MOST = 100_000


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What to measure."""

    series: int = 100_000
    rules: int = 10_000
    rounds: int = 6
    interval_seconds: float = 10.0
    alerts: int = 5000
    breaching_percent: float = 1.0
    dynamic_percent: float = 0.0
    database_url: str = ""

    @property
    def breaching(self) -> int:
        """Series that breach in the loud rounds."""
        return round(self.series * self.breaching_percent / 100)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step took: by the clock on the wall, and of CPU time in all threads of the process."""

    seconds: float
    cpu_seconds: float


@dataclass(slots=True)
class Rounds:
    """Costs of rounds with one point of every series each."""

    appending: list[Cost] = field(default_factory=list)
    evaluating: list[Cost] = field(default_factory=list)

    def share(self, interval_seconds: float) -> float:
        """Share of a core, in percent, that evaluation takes at this interval."""
        return median([cost.cpu_seconds for cost in self.evaluating]) / interval_seconds * 100

    def share_with_inbox(self, interval_seconds: float) -> float:
        """The same with appending to the inbox."""
        rounds = zip(self.appending, self.evaluating, strict=True)
        return median([one.cpu_seconds + other.cpu_seconds for one, other in rounds]) / interval_seconds * 100


@dataclass(frozen=True, slots=True)
class Storm:
    """How a storm of alerts was worked off."""

    opening: Cost
    correlation: Cost


def run_evaluate(options: EvaluateOptions, progress: Callable[[str], None]) -> Report:
    """Runs both measurements.

    Raises:
        BenchError: Points were not evaluated.
    """
    machine, disturbed = describe_machine()
    with tempfile.TemporaryDirectory(prefix="lumetry-bench-") as folder:
        url = options.database_url or f"sqlite:///{Path(folder) / 'lumetry.db'}"
        upgrade(url)
        quiet, loud, storm = asyncio.run(measure(url, options, progress))
    interval = options.interval_seconds
    figures = [
        Figure("evaluation, all quiet: share of a core", quiet.share(interval), "%", 100.0, 50.0, Better.LOWER),
        Figure("evaluation, some breaching: share of a core", loud.share(interval), "%", 100.0, 50.0, Better.LOWER),
        Figure("with the inbox, all quiet: share of a core", quiet.share_with_inbox(interval), "%", better=Better.LOWER),
        Figure("with the inbox, some breaching: share of a core", loud.share_with_inbox(interval), "%", better=Better.LOWER),
        Figure("storm: alerts to incidents", storm.correlation.seconds, "s", 5.0, 1.0, Better.LOWER),
        Figure("storm: CPU of correlation", storm.correlation.cpu_seconds, "s", better=Better.LOWER),
        Figure("storm: opening the alerts", storm.opening.seconds, "s", better=Better.LOWER),
    ]
    conditions = {name: value for name, value in asdict(options).items() if name != "database_url"} | machine
    conditions["database"] = "PostgreSQL" if options.database_url else "SQLite"
    notes = [
        "share: CPU time of all threads for one point of every series, per interval; in process, without gateway and gRPC",
        "all quiet: no point breaches, which is evaluated in bulk; the round in which state is first built is left out",
        f"some breaching: {options.breaching:,} series breach at every point; their alerts were opened, which the run checks",
        f"storm: {options.alerts:,} alerts over {STORM_METRICS} metrics, without a topology, until no work waits",
        *disturbed,
    ]
    return Report("Evaluation", conditions, figures, notes, {"quiet": asdict(quiet), "loud": asdict(loud), "storm": asdict(storm)})


async def measure(url: str, options: EvaluateOptions, progress: Callable[[str], None]) -> tuple[Rounds, Rounds, Storm]:
    """Evaluates quiet rounds, loud rounds, then works a storm off.

    Raises:
        BenchError: Evaluation did not find what the rounds held.
    """
    clock = SystemClock()
    async with opened(url) as database:
        async with database.write() as tx:
            await bootstrap(tx, clock.now(), new_secret(""))
            partitions = await ensure_partitions(tx)
        organization_id = await first_organization(database)
        fleet = make_fleet(options.series, organization_id)
        recent = RecentEntries()
        appender = Appender(database, clock, MetricSettings(), partitions, recent)
        evaluator = Evaluator(database, new_uuid(), EvaluationSettings(), Progress(), recent)
        committing = asyncio.create_task(appender.run())
        interval = timedelta(seconds=options.interval_seconds)
        moments = iter([clock.now() - interval * number for number in range(2 * options.rounds + TRIGGER_COUNT + 2, 0, -1)])

        async def play(breaching: int, rounds: int) -> Rounds:
            played = Rounds()
            for _ in range(rounds):
                played.appending.append(await cost_of(fleet.append(appender, next(moments), breaching)))
                played.evaluating.append(await cost_of(evaluate_all(database, evaluator)))
            return played

        progress(f"registering {options.series:,} series and creating {options.rules:,} rules")
        if options.dynamic_percent:
            await append_past(fleet, appender, clock.now(), interval * (2 * options.rounds + TRIGGER_COUNT + 2))
        await play(0, 1)
        await create_rules(database, organization_id, fleet.metric_keys, options.rules, clock.now(), options.dynamic_percent)
        await play(0, 1)
        quiet = await play(0, options.rounds)
        await check_alerts(database, organization_id, 0)
        progress(f"all quiet: {quiet.share(options.interval_seconds):.2f} % of a core")
        await play(options.breaching, TRIGGER_COUNT)
        loud = await play(options.breaching, options.rounds)
        await check_alerts(database, organization_id, fleet.alerts_due(options.breaching, options.rules))
        progress(f"{options.breaching:,} breaching: {loud.share(options.interval_seconds):.2f} % of a core")
        committing.cancel()
        await asyncio.gather(committing, return_exceptions=True)
        storm = await measure_storm(database, organization_id, options.alerts, clock.now())
        progress(f"storm: {storm.correlation.seconds:.2f} s")
    return quiet, loud, storm


async def append_past(fleet: Fleet, appender: Appender, now: datetime, span: timedelta) -> None:
    """Appends a point a minute of every series around the same time of the weeks before, so that there is something to learn."""
    minutes = span // timedelta(minutes=1) + 2
    for week in range(WEEKS_LEARNED, 0, -1):
        for minute in range(minutes, -2, -1):
            await fleet.append(appender, now - timedelta(weeks=week, minutes=minute))


async def check_alerts(database: Database, organization_id: int, expected: int) -> None:
    """Makes sure that points were judged by the rules, not merely passed.

    Raises:
        BenchError: There are more or fewer active alerts.
    """
    async with database.read() as tx:
        found = len(await active_rule_alerts(tx, organization_id))
    if found != expected:
        raise BenchError(f"{expected} alerts were due, {found} were opened")


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """An open database."""
    database = open_database(url)
    try:
        yield database
    finally:
        await database.close()


async def evaluate_all(database: Database, evaluator: Evaluator) -> None:
    """Ticks until no point waits.

    Raises:
        BenchError: Points still wait although the evaluator found nothing to do.
    """
    clock = SystemClock()
    for _ in range(TICKS_AT_MOST):
        if not await evaluator.tick(clock.now()):
            break
    async with database.read() as tx:
        depth = await queue_depth(tx)
    if depth.jobs:
        raise BenchError(f"{depth.jobs} batches were not evaluated")


async def measure_storm(database: Database, organization_id: int, count: int, now: datetime) -> Storm:
    """Opens alerts within minutes of data and correlates them."""
    openings = make_openings(count, STORM_METRICS, now - count * STORM_SPACING, STORM_SPACING, FIRST_STORM_RULE)
    correlator = Correlator(database, OrganizationSettings())
    await tick_until_done(correlator)
    opening = await cost_of(store_alerts(database, organization_id, openings, now))
    return Storm(opening, await cost_of(tick_until_done(correlator)))


async def tick_until_done(correlator: Correlator) -> None:
    """Ticks until no work waits."""
    clock = SystemClock()
    while await correlator.tick(clock.now()):
        pass


async def cost_of(step: Awaitable[object]) -> Cost:
    """Runs a step and says what it took."""
    begin, used = time.perf_counter(), time.process_time()
    await step
    return Cost(time.perf_counter() - begin, time.process_time() - used)
