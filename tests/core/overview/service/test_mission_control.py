from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from lumetry_core.agents.draft import Draft as AgentDraft
from lumetry_core.agents.service.writing import create as create_agent
from lumetry_core.alerts.model import SourceKind
from lumetry_core.billing.model import Meter, Usage
from lumetry_core.billing.service.metering import count, write_counted
from lumetry_core.heartbeats.model import Status
from lumetry_core.incidents.model import IncidentState
from lumetry_core.overview.figures import AlertFigures, FleetFigures, IncidentFigures, IngestFigures, MachineFigures, SeverityCounts
from lumetry_core.overview.filters import Asked, Filters
from lumetry_core.overview.narrowing import MonitorFigures
from lumetry_core.overview.resources import ResourceDraft
from lumetry_core.overview.rpc.encoding import encode_agent
from lumetry_core.overview.service import scene
from lumetry_core.overview.service.mission_control import read_mission_control
from lumetry_core.overview.service.resources import replace_resources
from lumetry_core.overview.service.scene import Scenes
from lumetry_core.projects.model import Project
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.core.overview.world import ANN, World

SOURCES = ("metric", "external", "log", "container", "endpoint", "heartbeat", "certificate", "resource", "update")


def titles(found: Any) -> list[str]:
    return [item.draft.title for item in found.activity.items]


async def link(world: World, project: Project, **lists: Any) -> None:
    async with world.database.write() as tx:
        await replace_resources(tx, ANN, project.id, ResourceDraft(**lists), world.clock.now())


async def test_an_empty_organization_has_every_section(world: World) -> None:
    """Nothing is counted, and every list is there and empty."""
    found = await world.mission_control()
    assert (found.time, found.filters) == (world.clock.now(), Filters(limit=50))
    assert found.incident_figures == IncidentFigures()
    assert found.alert_figures == AlertFigures(by_source=dict.fromkeys(SOURCES, 0))
    assert found.machine_figures == MachineFigures()
    assert found.monitor_figures == MonitorFigures()
    assert found.ingest == IngestFigures(log_entries_per_second=0, log_entries=0, log_bytes=0)
    assert [found.agents, found.collectors, found.machines, found.incidents] == [[], [], [], []]
    assert found.activity.items == ()


async def test_figures_count_what_goes_on(world: World) -> None:
    """Alerts by severity and source, incidents by state, monitors by standing, usage by hour; silenced alerts are active too."""
    await world.heartbeat(1, "backup", Status.DOWN)
    await world.heartbeat(2, "report", Status.PAUSED)
    await world.heartbeat(3, "mail")
    await world.alert("high", severity=Severity.CRITICAL, silence_id=4)
    monitored = {"source_kind": SourceKind.MONITOR, "monitor_source": "heartbeat", "alert_type": "down", "entity_type": "heartbeat"}
    await world.alert("down", **monitored, entity_id=1)
    await world.alert("old", start_time=world.ago(hours=30), rule_id=2)
    await world.incident(1, severity=Severity.CRITICAL, start_time=world.ago(hours=30))
    await world.incident(2, state=IncidentState.ACKNOWLEDGED, acknowledge_time=world.clock.now(), start_time=world.ago(minutes=4))
    await world.incident(3, state=IncidentState.RESOLVED, resolve_time=world.clock.now(), start_time=world.ago(hours=1))
    async with world.database.write() as tx:
        usages = [Usage(Meter.METRIC_POINTS, 600), Usage(Meter.LOG_ENTRIES, 60), Usage(Meter.LOG_BYTES, 99), Usage(Meter.CHECK_RUNS, 4)]
        await count(tx, 7, usages, world.clock.now())
        await write_counted(tx)
    found = await world.mission_control()
    assert found.incident_figures == IncidentFigures(
        open=2, acknowledged=1, critical=1, opened=2, resolved=1, mean_to_acknowledge=240, mean_to_resolve=3600
    )
    assert found.alert_figures == AlertFigures(
        active=SeverityCounts(critical=1, warning=2),
        silenced=1,
        fired=2,
        by_source=dict.fromkeys(SOURCES, 0) | {"metric": 2, "heartbeat": 1},
    )
    assert found.monitor_figures == MonitorFigures(total=3, up=1, down=1, unknown=1)
    assert found.ingest == IngestFigures(
        metric_points_per_second=10, metric_points=600, log_entries_per_second=1, log_entries=60, log_bytes=99, checks=4
    )
    assert [item.incident.key for item in found.incidents] == ["INC-000001", "INC-000002"]


async def test_rates_forget_what_is_older_than_a_minute(world: World) -> None:
    """Of the minute before counts the share that lies within 60 seconds."""
    async with world.database.write() as tx:
        await count(tx, 7, [Usage(Meter.METRIC_POINTS, 600)], world.clock.now())
        await write_counted(tx)
    world.clock.advance(seconds=75)
    assert (await world.mission_control()).ingest.metric_points_per_second == 7.5
    world.clock.advance(seconds=60)
    assert (await world.mission_control()).ingest.metric_points_per_second == 0


async def test_without_the_permission_logs_are_unknown(world: World) -> None:
    """Whoever may not see logs gets no log figures and no log items."""
    await world.item("log_group", "new", "TypeError in cart")
    await world.item("monitor", "down", "Endpoint down")
    found = await world.mission_control(replace(ANN, permissions=ANN.permissions - {Permission.VIEW_LOGS}))
    assert found.ingest == IngestFigures()
    assert (found.ingest.log_entries_per_second, found.ingest.log_entries, found.ingest.log_bytes) == (None, None, None)
    assert titles(found) == ["Endpoint down"]
    assert titles(await world.mission_control()) == ["Endpoint down", "TypeError in cart"]


async def test_machines_show_alerts_of_points_and_nodes(world: World) -> None:
    """A machine is found by the host of points, its alerts by member and by what runs below its node; the gravest comes first."""
    await world.host("h-1", "web-1")
    await world.host("h-2", "db-1")
    node_id = await world.node("h-2")
    await world.alert("cpu", dimension_key="host.id=h-1|disk=a", metric_key="host.cpu.percent")
    incident_id = await world.incident(1)
    await world.alert("down", related_ci_id=node_id, severity=Severity.CRITICAL, rule_id=2, incident_id=incident_id)
    found = await world.mission_control()
    shown = [(each.id, each.name, each.status, each.node_id, each.open_alerts, each.open_incidents) for each in found.machines]
    assert shown == [
        ("h-2", "db-1", "critical", node_id, SeverityCounts(critical=1), 1),
        ("h-1", "web-1", "warning", None, SeverityCounts(warning=1), 0),
    ]
    assert found.machine_figures == MachineFigures(total=2, warning=1, critical=1)


async def test_machines_whose_usual_metrics_are_silent_are_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host has reported once points have named it: last when its newest point says so, or at the latest when it was named."""
    await world.host("h-1", "web-1")
    await world.host("h-2", "db-1")
    named = world.clock.now()
    seen = world.clock.advance(hours=1)

    async def read_times(*_: object) -> dict[str, datetime]:
        return {"h-2": seen}

    monkeypatch.setattr(scene, "read_last_times", read_times)
    world.clock.advance(hours=1)
    found = await world.mission_control()
    shown = [(machine.id, machine.status, machine.last_seen_time, machine.cpu_percent) for machine in found.machines]
    assert shown == [("h-2", "healthy", seen, None), ("h-1", "healthy", named, None)]


async def test_machines_of_host_agents(world: World) -> None:
    """A machine is critical when its agent is offline; the agent's item counts its alerts and tells how it came."""
    silent, heard = [await world.host_agent(number) for number in (1, 2)]
    world.clock.advance(minutes=6)
    await world.beat(heard)
    await world.alert("cpu", dimension_key="host.id=srv-2", metric_key="host.cpu.percent")
    found = await world.mission_control()
    machines = [(each.id, each.name, each.os, each.arch, each.agent_id, each.node_id, each.status) for each in found.machines]
    assert machines == [
        ("srv-1", "web-1", "linux", "x86_64", silent.key, silent.node_id, "critical"),
        ("srv-2", "web-2", "linux", "x86_64", heard.key, heard.node_id, "warning"),
    ]
    assert found.machine_figures == MachineFigures(total=2, warning=1, critical=1)
    assert [found.machines[0].last_seen_time, found.machines[1].last_seen_time] == [None, world.clock.now()]
    default = ("lumetry", "online", None)
    assert [(agent.slug, agent.status, agent.machine) for agent in found.agents] == [
        ("web-1", "offline", "srv-1"),
        default,
        ("web-2", "online", "srv-2"),
    ]
    assert (found.agent_figures, dict(found.open_alerts)) == (FleetFigures(total=3, online=2, offline=1), {"srv-2": 1})
    items = [encode_agent(agent, found.open_alerts.get(agent.machine or "", 0)) for agent in found.agents]
    told = [(item.kind, item.version, item.transport, item.queue_depth, item.open_alerts) for item in items]
    assert told == [("host", "1.0", "", 0, 0), ("automation", "", "", 0, 0), ("host", "1.0", "direct", 3, 1)]
    assert [item.HasField("queue_depth") for item in items] == [False, False, True]
    by_agent = await world.mission_control(agent="web-2")
    assert ([each.id for each in by_agent.machines], [each.id for each in by_agent.agents]) == (["srv-2"], [heard.key])
    by_machine = await world.mission_control(machine="SRV-1")
    assert [each.id for each in by_machine.agents] == [silent.key]
    assert titles(by_machine) == ["Agent enrolled: web-1"]


async def test_the_kind_narrows_the_feed_alone(world: World) -> None:
    """Several kinds may be asked for; they are told in the order of the contract."""
    await world.host("h-1", "web-1")
    for kind, action in (("monitor", "down"), ("rule", "created"), ("alert", "fired")):
        await world.item(kind, action, kind)
    found = await world.mission_control(kinds=("rule", " alert", ""))
    assert (titles(found), found.filters.kinds, found.machine_total) == (["alert", "rule"], ("alert", "rule"), 1)


async def test_the_agent_narrows_agents_feed_and_machines(world: World) -> None:
    """By UUID or slug; an automation runs on no machine."""
    async with world.database.write() as tx:
        bot = await create_agent(tx, ANN, AgentDraft(name="Deploy bot"), world.clock.now())
    await world.host("h-1", "web-1")
    await world.item("session", "message", "Bot wrote", agent_id=bot.id)
    await world.item("session", "created", "Ann asked")
    found = await world.mission_control(agent=bot.slug)
    assert ([agent.id for agent in found.agents], found.agent_total, titles(found), found.machine_total) == (
        [bot.id],
        1,
        ["Bot wrote", "Agent created: Deploy bot"],
        0,
    )
    assert found.filters.agent_id == bot.id
    assert found.agent_figures.total >= 1


async def test_the_project_narrows_incidents_figures_feed_and_machines(world: World) -> None:
    """What belongs to a project is found through its monitors, its metrics and its nodes with all below them."""
    shop = await world.project("shop")
    await world.host("h-1", "web-1")
    await world.host("h-2", "db-1")
    node_id = await world.node("h-2")
    await world.heartbeat(5, "backup")
    await link(world, shop, monitors=(("heartbeat", 5),), node_ids=(node_id,))
    ours, theirs = await world.incident(1), await world.incident(2, severity=Severity.CRITICAL)
    monitored = {"source_kind": SourceKind.MONITOR, "monitor_source": "heartbeat", "alert_type": "down", "entity_type": "heartbeat"}
    await world.alert("backup", **monitored, entity_id=5, incident_id=ours)
    await world.alert("node", topology_node_id=node_id, severity=Severity.CRITICAL)
    await world.alert("other", severity=Severity.INFO, incident_id=theirs, rule_id=3)
    await world.item("alert", "fired", "Backup is late", project_ids=(shop.id,))
    await world.item("alert", "fired", "Other")
    found = await world.mission_control(project="shop")
    assert [(item.incident.id, item.project_ids) for item in found.incidents] == [(ours, [shop.id])]
    assert (found.incident_total, found.incident_figures.open, found.incident_figures.opened) == (1, 1, 1)
    assert (found.alert_figures.active, found.alert_figures.fired) == (SeverityCounts(critical=1, warning=1), 2)
    assert ([machine.id for machine in found.machines], titles(found)) == (
        ["h-2"],
        ["Backup is late", "Project changed: shop", "Project created: shop"],
    )
    assert found.monitor_figures.total == 1  # not narrowed
    whole = await world.mission_control()
    assert (whole.incident_total, whole.alert_figures.fired, whole.machine_total) == (2, 3, 2)


async def test_the_machine_narrows_machines_agents_and_feed(world: World) -> None:
    """By host id or name, without case; an unknown one gives empty lists."""
    await world.host("h-1", "web-1")
    await world.host("h-2", "db-1")
    await world.item("monitor", "down", "On one", machine="h-1")
    await world.item("monitor", "down", "On two", machine="h-2")
    for name in ("H-1", "WEB-1"):
        found = await world.mission_control(machine=name)
        assert ([machine.id for machine in found.machines], titles(found), found.agent_total) == (["h-1"], ["On one"], 0)
    found = await world.mission_control(machine="h-9")
    assert (found.machine_total, found.agent_total, titles(found)) == (0, 0, [])
    assert found.machine_figures.total == 2


async def test_the_search_narrows_all_lists(world: World) -> None:
    """A part of a name, key or title, without case."""
    await world.host("h-1", "web-1")
    await world.host("h-2", "db-1")
    await world.incident(12, primary_ci_name="db-1")
    await world.incident(13, primary_ci_name="web-1")
    await world.item("monitor", "down", "Endpoint WEB-1 down")
    await world.item("monitor", "down", "Endpoint db down")
    found = await world.mission_control(search="Web-")
    assert [machine.id for machine in found.machines] == ["h-1"]
    assert [item.title for item in found.incidents] == ["Incident on web-1"]
    assert titles(found) == ["Endpoint WEB-1 down"]
    assert (await world.mission_control(search="c-000012")).incident_total == 1


async def test_filters_join(world: World) -> None:
    """What passes all filters is shown, page by page."""
    shop = await world.project("shop")
    for number in range(3):
        await world.item("monitor", "down", f"Cart {number}", project_ids=(shop.id,), machine="h-1")
    await world.item("monitor", "down", "Cart elsewhere", project_ids=(shop.id,), machine="h-2")
    await world.item("rule", "created", "Cart rule", project_ids=(shop.id,), machine="h-1")
    await world.item("monitor", "down", "Cart of nobody", machine="h-1")
    asked: dict[str, Any] = {"kinds": ("monitor",), "project": shop.id, "machine": "h-1", "search": "cart", "limit": 2}
    first = await world.mission_control(**asked)
    second = await world.mission_control(**asked, cursor=first.activity.next_cursor)
    assert (titles(first), titles(second), second.activity.next_cursor) == (["Cart 2", "Cart 1"], ["Cart 0"], "")
    with pytest.raises(LumetryError, match="not valid"):
        await world.mission_control(**asked | {"limit": 5, "search": "c"}, cursor=first.activity.next_cursor)


async def test_bad_filters(world: World) -> None:
    """Unknown kinds and texts that are too long are named; a number out of range alone is a fault of its own kind."""
    for asked, reason in (
        ({"kinds": ("alert", "pager")}, Reason.VALIDATION_FAILED),
        ({"search": "x" * 201}, Reason.VALIDATION_FAILED),
        ({"limit": 0}, Reason.OUT_OF_RANGE),
        ({"limit": 201}, Reason.OUT_OF_RANGE),
        ({"limit": 0, "search": "\0"}, Reason.VALIDATION_FAILED),
        ({"agent": "nobody"}, Reason.NOT_FOUND),
        ({"project": "nothing"}, Reason.NOT_FOUND),
        ({"cursor": "x"}, Reason.VALIDATION_FAILED),
    ):
        with pytest.raises(LumetryError) as caught:
            await world.mission_control(**asked)
        assert caught.value.reason is reason
    assert caught.value.faults == (Fault("cursor", "must be the cursor of a page with the same filters"),)


async def test_private_projects_of_others_are_hidden(world: World) -> None:
    """Their items are not shown, their ids are left out of incidents, and as a filter they do not exist."""
    secret = await world.project("secret", visibility="private")
    await world.heartbeat(5, "backup")
    await link(world, secret, monitors=(("heartbeat", 5),))
    incident_id = await world.incident(1)
    monitored = {"source_kind": SourceKind.MONITOR, "monitor_source": "heartbeat", "alert_type": "down", "entity_type": "heartbeat"}
    await world.alert("backup", **monitored, entity_id=5, incident_id=incident_id)
    await world.item("project", "changed", "Secret plans", project_ids=(secret.id,))
    bob = replace(ANN, user_id=4)
    found = await world.mission_control(bob)
    assert ([item.project_ids for item in found.incidents], "Secret plans" in titles(found)) == ([[]], False)
    with pytest.raises(LumetryError, match="Project not found"):
        await world.mission_control(bob, project="secret")
    assert "Secret plans" in titles(await world.mission_control(project="secret"))


async def test_another_organization_sees_nothing(world: World) -> None:
    """Nothing of one organization is shown to another."""
    await world.host("h-1", "web-1")
    await world.heartbeat(5, "backup")
    await world.alert("high")
    await world.incident(1)
    await world.item("monitor", "down", "Ours")
    found = await world.mission_control(replace(ANN, organization_id=8))
    assert (found.machine_total, found.incident_total, found.monitor_figures, titles(found)) == (0, 0, MonitorFigures(), [])
    assert found.alert_figures.active == SeverityCounts()


async def test_scenes_are_remembered_for_a_moment(world: World) -> None:
    """What does not depend on the caller is at most two seconds old; the feed is always new."""
    scenes = Scenes()

    async def look() -> tuple[int, list[str]]:
        async with world.database.read() as tx:
            found = await read_mission_control(tx, ANN, Asked(), scenes, world.clock.now())
        return found.incident_total, titles(found)

    assert await look() == (0, [])
    await world.incident(1)
    await world.item("incident", "opened", "Now")
    world.clock.advance(seconds=1)
    assert await look() == (0, ["Now"])
    world.clock.advance(seconds=1)
    assert await look() == (1, ["Now"])
