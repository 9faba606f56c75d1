"""Monitors that fail, from what is seen of them to the incident, the lists of both families and the message to a channel."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.access.vault import Vault
from lumetry_core.alerts.decisions import Explanation, Gate, Outcome, Transition, Verdict
from lumetry_core.alerts.model import Alert, AlertFilter, Eligibility
from lumetry_core.alerts.service import handling, reading, windows
from lumetry_core.alerts.service.listing import PageQuery, list_page
from lumetry_core.alerts.service.silence_rules import SilenceRuleDraft, cancel_rule, create_rule
from lumetry_core.alerts.spelling import spell_monitored, status_of
from lumetry_core.containers.engine import Inspected
from lumetry_core.containers.service.observing import reconcile
from lumetry_core.endpoints.model import Endpoint
from lumetry_core.endpoints.sealing import Rules
from lumetry_core.incidents.model import Incident
from lumetry_core.incidents.service.reading import IncidentQuery, list_incident_timeline, search_incidents
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.topology.model import NodeType
from tests.conftest import FakeClock
from tests.core.certificates.building import World as Certificates
from tests.core.certificates.building import present
from tests.core.endpoints.world import World as Endpoints
from tests.core.endpoints.world import result
from tests.core.heartbeats.world import World as Heartbeats
from tests.core.incidents.building import add_nodes
from tests.core.notifications.posting import Post
from tests.pipeline.plant import ORGANIZATION, person

RULES = Rules(Vault(b"k" * 32), PRIVATE_TOO)
SHOP = Inspected(
    external_id="c0ffee",
    name="shop",
    image="shop:1",
    image_id="sha256:1",
    state="running",
    health="healthy",
    has_health_check=True,
    labels={"lumetry.endpoint.http": "http://shop.test/", "lumetry.endpoint.failure-threshold": "2"},
)


@dataclass
class Site:
    """A deployment with a container, its endpoint, heartbeats and certificates, and one channel that hears of everything."""

    database: Database
    clock: FakeClock
    wakeups: Wakeups
    post: Post
    seen: Inspected = SHOP
    endpoints: Endpoints = field(init=False)
    heartbeats: Heartbeats = field(init=False)
    certificates: Certificates = field(init=False)

    def __post_init__(self) -> None:
        self.endpoints = Endpoints(self.database, self.clock)
        self.heartbeats = Heartbeats(self.database, self.clock)
        self.certificates = Certificates(self.database, self.clock, self.wakeups)

    async def see(self, **changes: Any) -> None:
        """The runtime is looked at."""
        self.seen = replace(self.seen, **changes)
        async with self.database.write() as tx:
            await reconcile(tx, ORGANIZATION, [self.seen], RULES, self.clock.now())

    async def check(self, *, ok: bool) -> Endpoint:
        """The only endpoint is checked when it is due."""
        while not (claims := await self.endpoints.claim()):
            self.clock.advance(seconds=5)
        await self.endpoints.record((claims[0], result(self.clock.now(), ok=ok)))
        return await self.endpoints.read(claims[0].endpoint)

    async def settle(self) -> list[tuple[str, str]]:
        """Correlates, routes and sends; what the channel heard of since the last time."""
        before = len(self.post.sender.told)
        await self.post.settle()
        return self.post.sender.told[before:]

    async def alerts(self, **wanted: Any) -> list[Alert]:
        """As `/api/v1/alerts` lists them, oldest first."""
        async with self.database.read() as tx:
            page, has_more = await list_page(tx, person(), PageQuery(limit=200, **wanted))
        assert not has_more
        return page[::-1]

    async def listed(self) -> list[Alert]:
        """As `/api/alerts` lists them, oldest first."""
        async with self.database.read() as tx:
            return (await reading.list_alerts(tx, ORGANIZATION, AlertFilter()))[::-1]

    async def incidents(self) -> list[Incident]:
        """All incidents, oldest first."""
        async with self.database.read() as tx:
            found = await search_incidents(tx, person(), IncidentQuery())
        return sorted(found, key=lambda incident: incident.number)

    async def timeline(self, incident: Incident) -> list[str]:
        """What an incident's timeline says, oldest first."""
        async with self.database.read() as tx:
            entries = await list_incident_timeline(tx, person(), incident.id)
        return [found.entry.message for found in sorted(entries, key=lambda found: found.id)]

    async def explain(self, alert: Alert, transition: Transition = Transition.OPEN) -> Explanation:
        """Why people were told of it, or not."""
        async with self.database.read() as tx:
            return await reading.explain(tx, person(), alert.id, transition)

    async def close(self, alert: Alert) -> None:
        """A person closes an alert."""
        async with self.database.write() as tx:
            await handling.close(tx, person(), alert.id, "", self.clock.now())

    async def fail_endpoint(self) -> Alert:
        """The endpoint fails until it alerts; the alert."""
        for _ in range(2):
            await self.check(ok=False)
        return (await self.alerts(sources=["endpoint"]))[-1]


@pytest.fixture
async def site(database: Database, clock: FakeClock, wakeups: Wakeups) -> AsyncIterator[Site]:
    """A deployment that is well."""
    async with Post(database, clock) as post:
        await post.add_channel("Ops")
        yield Site(database, clock, wakeups, post)


def types(alerts: Sequence[Alert]) -> list[tuple[str, str, str]]:
    """Type, severity and status of alerts."""
    return [(alert.alert_type or "", alert.severity.value, status_of(alert)) for alert in alerts]


@pytest.mark.parametrize(
    ("node", "key"), [(None, "monitor:container:{container}"), ("container:shop", "ci:{node}")], ids=["without-topology", "topology"]
)
async def test_container_and_its_endpoint_join_one_incident(site: Site, node: str | None, key: str) -> None:
    """By the container, and by its node when the topology has one; timeline and explanation say what happened."""
    nodes = {}
    if node is not None:
        async with site.database.write() as tx:
            nodes = await add_nodes(tx, ORGANIZATION, (NodeType.HOST, node))
    await site.see()
    await site.see(health="unhealthy")
    endpoint = await site.fail_endpoint()
    told = await site.settle()
    alerts = await site.alerts()
    assert types(alerts) == [("health_unhealthy", "Warning", "active"), ("consecutive_failure", endpoint.severity.value, "active")]
    assert {alert.topology_node_id for alert in alerts} == ({nodes[node]} if node else {None})
    (incident,) = await site.incidents()
    assert {alert.incident_id for alert in alerts} == {incident.id}
    expected = key.format(container=alerts[0].entity_id, node=nodes.get(node or ""))
    assert (incident.correlation_key, incident.alert_count, incident.primary_metric_key) == (expected, 2, None)
    assert told == [("Ops", "alert.fired")] * 2
    first, second = (alert.id for alert in alerts)
    assert await site.timeline(incident) == [
        f"Incident {incident.incident_key} opened by alert {first}",
        f"Alert {first} correlated into incident",
        f"Alert {second} correlated into incident",
        f"Severity raised from Warning to Critical by alert {second}",
    ]
    explanation = await site.explain(alerts[0])
    assert [gate.gate for gate in explanation.gates] == list(Gate)
    assert [gate.verdict for gate in explanation.gates[:3]] == [Verdict.PASSED] * 3
    assert (explanation.gates[0].record is not None, explanation.gates[0].reason) == (True, "The container 'shop' is watched")
    await site.see(health="healthy")
    for _ in range(2):
        await site.check(ok=True)
    assert await site.settle() == [("Ops", "alert.resolved")] * 2
    assert {status for _, _, status in types(await site.alerts())} == {"resolved"}
    (incident,) = await site.incidents()
    assert incident.active_alert_count == 0


async def test_missed_heartbeat_opens_an_incident(site: Site) -> None:
    """It is critical and by itself; both families show the same alert."""
    heartbeat = await site.heartbeats.create()
    await site.heartbeats.ping(heartbeat)
    site.clock.advance(minutes=12)
    await site.heartbeats.judge()
    assert await site.settle() == [("Ops", "alert.fired")]
    (alert,) = await site.alerts()
    (incident,) = await site.incidents()
    assert (alert.alert_type, alert.severity, incident.severity) == ("deadline_missed", "Critical", "Critical")
    assert incident.correlation_key == f"monitor:heartbeat:{heartbeat.id}"
    assert await site.listed() == [alert]
    spelled = spell_monitored(alert)
    shared = (spelled["id"], spelled["message"], spelled["entity_name"], spelled["incident_id"], spelled["source_kind"])
    assert shared == (alert.id, alert.trigger_reason, "backup", incident.id, "Monitor")
    assert (alert.alert_name, alert.title, alert.description) == ("Heartbeat missed: backup",) * 2 + (alert.trigger_reason,)
    assert (alert.rule_id, alert.metric_key, alert.violation_count) == (None, None, 0)
    assert alert.dimension_key == f"monitor.id={heartbeat.id}|monitor.type=heartbeat"
    async with site.database.read() as tx:
        assert await reading.list_violations_of(tx, person(), alert.id, 0) == []


async def test_certificate_that_expires_soon_opens_an_incident_when_it_becomes_urgent(site: Site) -> None:
    """As long as it is only information the other family knows nothing of it."""
    monitor = await site.certificates.create()
    await site.certificates.look(monitor, present(days=25))
    await site.settle()
    (alert,) = await site.alerts()
    assert types([alert]) == [("expiring", "Info", "active")]
    assert (await site.listed(), await site.incidents()) == ([], [])
    async with site.database.read() as tx:
        with pytest.raises(LumetryError) as caught:
            await reading.list_violations_of(tx, person(), alert.id, 0)
    assert caught.value.reason is Reason.NOT_FOUND
    site.clock.advance(days=1)
    await site.certificates.look(monitor, present(days=11))
    assert await site.settle() == [("Ops", "alert.fired")]
    (raised,) = await site.alerts()
    (incident,) = await site.incidents()
    assert (raised.id, raised.severity, raised.incident_id) == (alert.id, "Warning", incident.id)
    assert (await site.listed(), incident.alert_count) == ([raised], 1)
    site.clock.advance(hours=1)
    await site.certificates.look(monitor, present(days=11))
    assert await site.settle() == []
    assert len(await site.incidents()) == 1


async def test_close_by_a_person_lets_the_next_failure_open_another(site: Site) -> None:
    """The row that was closed stays closed."""
    await site.see()
    first = await site.fail_endpoint()
    await site.settle()
    await site.close(first)
    await site.settle()
    await site.check(ok=False)
    await site.settle()
    alerts = await site.alerts()
    assert [status_of(alert) for alert in alerts] == ["resolved", "active"]
    assert alerts[0].id == first.id != alerts[1].id
    trace = await site.explain(first, Transition.CLOSE)
    assert trace.gates[0].reason == "Closed by anna"


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_end_of_a_silence_rule_tells_what_it_held_back(site: Site, is_cancelled: bool) -> None:
    """Meanwhile the alert is in its incident and in both lists; then it fires and the channel hears of it, once."""
    await site.see()
    async with site.database.write() as tx:
        rule = await create_rule(tx, person(), SilenceRuleDraft(duration_seconds=300, source="endpoint"), site.clock.now())
    alert = await site.fail_endpoint()
    assert await site.settle() == []
    (muted,) = await site.alerts(status="silenced")
    assert (muted.id, muted.incident_eligibility, await site.listed()) == (alert.id, None, [muted])
    assert [incident.id for incident in await site.incidents()] == [muted.incident_id]
    if is_cancelled:
        async with site.database.write() as tx:
            await cancel_rule(tx, person(), rule.id, site.clock.now())
    else:
        site.clock.advance(minutes=5)
    assert await site.settle() == [("Ops", "alert.fired")]
    site.clock.advance(minutes=1)
    assert await site.settle() == []
    (active,) = await site.alerts(status="active")
    assert active.id == alert.id


async def test_maintenance_of_the_node_suppresses(site: Site) -> None:
    """Nothing is told and no incident opens until it is over."""
    async with site.database.write() as tx:
        nodes = await add_nodes(tx, ORGANIZATION, (NodeType.HOST, "container:shop"))
    await site.see()
    now = site.clock.now()
    draft = windows.WindowDraft(
        scope_type="Ci", scope_node_id=nodes["container:shop"], start_time=now, end_time=now + timedelta(hours=1), reason="Upgrade"
    )
    async with site.database.write() as tx:
        await windows.create_window(tx, person(), draft, now)
    alert = await site.fail_endpoint()
    assert await site.settle() == []
    assert await site.incidents() == []
    (muted,) = await site.alerts()
    assert (status_of(muted), muted.incident_eligibility) == ("silenced", Eligibility.MAINTENANCE_SUPPRESSED)
    assert (await site.explain(alert)).outcome is Outcome.NOT_PAGED
    site.clock.moment = now + timedelta(hours=1)
    assert await site.settle() == [("Ops", "alert.fired")]
    (freed,) = await site.alerts()
    assert (status_of(freed), [incident.id for incident in await site.incidents()]) == ("active", [freed.incident_id])
