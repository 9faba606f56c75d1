"""The snapshot of people on duty (contract workspace 11)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.activity.model import Page
from lumetry_core.agents.model import Agent
from lumetry_core.billing.model import Meter
from lumetry_core.billing.service.pace import read_hours
from lumetry_core.collectors.model import Collector
from lumetry_core.overview import narrowing
from lumetry_core.overview.figures import AlertFigures, FleetFigures, IncidentFigures, IngestFigures, MachineFigures, PipelineFigures
from lumetry_core.overview.filters import Asked, Filters
from lumetry_core.overview.machines import Machine, count_machines
from lumetry_core.overview.narrowing import MAX_ITEMS, IncidentItem, MonitorFigures
from lumetry_core.overview.scene import Scene
from lumetry_core.overview.service.asking import Question, read_activity, read_agents, read_question, read_work
from lumetry_core.overview.service.scene import DAY, METERS, Scenes
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction

DEFAULT_LIMIT = 50
LOG_METERS = (Meter.LOG_ENTRIES, Meter.LOG_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissionControl:
    """Lists hold at most 200 items; totals count all after filtering."""

    time: datetime
    filters: Filters
    incident_figures: IncidentFigures
    alert_figures: AlertFigures
    agent_figures: FleetFigures
    collector_figures: FleetFigures
    machine_figures: MachineFigures
    monitor_figures: MonitorFigures
    ingest: IngestFigures
    pipeline: PipelineFigures
    agents: Sequence[Agent]
    agent_total: int
    open_alerts: Mapping[str, int]
    """Active alerts of each machine that has any."""
    collectors: Sequence[Collector]
    collector_total: int
    machines: Sequence[Machine]
    machine_total: int
    incidents: Sequence[IncidentItem]
    incident_total: int
    activity: Page


async def read_mission_control(tx: Transaction, caller: Caller, asked: Asked, scenes: Scenes, now: datetime) -> MissionControl:
    """One consistent read; what does not depend on the caller may be two seconds old.

    Fails with VALIDATION_FAILED, OUT_OF_RANGE (`limit`), NOT_FOUND for an agent or a project.
    """
    question = await read_question(tx, caller, asked, DEFAULT_LIMIT)
    filters = question.filters
    scene = await scenes.read(tx, caller.organization_id, now)
    work = await read_work(tx, question, scene, now - DAY)
    all_agents = await read_agents(tx, caller, now)
    agents = narrowing.select_agents(all_agents, filters)
    collectors = narrowing.select_collectors(scene, filters, now)
    machines = narrowing.select_machines(scene, filters, question.agent)
    incidents = narrowing.list_incidents(scene, filters, question.hidden_projects, now)
    return MissionControl(
        time=now,
        filters=filters,
        incident_figures=narrowing.count_incidents(work.unresolved, work.handling),
        alert_figures=narrowing.count_alerts(work.marks, work.fired),
        agent_figures=narrowing.count_agents(all_agents),
        collector_figures=narrowing.count_collectors(scene.collectors, now),
        machine_figures=count_machines(scene.machines),
        monitor_figures=narrowing.count_monitors(scene.monitors),
        ingest=await read_ingest(tx, question, scene),
        pipeline=scene.pipeline,
        agents=agents[:MAX_ITEMS],
        agent_total=len(agents),
        open_alerts=narrowing.count_open_alerts(scene.machines),
        collectors=collectors[:MAX_ITEMS],
        collector_total=len(collectors),
        machines=machines[:MAX_ITEMS],
        machine_total=len(machines),
        incidents=incidents[:MAX_ITEMS],
        incident_total=len(incidents),
        activity=await read_activity(tx, question, scene, asked.cursor),
    )


async def read_ingest(tx: Transaction, question: Question, scene: Scene) -> IngestFigures:
    """What comes in; what is said of logs is said of the project that was asked for."""
    usage = list(scene.usage)
    pace = scene.pace
    project_id = question.filters.project_id
    if project_id is not None:
        own = await read_hours(tx, question.caller.organization_id, METERS, scene.first_hour, project_id)
        usage = [row for row in usage if row[1] not in LOG_METERS] + [row for row in own if row[1] in LOG_METERS]
        whole = sum(quantity for _, meter, quantity in scene.usage if meter is Meter.LOG_ENTRIES)
        part = sum(quantity for _, meter, quantity in own if meter is Meter.LOG_ENTRIES)
        # The last minutes are not known by project; their share is taken to be that of the day.
        pace = {**pace, Meter.LOG_ENTRIES: pace[Meter.LOG_ENTRIES] * part / whole if whole else 0.0}
    return narrowing.count_ingest(replace(scene, usage=usage, pace=pace), has_logs=question.has_logs)
