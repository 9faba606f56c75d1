from dataclasses import replace
from datetime import UTC, datetime

from lumetry_core.alerts.model import SourceKind
from lumetry_core.heartbeats.model import Status
from lumetry_core.overview.figures import LogFigures, SeverityCounts, Trends
from lumetry_core.overview.health import Health, HealthStatus
from lumetry_core.overview.resources import ResourceDraft
from lumetry_core.overview.service.figures import FigureReader
from lumetry_core.overview.service.resources import replace_resources
from lumetry_core.overview.service.scene import Scenes
from lumetry_core.projects.model import ProjectFigures, ProjectStats
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Permission
from tests.core.overview.world import ANN, World

MONITORED = {"source_kind": SourceKind.MONITOR, "monitor_source": "heartbeat", "alert_type": "down", "entity_type": "heartbeat"}


async def test_health_follows_the_gravest(world: World) -> None:
    """Nothing watched is unknown; then a monitor, a critical alert, an incident and a critical incident each weigh more."""
    seen = [(await world.dashboard()).health]
    await world.heartbeat(1, "backup")
    seen.append((await world.dashboard()).health)
    await world.heartbeat(2, "report", Status.DOWN)
    seen.append((await world.dashboard()).health)
    await world.alert("high", severity=Severity.CRITICAL)
    seen.append((await world.dashboard()).health)
    await world.incident(1)
    seen.append((await world.dashboard()).health)
    await world.incident(2, severity=Severity.CRITICAL)
    seen.append((await world.dashboard()).health)
    assert seen == [
        Health(HealthStatus.UNKNOWN, "Nothing is monitored"),
        Health(HealthStatus.OPERATIONAL, "Everything works"),
        Health(HealthStatus.DEGRADED, "1 monitor down"),
        Health(HealthStatus.DEGRADED, "1 critical alert"),
        Health(HealthStatus.DEGRADED, "1 open incident"),
        Health(HealthStatus.CRITICAL, "1 critical incident"),
    ]


async def test_trends_lay_out_24_hours(world: World) -> None:
    """The running hour comes last; what is older than the first hour is left out."""
    await world.alert("now", rule_id=1)
    await world.alert("first hour", rule_id=2, start_time=world.ago(hours=22, minutes=10))
    await world.alert("too old", rule_id=3, start_time=world.ago(hours=25))
    await world.incident(1, start_time=world.ago(hours=1))
    found = await world.dashboard()
    zeros = [0] * 24
    assert found.trends == Trends(
        start=datetime(2026, 5, 31, 9, tzinfo=UTC),
        alerts_fired=[1, *zeros[2:], 1],
        incidents_opened=[*zeros[2:], 1, 0],
        log_errors=zeros,
        metric_points=zeros,
    )


async def test_without_the_permission_logs_are_unknown(world: World) -> None:
    """Log figures and the trend of errors are missing, the rest is there."""
    found = await world.dashboard(replace(ANN, permissions=ANN.permissions - {Permission.VIEW_LOGS}))
    assert (found.logs, found.trends.log_errors, found.ingest.log_entries) == (None, None, None)
    assert (await world.dashboard()).logs == LogFigures()


async def test_the_project_narrows_monitors_and_incidents(world: World) -> None:
    """Of the project are the monitors that it links; private ones of others are not counted among projects."""
    project = await world.project("shop")
    await world.project("secret", visibility="private")
    await world.heartbeat(5, "backup", Status.DOWN)
    await world.heartbeat(6, "mail")
    async with world.database.write() as tx:
        await replace_resources(tx, ANN, "shop", ResourceDraft(monitors=(("heartbeat", 5),)), world.clock.now())
    ours, _ = await world.incident(1), await world.incident(2)
    await world.alert("backup", **MONITORED, entity_id=5, incident_id=ours)
    await world.alert("mail", **MONITORED, entity_id=6, severity=Severity.CRITICAL)
    found = await world.dashboard(project=project.id)
    assert [standing.id for standing in found.monitors.heartbeats] == [5]
    assert [item.incident.id for item in found.incidents] == [ours]
    assert (found.alert_figures.active, sum(found.trends.alerts_fired)) == (SeverityCounts(warning=1), 1)
    assert (await world.dashboard()).project_count - (await world.dashboard(replace(ANN, user_id=4))).project_count == 1
    async with world.database.read() as tx:
        figures = await FigureReader(Scenes()).read(tx, ANN, project, world.clock.now())
        blind = await FigureReader(Scenes()).read(tx, replace(ANN, permissions=frozenset()), project, world.clock.now())
    assert figures == ProjectFigures(ProjectStats(1, 1, 1, log_entries_24h=0, open_error_groups=0), 0)
    assert blind.stats == ProjectStats(1, 1, 1)
