"""What tests of work start from: a collector that may do everything, and a handler that notes what it is told."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from lumetry_core.collectors.agent.polling.model import Item, Source, Target
from lumetry_core.collectors.config import Config, Notifications
from lumetry_core.collectors.model import Collector, Status
from lumetry_core.collectors.store import collectors as store
from lumetry_core.collectors.work import (
    Handlers,
    NotificationPayload,
    Outcome,
    Payload,
    SourcePayload,
    WorkDraft,
    WorkItem,
    WorkKind,
)
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database, Transaction

ORGANIZATION = 7
COLLECTOR = "c0000000-0000-4000-8000-000000000001"
OTHER = "c0000000-0000-4000-8000-000000000002"
CALLER = Caller(ORGANIZATION, CredentialKind.COLLECTOR, collector_id=COLLECTOR)
CAPABILITIES = ("poll:prometheus", "source_test", "notification")
EVERYTHING = Config(notifications=Notifications(enabled=True))
DONE = Outcome(succeeded=True, duration_ms=12)
TARGET = Target(base_url="http://prometheus:9090", username="reader")
SOURCE = SourcePayload(4, Source("prometheus", TARGET, (Item("db.up", "up", label_columns=("job",)),), "hunter2", 10.0))
NOTIFICATION = NotificationPayload("12:open", "http://10.0.0.8/hook", {"Content-Type": "application/json"}, b"{}")


@dataclass
class NotingHandler:
    """Describes everything alike unless told otherwise, and notes outcomes."""

    payload: Payload | Outcome | None = SOURCE
    finished: list[tuple[str, Outcome]] = field(default_factory=list)

    async def describe(self, tx: Transaction, item: WorkItem, now: datetime) -> Payload | Outcome | None:
        """See `WorkHandler`."""
        return self.payload

    async def finish(self, tx: Transaction, item: WorkItem, outcome: Outcome, now: datetime) -> None:
        """See `WorkHandler`."""
        self.finished.append((item.subject, outcome))


def handling(handler: NotingHandler) -> Handlers:
    """The same handler for every kind."""
    return dict.fromkeys(WorkKind, handler)


def a_draft(subject: str, now: datetime, kind: WorkKind = WorkKind.POLL, **changes: Any) -> WorkDraft:
    """Work for the collector, to be taken within ten minutes."""
    capability = {WorkKind.POLL: "poll:prometheus", WorkKind.SOURCE_TEST: "source_test", WorkKind.NOTIFICATION: "notification"}[kind]
    return replace(WorkDraft(COLLECTOR, kind, capability, subject, 10_000, now + timedelta(minutes=10)), **changes)


async def add_collector(database: Database, now: datetime, collector_id: str = COLLECTOR, **changes: Any) -> Collector:
    """A collector that is there and may do everything."""
    collector = Collector(
        organization_id=ORGANIZATION,
        id=collector_id,
        name=f"Collector {collector_id[-1]}",
        status=Status.ACTIVE,
        create_time=now,
        created_by=None,
        enroll_time=now,
        last_seen_time=now,
        capabilities=CAPABILITIES,
        config=EVERYTHING,
    )
    collector = replace(collector, **changes)
    async with database.write() as tx:
        assert await store.insert(tx, collector)
    return collector


async def change_collector(database: Database, collector: Collector, **changes: Any) -> None:
    """Writes a collector anew."""
    async with database.write() as tx:
        await store.save(tx, replace(collector, **changes))
