"""From an enrolled host and a monitored process to one incident, on real databases."""

from datetime import timedelta

import pytest

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.incidents.model import Incident
from lumetry_core.incidents.service.reading import IncidentQuery, list_incident_alerts, search_incidents
from lumetry_core.incidents.worker import Correlator
from lumetry_core.metrics.definition import define
from lumetry_core.metrics.service.ingestion import PointInput, ingest_points
from lumetry_core.metrics.service.senders import SenderBook
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.topology.service.editing import create_edge
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import Fleet, of_agent, process
from tests.core.topology.building import Graph, push
from tests.pipeline.plant import Plant, level, person

CPU, PROCESS_CPU = "host.cpu.percent", "process.cpu.percent"
WEB = {"process.executable": "nginx-worker"}


@pytest.fixture
def fleet(database: Database, clock: FakeClock) -> Fleet:
    return Fleet(database, clock)


async def send(plant: Plant, fleet: Fleet, host: str, key: str, second: float, value: float, **labels: str) -> None:
    """A point as an agent sends it: it says nothing true of who it is, or nothing at all."""
    caller = of_agent(fleet.agents[host].id)
    marking = await SenderBook(plant.database, plant.clock).mark(caller)
    definition = define(key, ({"host.id": "spoofed"} | labels).items(), "", "")
    point = PointInput(definition, to_ms(plant.start + timedelta(seconds=second)), value)
    await ingest_points(plant.appender.append, plant.clock, caller, [point], marking=marking)


async def correlate(plant: Plant) -> list[Incident]:
    """The incidents once nothing waits, oldest first."""
    correlator = Correlator(plant.database, OrganizationSettings())
    while await correlator.tick(plant.clock.now()):
        pass
    async with plant.database.read() as tx:
        return sorted(await search_incidents(tx, person(), IncidentQuery(limit=100)), key=lambda incident: incident.id)


async def prepare(plant: Plant, fleet: Fleet, clock: FakeClock) -> dict[str, int]:
    """Two hosts in a cluster, on both of which the monitored identity `web` runs; the numbers of all nodes."""
    graph = Graph(plant.database, clock.now())
    await graph.apply(push(["cluster-1", "svc-1", "app-1"], [("svc-1", "contains", "app-1")]))
    for host in ("host-1", "host-2"):
        await fleet.enroll(host, cluster="CLUSTER-1")
        await fleet.report(host, process("nginx-worker", "web"))
        await send(plant, fleet, host, CPU, -3600, 1)
        await send(plant, fleet, host, PROCESS_CPU, -3600, 1, **WEB)
    await fleet.monitor("web")
    return await graph.ids()


async def test_alert_of_an_enrolled_host_is_about_its_node(plant: Plant, fleet: Fleet, clock: FakeClock) -> None:
    """Without anybody having drawn a graph: identity and group come from the enrollment, and with them the CI."""
    ids = await prepare(plant, fleet, clock)
    await plant.add_rule(CPU, level(), scope={"host.group": "cluster-1"})
    await send(plant, fleet, "host-1", CPU, 0, 99)
    await plant.run()
    [incident] = await correlate(plant)
    [alert] = await plant.alerts()
    assert (alert.dimension_key, alert.related_ci_id, alert.related_service_id) == ("host.id=host-1", ids["host-1"], None)
    assert (incident.primary_ci_node_id, incident.correlation_key) == (ids["host-1"], f"ci:{ids['host-1']}")


async def test_alert_of_a_process_is_about_its_host_until_its_component_has_a_service(plant: Plant, fleet: Fleet, clock: FakeClock) -> None:
    """Without manual work what happens to a monitored process and to its host is one incident, and other hosts' are others."""
    ids = await prepare(plant, fleet, clock)
    await plant.add_rule(CPU, level())
    await plant.add_rule(PROCESS_CPU, level())
    for host, second in (("host-1", 0), ("host-2", 1)):
        await send(plant, fleet, host, PROCESS_CPU, second, 99, **WEB)
        await send(plant, fleet, host, CPU, second + 2, 99)
    await plant.run()
    incidents = await correlate(plant)
    assert [incident.primary_ci_node_id for incident in incidents] == [ids["host-1"], ids["host-2"]]
    assert [alert.related_ci_id for alert in await plant.alerts()].count(ids["host-1"]) == 2


async def test_alerts_of_host_and_process_meet_under_one_service(plant: Plant, fleet: Fleet, clock: FakeClock) -> None:
    """Once the Component belongs to an application of a service, what happens to it and to its hosts is one incident."""
    ids = await prepare(plant, fleet, clock)
    async with plant.database.write() as tx:
        await create_edge(tx, person(), ids["app-1"], ids["process:web"], "contains", None, clock.now())
    await plant.add_rule(CPU, level())
    await plant.add_rule(PROCESS_CPU, level())
    await send(plant, fleet, "host-1", PROCESS_CPU, 0, 99, **WEB)
    await send(plant, fleet, "host-1", CPU, 1, 99)
    await send(plant, fleet, "host-2", CPU, 2, 99)
    await plant.run()
    [incident] = await correlate(plant)
    found = {(alert.dimension_key, alert.related_ci_id, alert.related_service_id) for alert in await plant.alerts()}
    assert found == {
        ("host.id=host-1|process.executable=nginx-worker", ids["process:web"], ids["svc-1"]),
        ("host.id=host-1", ids["host-1"], ids["svc-1"]),
        ("host.id=host-2", ids["host-2"], ids["svc-1"]),
    }
    assert incident.primary_service_node_id == ids["svc-1"]
    async with plant.database.read() as tx:
        members = await list_incident_alerts(tx, person(), incident.id, 100)
    assert {alert.related_ci_id for alert in members} == {ids["process:web"], ids["host-1"], ids["host-2"]}
