"""The dashboard's snapshot (contract workspace 12)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.activity.model import Page
from lumetry_core.billing.model import Meter
from lumetry_core.billing.service.pace import read_hours
from lumetry_core.billing.service.reading import Overview, read_overview
from lumetry_core.logs.service.group_figures import count_errors, count_groups
from lumetry_core.notices.model import Inbox
from lumetry_core.notices.service import list_notices
from lumetry_core.overview import narrowing
from lumetry_core.overview.figures import AlertFigures, FleetFigures, IncidentFigures, IngestFigures, LogFigures, MachineFigures, Trends
from lumetry_core.overview.filters import Asked, Filters
from lumetry_core.overview.health import Health, judge_health
from lumetry_core.overview.machines import count_machines
from lumetry_core.overview.narrowing import IncidentItem
from lumetry_core.overview.scene import Monitors, Scene, Work
from lumetry_core.overview.service.asking import Question, read_activity, read_agents, read_question, read_work
from lumetry_core.overview.service.figures import monitors_of
from lumetry_core.overview.service.scene import DAY, Scenes, read_uptime
from lumetry_core.projects.service import links
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.sessions.service.reading import count_active_sessions

DEFAULT_LIMIT = 10
MAX_INCIDENTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """What everybody sees first; `logs` and a trend of it are None for whoever may not see logs."""

    time: datetime
    filters: Filters
    health: Health
    incident_figures: IncidentFigures
    incidents: Sequence[IncidentItem]
    alert_figures: AlertFigures
    monitors: Monitors
    uptime_percent: float | None
    ingest: IngestFigures
    logs: LogFigures | None
    agent_figures: FleetFigures
    collector_figures: FleetFigures
    machine_figures: MachineFigures
    project_count: int
    active_sessions: int
    unread_notices: int
    usage: Overview
    trends: Trends
    activity: Page


async def read_dashboard(tx: Transaction, caller: Caller, asked: Asked, scenes: Scenes, now: datetime) -> Dashboard:
    """One consistent read; what does not depend on the caller may be two seconds old.

    Fails with VALIDATION_FAILED, OUT_OF_RANGE (`limit`), NOT_FOUND for an agent or a project.
    """
    question = await read_question(tx, caller, asked, DEFAULT_LIMIT)
    organization_id, project_id = caller.organization_id, question.filters.project_id
    scene = await scenes.read(tx, organization_id, now)
    work = await read_work(tx, question, scene, now - DAY)
    monitors = monitors_of(scene, project_id)
    uptime = scene.uptime_percent if project_id is None else await read_uptime(tx, organization_id, now, monitors)
    incident_figures = narrowing.count_incidents(work.unresolved, work.handling)
    alert_figures = narrowing.count_alerts(work.marks, work.fired)
    only_project = Filters(project_id=project_id, limit=DEFAULT_LIMIT)
    errors = await count_errors(tx, organization_id, scene.first_hour, project_id) if question.has_logs else None
    all_ids = await links.list_project_ids(tx, organization_id)
    return Dashboard(
        time=now,
        filters=question.filters,
        health=judge_health(
            incident_figures, alert_figures, narrowing.count_monitors(monitors), is_watched=bool(scene.machines or scene.usage)
        ),
        incident_figures=incident_figures,
        incidents=narrowing.list_incidents(scene, only_project, question.hidden_projects, now)[:MAX_INCIDENTS],
        alert_figures=alert_figures,
        monitors=monitors,
        uptime_percent=uptime,
        ingest=narrowing.count_ingest(scene, has_logs=question.has_logs),
        logs=None if errors is None else await read_logs(tx, question, scene, sum(errors.values())),
        agent_figures=narrowing.count_agents(await read_agents(tx, caller, now)),
        collector_figures=narrowing.count_collectors(scene.collectors, now),
        machine_figures=count_machines(scene.machines),
        project_count=sum(each not in question.hidden_projects for each in all_ids),
        active_sessions=await count_active_sessions(tx, caller),
        unread_notices=await count_unread(tx, question),
        usage=await read_overview(tx, organization_id, now),
        trends=read_trends(scene, work, errors),
        activity=await read_activity(tx, question, scene, asked.cursor),
    )


async def count_unread(tx: Transaction, question: Question) -> int:
    """The caller's notices that are not read."""
    caller = question.caller
    if caller.user_id is None:
        return 0
    inbox = Inbox(caller.organization_id, caller.user_id, question.hidden_projects)
    return (await list_notices(tx, inbox, only_unread=True, kinds=(), severity="", limit=1, cursor="")).unread_count


async def read_logs(tx: Transaction, question: Question, scene: Scene, errors: int) -> LogFigures:
    """What is said of logs."""
    organization_id, project_id = question.caller.organization_id, question.filters.project_id
    usage = scene.usage
    if project_id is not None:
        usage = await read_hours(tx, organization_id, (Meter.LOG_ENTRIES,), scene.first_hour, project_id)
    open_groups, new_groups, regressed_groups = await count_groups(tx, organization_id, scene.time - DAY, project_id)
    return LogFigures(
        entries=sum(quantity for _, meter, quantity in usage if meter is Meter.LOG_ENTRIES),
        errors=errors,
        open_groups=open_groups,
        new_groups=new_groups,
        regressed_groups=regressed_groups,
    )


def read_trends(scene: Scene, work: Work, errors: dict[datetime, int] | None) -> Trends:
    """Hour by hour."""
    opened = dict(work.handling.opened_by_hour)
    points: Counter[datetime] = Counter()
    for hour, meter, quantity in scene.usage:
        if meter is Meter.METRIC_POINTS:
            points[hour] += quantity
    return Trends(
        start=scene.first_hour,
        alerts_fired=narrowing.lay_out(work.fired_by_hour, scene.first_hour),
        incidents_opened=narrowing.lay_out(opened, scene.first_hour),
        log_errors=None if errors is None else narrowing.lay_out(errors, scene.first_hour),
        metric_points=narrowing.lay_out(points, scene.first_hour),
    )
