"""What tests of the area start from."""

from datetime import UTC, datetime, timedelta
from typing import Any

from lumetry_core.alerts.model import Alert, AlertFilter
from lumetry_core.alerts.service.reading import list_alerts
from lumetry_core.external.drafts import DefinitionDraft, SourceDraft
from lumetry_core.external.model import Definition, Source, Transition, TransitionState
from lumetry_core.external.service.accepting import Receipt, Submission, accept_group
from lumetry_core.external.service.definitions import create_definition
from lumetry_core.external.service.sources import create_source
from lumetry_core.external.worker import ExternalProcessor
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.topology.draft import NodeDraft
from lumetry_core.topology.service.editing import create_node

CALLER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin", request_id="r-1")
OTHER = Caller(organization_id=8, kind=CredentialKind.INTERACTIVE, user_id=43, user_name="other")
AT = "2026-06-01T08:00:00Z"
AT_TIME = datetime(2026, 6, 1, 8, tzinfo=UTC)
AT_MS = to_ms(AT_TIME)


def event(**changes: Any) -> dict[str, Any]:
    """An event in the product's own words."""
    return {"definitionKey": "disk", "occurrenceKey": "o-1", "state": "Firing", "occurredAt": AT} | changes


def alertmanager(status: str, **changes: Any) -> dict[str, Any]:
    """An alert in the words of Alertmanager and Grafana."""
    return {
        "status": status,
        "labels": {"alertname": "Disk", "severity": "critical", "instance": "a"},
        "annotations": {"summary": "Disk is full", "description": "99 %"},
        "startsAt": AT,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "f1",
    } | changes


def zabbix(**changes: Any) -> dict[str, Any]:
    """An event in the words of Zabbix."""
    body = {"triggerId": "10", "hostId": "30", "eventId": "20", "value": "1", "severity": "High", "name": "Disk", "opdata": "99 %"}
    return body | {"clock": str(AT_MS // 1000)} | changes


def transition(state: TransitionState = TransitionState.FIRING, minutes: float = 0, **changes: Any) -> Transition:
    """A transition so many minutes after eight."""
    fields: dict[str, Any] = {
        "definition_key": "disk",
        "instance_key": None,
        "occurrence_key": "o-1",
        "event_id": None,
        "state": state,
        "severity": None,
        "title": None,
        "description": None,
        "occurred_ms": to_ms(AT_TIME + timedelta(minutes=minutes)),
        "labels": {},
    }
    return Transition(**fields | changes)


class World:
    """A source of an organization, and what is done with it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.is_pressed = False
        self.worker = ExternalProcessor(database, lambda: self.is_pressed)
        self.source: Source
        self.secret = ""
        self.node_id = 0

    async def build(self, caller: Caller = CALLER, **changes: Any) -> None:
        """Makes the source and a host."""
        fields: dict[str, Any] = {"name": "Alarms", "provider_type": "GENERIC", "severity_mapping": {"High": "Critical", "low": "Warning"}}
        async with self.database.write() as tx:
            self.source, self.secret = await create_source(tx, caller, SourceDraft(**fields | changes), self.clock.now())
            node = await create_node(tx, caller, NodeDraft(external_id="h1", node_type="Host", display_name="Host 1"), self.clock.now())
            self.node_id = node.id

    async def define(self, **changes: Any) -> Definition:
        """Maps `disk` to the host."""
        fields: dict[str, Any] = {"source_id": self.source.id, "key": "disk", "node_id": self.node_id, "display_name": "Disk space"}
        async with self.database.write() as tx:
            return await create_definition(tx, CALLER, DefinitionDraft(**fields | changes), self.clock.now())

    async def deliver(self, *transitions: Transition) -> Receipt:
        """A request."""
        async with self.database.write() as tx:
            submission = Submission(self.source.organization_id, self.source.id, transitions)
            return (await accept_group(tx, [submission], self.clock.now()))[0]

    async def work(self) -> None:
        """Works off everything."""
        while await self.worker.tick(self.clock.now()):
            pass

    async def report(self, *transitions: Transition) -> list[Alert]:
        """A request that is worked off; the alerts then."""
        await self.deliver(*transitions)
        await self.work()
        return await self.alerts()

    async def alerts(self) -> list[Alert]:
        """All alerts, by number."""
        async with self.database.read() as tx:
            found = await list_alerts(tx, self.source.organization_id, AlertFilter())
        return sorted(found, key=lambda alert: alert.id)
