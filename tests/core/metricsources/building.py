"""What tests of the area start from."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.access.vault import Vault
from lumetry_core.alerts.model import SystemAlert
from lumetry_core.alerts.service.system_alerts import list_system_alerts
from lumetry_core.collectors.agent.polling.model import ItemResult, Sample
from lumetry_core.collectors.service import administering
from lumetry_core.metrics.definition import unpack_labels
from lumetry_core.metrics.model import AcceptedBatch, MetricInfo
from lumetry_core.metrics.service.append import Submission
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metricsources.drafts import ConfigDraft, ItemDraft, SourceDraft
from lumetry_core.metricsources.model import Source
from lumetry_core.metricsources.sealing import Rules
from lumetry_core.metricsources.service import sources
from lumetry_core.runtime.addresses import PRIVATE_TOO, Policy
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.runtime.outbound import OutboundAnswer, OutboundRequest

ORGANIZATION = 7
CALLER = Caller(organization_id=ORGANIZATION, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin", request_id="r-1")
OTHER = Caller(organization_id=8, kind=CredentialKind.INTERACTIVE, user_id=43, user_name="other")
VAULT = Vault(bytes(32))
RULES = Rules(VAULT, PRIVATE_TOO)
UP = ItemDraft(metric_key="prom.up", query="up")
PROMETHEUS = SourceDraft(
    name="Prometheus", type="prometheus", config=ConfigDraft(base_url="http://prometheus:9090"), items=(UP,), secret="hunter2"
)
POSTGRES = SourceDraft(
    name="Orders",
    type="postgres",
    config=ConfigDraft(host="db.internal", database="orders", username="reader"),
    secret="hunter2",
    items=(ItemDraft(metric_key="orders.open", query="select count(*), shop from orders group by 2", label_columns=("shop",), unit="1"),),
)
NO_CHANCE = 0.0


def no_chance() -> float:
    """Never anything but the earliest."""
    return NO_CHANCE


def changed(draft: SourceDraft, **fields: Any) -> SourceDraft:
    """A draft with some fields replaced."""
    return replace(draft, **fields)


def sample(metric_key: str, value: float, at: datetime, **labels: str) -> Sample:
    """A value that a source gave."""
    return Sample(metric_key, value, labels, at)


def gave(*samples: Sample) -> ItemResult:
    """An item that was answered."""
    return ItemResult(samples[0].metric_key, samples)


class World:
    """A database with sources in it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock

    async def create(self, draft: SourceDraft = PROMETHEUS, caller: Caller = CALLER) -> Source:
        """Adds a source."""
        async with self.database.write() as tx:
            return await sources.create_source(tx, caller, draft, RULES, no_chance, self.clock.now())

    async def update(self, source_id: int, draft: SourceDraft) -> Source:
        """Replaces a source."""
        async with self.database.write() as tx:
            return await sources.update_source(tx, CALLER, source_id, draft, RULES, no_chance, self.clock.now())

    async def delete(self, source_id: int) -> None:
        """Removes a source."""
        async with self.database.write() as tx:
            await sources.delete_source(tx, CALLER, source_id, self.clock.now())

    async def read(self, source_id: int) -> Source:
        """A source as it is stored."""
        async with self.database.read() as tx:
            return await sources.get_source(tx, ORGANIZATION, source_id)

    async def metric(self, key: str) -> MetricInfo:
        """A metric as the catalog has it."""
        async with self.database.read() as tx:
            return (await find_metrics(tx, ORGANIZATION, [key]))[key]

    async def collector(self, name: str = "edge") -> str:
        """A registered collector."""
        async with self.database.write() as tx:
            return (await administering.create(tx, CALLER, name, self.clock.now())).collector.id

    async def system_alerts(self) -> list[SystemAlert]:
        """What operators are told."""
        async with self.database.read() as tx:
            return await list_system_alerts(tx, ORGANIZATION, None, 100)


class FakeWeb:
    """Answers every request alike, and notes them."""

    def __init__(self, body: bytes = b"{}", status: int = 200) -> None:
        self.policy: Policy = PRIVATE_TOO
        self.body = body
        self.status = status
        self.asked: list[OutboundRequest] = []

    async def send(self, request: OutboundRequest) -> OutboundAnswer:
        """See `Fetch`."""
        self.asked.append(request)
        return OutboundAnswer(self.status, {"content-type": "application/json"}, self.body)


class Inbox:
    """Takes points, or fails."""

    def __init__(self, failure: LumetryError | None = None) -> None:
        self.failure = failure
        self.points: list[tuple[str, dict[str, str], str, float]] = []

    async def __call__(self, submission: Submission) -> list[AcceptedBatch]:
        """See `Append`."""
        if self.failure is not None:
            raise self.failure
        assert (submission.caller.organization_id, submission.caller.kind) == (ORGANIZATION, None)
        for index, value in zip(submission.columns.indexes.tolist(), submission.columns.values.tolist(), strict=True):
            series = submission.resolution.definition(index)
            self.points.append((series.metric_key, unpack_labels(series.labels), series.source, value))
        return [AcceptedBatch("b", 1, ())]
