"""What a test of the pipeline does: send points, write rules, run evaluators, look at the outcome."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from lumetry_core.alerts.model import Alert, AlertFilter, SystemAlert
from lumetry_core.alerts.service import handling, reading, system_alerts
from lumetry_core.evaluation.model import JobReceipt, JobSummary, Progress, Settings
from lumetry_core.evaluation.service import jobs
from lumetry_core.evaluation.worker import Evaluator
from lumetry_core.metrics.definition import define
from lumetry_core.metrics.model import AcceptedBatch
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.ingestion import PointInput, ingest_points
from lumetry_core.metrics.service.recent import RecentEntries
from lumetry_core.rules import service as rules
from lumetry_core.rules.draft import LevelDraft, RuleDraft, StrategyDraft
from lumetry_core.rules.model import Rule
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.queue import claim
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import Violation, ViolationFilter

ORGANIZATION = 7
EVERYTHING = 5000


def person(organization_id: int = ORGANIZATION) -> Caller:
    return Caller(
        organization_id, CredentialKind.INTERACTIVE, credential_id=1, user_id=1, user_name="anna", permissions=frozenset(Permission)
    )


def sender(organization_id: int = ORGANIZATION, credential_id: int = 5) -> Caller:
    return Caller(organization_id, CredentialKind.API_TOKEN, credential_id=credential_id)


@dataclass
class Plant:
    """A pipeline and ways to use it. Times are seconds after the clock's present at the start."""

    database: Database
    clock: Clock
    appender: Appender
    recent: RecentEntries
    evaluators: dict[str, Evaluator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start = self.clock.now()
        self.progress = Progress()

    async def send(self, key: str, *points: tuple[float, float], caller: Caller | None = None, **labels: str) -> AcceptedBatch:
        """Accepts one batch of (seconds, value) points of one series."""
        return await self.send_mixed([(key, labels, seconds, value) for seconds, value in points], caller)

    async def send_mixed(self, points: Sequence[tuple[str, dict[str, str], float, float]], caller: Caller | None = None) -> AcceptedBatch:
        """Accepts one batch of (metric key, labels, seconds, value) points."""
        inputs = [
            PointInput(define(key, labels.items(), "", ""), to_ms(self.start + timedelta(seconds=seconds)), value)
            for key, labels, seconds, value in points
        ]
        return await ingest_points(self.appender.append, self.clock, caller or sender(), inputs)

    async def add_rule(self, key: str, *levels: LevelDraft, organization_id: int = ORGANIZATION, **fields: Any) -> Rule:
        """Writes a rule above 10 on a metric, which gets a first point long ago if it has none."""
        async with self.database.write() as tx:
            return await rules.create(tx, person(organization_id), draft(key, *levels, **fields), self.clock.now())

    async def change_rule(self, rule: Rule, *levels: LevelDraft, **fields: Any) -> Rule:
        """Replaces a rule."""
        async with self.database.write() as tx:
            return await rules.update(tx, person(), rule.id, draft(rule.metric_key, *levels, **fields), self.clock.now())

    def evaluator(self, name: str = "core-1", **fields: Any) -> Evaluator:
        """The evaluator of a process; the same one for the same name."""
        if name not in self.evaluators:
            self.evaluators[name] = Evaluator(self.database, name, Settings(**fields), self.progress, self.recent)
        return self.evaluators[name]

    def restart(self, name: str = "core-1") -> None:
        """The process dies and another one with an empty memory takes its place."""
        self.evaluators.pop(name, None)

    async def run(self, name: str = "core-1") -> None:
        """Evaluates until nothing is left."""
        while await self.evaluator(name).tick(self.clock.now()):
            pass

    async def alerts(self, organization_id: int = ORGANIZATION) -> list[Alert]:
        """All alerts, in the order in which they opened."""
        async with self.database.read() as tx:
            found = await reading.list_alerts(tx, organization_id, AlertFilter(limit=EVERYTHING))
        return sorted(found, key=lambda alert: alert.id)

    async def shown_alerts(self) -> list[tuple[str | None, float, float | None, str, str, int]]:
        """Dimension key, start, end, severity, reason and violation count of all alerts."""
        return [
            (
                alert.dimension_key,
                self.seconds(alert.start_time),
                None if alert.end_time is None else self.seconds(alert.end_time),
                alert.severity.value,
                alert.trigger_reason,
                alert.violation_count,
            )
            for alert in await self.alerts()
        ]

    async def violations(self, organization_id: int = ORGANIZATION) -> list[Violation]:
        """All violations by time, then number."""
        async with self.database.read() as tx:
            found = await violations.list_violations(tx, organization_id, ViolationFilter(limit=EVERYTHING))
        return sorted(found, key=lambda violation: (violation.time, violation.id))

    async def shown_violations(self) -> list[tuple[float, float, str, int | None, bool]]:
        """Time, value, severity, alert and lateness of all violations."""
        return [
            (self.seconds(one.time), one.actual_value, one.severity.value, one.alert_id, one.is_late) for one in await self.violations()
        ]

    async def close(self, alert: Alert) -> Alert:
        """A person closes an alert."""
        async with self.database.write() as tx:
            return await handling.close(tx, person(), alert.id, "", self.clock.now())

    async def system_alerts(self) -> list[SystemAlert]:
        """All system alerts, newest first."""
        async with self.database.read() as tx:
            return await system_alerts.list_system_alerts(tx, ORGANIZATION, None, EVERYTHING)

    async def job(self, number: int, caller: Caller | None = None) -> JobReceipt:
        """One job as people see it."""
        async with self.database.read() as tx:
            return await jobs.get_job(tx, caller or person(), number, self.progress)

    async def summary(self) -> JobSummary:
        """The jobs of the organization by state."""
        async with self.database.read() as tx:
            return await jobs.summarize(tx, person(), self.progress, self.clock.now())

    async def work(self, queue: str) -> list[tuple[str, Any]]:
        """What waits in a queue, left where it is."""
        async with self.database.write() as tx:
            return [(item.kind, item.payload) for item in await claim(tx, queue)]

    def seconds(self, moment: Any) -> float:
        """A time as seconds after the start."""
        return (moment - self.start).total_seconds()


def level(severity: str = "Warning", **fields: Any) -> LevelDraft:
    return LevelDraft(severity=severity, **fields)


def draft(key: str, *levels: LevelDraft, **fields: Any) -> RuleDraft:
    scope = fields.pop("scope", {})
    flat = StrategyDraft(metric_key=key, type="Static", direction="Above", static_upper=10.0, scope=scope)
    return RuleDraft(**{"name": f"{key} is high", "flat": flat, "levels": levels} | fields)
