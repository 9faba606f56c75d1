"""What goes on in a project (contract workspace 4)."""

from datetime import datetime, timedelta

from lumetry_core.billing.model import Meter, hour_of
from lumetry_core.billing.service.pace import read_hours
from lumetry_core.billing.service.reading import read_spend
from lumetry_core.logs.service.group_figures import count_groups
from lumetry_core.overview.narrowing import count_monitors
from lumetry_core.overview.scene import Monitors, Scene
from lumetry_core.overview.service.scene import DAY, Scenes
from lumetry_core.projects.links import LinkType, Ref
from lumetry_core.projects.model import Project, ProjectFigures, ProjectStats
from lumetry_core.runtime.caller import Caller, Permission
from lumetry_core.runtime.database import Transaction
from lumetry_core.sessions.service.reading import count_active_sessions


class FigureReader:
    """Counts what goes on in projects."""

    def __init__(self, scenes: Scenes) -> None:
        self._scenes = scenes

    async def read(self, tx: Transaction, caller: Caller, project: Project, now: datetime) -> ProjectFigures:
        """The figures of a project, as far as the caller may know them."""
        scene = await self._scenes.read(tx, project.organization_id, now)
        entries = groups = None
        if caller.may(Permission.VIEW_LOGS):
            first_hour = hour_of(now) - DAY + timedelta(hours=1)
            counted = await read_hours(tx, project.organization_id, (Meter.LOG_ENTRIES,), first_hour, project.id)
            entries = sum(quantity for _, _, quantity in counted)
            groups, _, _ = await count_groups(tx, project.organization_id, now - DAY, project.id)
        belonging = scene.belonging
        stats = ProjectStats(
            open_incidents=sum(project.id in belonging.projects_of(scene.subjects.get(incident.id, ())) for incident in scene.unresolved),
            active_alerts=sum(project.id in belonging.projects_of([mark.subject]) for mark in scene.marks),
            monitors_down=count_monitors(monitors_of(scene, project.id)).down,
            log_entries_24h=entries,
            open_error_groups=groups,
            active_sessions=await count_active_sessions(tx, caller, project.id),
        )
        return ProjectFigures(stats, await read_spend(tx, project.organization_id, project.id, now))


def monitors_of(scene: Scene, project_id: str | None) -> Monitors:
    """The monitors that a project links; None: all."""
    monitors = scene.monitors
    if project_id is None:
        return monitors

    def is_linked(kind: LinkType, number: int) -> bool:
        ref: Ref = (kind, str(number))
        return project_id in scene.belonging.links.get(ref, ())

    return Monitors(
        containers=[each for each in monitors.containers if is_linked(LinkType.CONTAINER, each.id)],
        endpoints=[each for each in monitors.endpoints if is_linked(LinkType.ENDPOINT, each.id)],
        heartbeats=[each for each in monitors.heartbeats if is_linked(LinkType.HEARTBEAT, each.id)],
        certificates=[each for each in monitors.certificates if is_linked(LinkType.CERTIFICATE, each.id)],
    )
