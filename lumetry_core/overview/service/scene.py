"""Reading what is known of an organization, and remembering it for a moment."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

import structlog

from lumetry_core.alerts.figures import Subject
from lumetry_core.alerts.service import figures as alert_figures
from lumetry_core.billing.model import Meter, hour_of
from lumetry_core.billing.service.pace import read_hours, read_pace
from lumetry_core.certificates.service.standings import list_standings as list_certificates
from lumetry_core.collectors.service.administering import list_collectors
from lumetry_core.containers.model import ContainerState
from lumetry_core.containers.service.standings import list_standings as list_containers
from lumetry_core.endpoints.service.standings import list_standings as list_endpoints
from lumetry_core.external.service.arrivals import count_events
from lumetry_core.heartbeats.service.arrivals import count_pings
from lumetry_core.heartbeats.service.standings import list_standings as list_heartbeats
from lumetry_core.hostagents.service.reading import list_enrolled
from lumetry_core.incidents.service import figures as incident_figures
from lumetry_core.logrules.service.definitions import list_rules
from lumetry_core.metrics.service.hosts import list_hosts, read_last_times, read_newest_values
from lumetry_core.metrics.service.waiting import count_waiting_jobs
from lumetry_core.notifications.service.backlog import count_failed, count_waiting
from lumetry_core.overview.belonging import Belonging
from lumetry_core.overview.figures import PipelineFigures
from lumetry_core.overview.machines import USUAL_METRICS, ContainerCounts, LocalHost, Sightings, list_machines
from lumetry_core.overview.scene import Monitors, Scene
from lumetry_core.projects.service import links
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.topology.service.coverage import find_covering_nodes
from lumetry_core.topology.service.hosts import find_host_ids
from lumetry_core.uptime.model import MonitorType
from lumetry_core.uptime.service import sum_shares

log = structlog.get_logger(__name__)

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
NEWEST = timedelta(minutes=10)
"""So old a value of a host may be to be told."""
MAX_AGE = timedelta(seconds=2)
"""So long what was read is told again."""
METERS = (Meter.METRIC_POINTS, Meter.LOG_ENTRIES, Meter.LOG_BYTES, Meter.CHECK_RUNS)
DOCKER = "docker"


class Scenes:
    """The newest scene of each organization that somebody looks at.

    Whoever asks often never waits: a scene that is about to be too old is read anew beside the question that finds it so.
    """

    def __init__(self, database: Database | None = None, local: LocalHost | None = None, max_age: timedelta = MAX_AGE) -> None:
        """Builds the memory.

        Args:
            database: Where scenes are read beside questions; None: nowhere.
            local: The host whose container runtime is watched.
            max_age: So long what was read is told again.
        """
        self._database = database
        self._local = local
        self._max_age = max_age
        self._scenes: dict[int, Scene] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self._renewals: dict[int, asyncio.Task[None]] = {}

    async def read(self, tx: Transaction, organization_id: int, now: datetime) -> Scene:
        """The scene, read anew unless it is fresh; many who ask at once read it once."""
        known = self._find(organization_id, now)
        if known is None:
            async with self._locks.setdefault(organization_id, asyncio.Lock()):
                known = self._find(organization_id, now)
                if known is None:
                    self._forget_old(now)
                    known = self._scenes[organization_id] = await read_scene(tx, organization_id, self._local, now)
        elif now - known.time >= self._max_age / 2 and self._database is not None and organization_id not in self._renewals:
            renewal = asyncio.create_task(self._renew(self._database, organization_id, now))
            self._renewals[organization_id] = renewal
            renewal.add_done_callback(lambda _done: self._renewals.pop(organization_id, None))
        return known

    def _find(self, organization_id: int, now: datetime) -> Scene | None:
        known = self._scenes.get(organization_id)
        return known if known is not None and timedelta() <= now - known.time < self._max_age else None

    async def _renew(self, database: Database, organization_id: int, now: datetime) -> None:
        try:
            async with database.read() as tx:
                self._scenes[organization_id] = await read_scene(tx, organization_id, self._local, now)
        except LumetryError as error:  # who asks next reads it and is told
            log.warning("what is seen from above could not be read", organization_id=organization_id, reason=error.reason.name)

    def _forget_old(self, now: datetime) -> None:
        for organization_id in [number for number, scene in self._scenes.items() if now - scene.time >= self._max_age]:
            del self._scenes[organization_id]


async def read_scene(tx: Transaction, organization_id: int, local: LocalHost | None, now: datetime) -> Scene:
    """What is known of an organization now."""
    first_hour = hour_of(now) - DAY + timedelta(hours=1)
    marks = await alert_figures.list_active_marks(tx, organization_id)
    unresolved = await incident_figures.list_unresolved(tx, organization_id)
    subjects = await alert_figures.list_incident_subjects(tx, organization_id, [incident.id for incident in unresolved])
    monitors = Monitors(
        containers=await list_containers(tx, organization_id),
        endpoints=await list_endpoints(tx, organization_id),
        heartbeats=await list_heartbeats(tx, organization_id),
        certificates=await list_certificates(tx, organization_id),
    )
    collectors = await list_collectors(tx, organization_id)
    hosts = await list_hosts(tx, organization_id)
    dockers = [standing for standing in monitors.containers if standing.runtime_type == DOCKER]
    running = sum(standing.state is ContainerState.RUNNING for standing in dockers)
    agents = await list_enrolled(tx, organization_id)
    names = {host.host_id for host in hosts} | {agent.host_id for agent in agents}
    names |= {collector.hostname for collector in collectors if collector.hostname}
    if dockers and local is not None:
        names.add(local.host_id)
    nodes = await find_host_ids(tx, organization_id, names)
    on_nodes = {mark.subject for mark in marks}.union(*subjects.values())
    belonging = await read_belonging(tx, organization_id, on_nodes, nodes.values(), has_nodes=bool(nodes))
    seen = Sightings(
        hosts=hosts,
        agents=agents,
        collectors=collectors,
        local=local if dockers else None,
        containers=ContainerCounts(running, len(dockers)) if dockers else None,
        nodes=nodes,
        readings=await read_newest_values(tx, organization_id, USUAL_METRICS, NEWEST, now) if hosts else {},
        last_times=await read_last_times(tx, organization_id, USUAL_METRICS) if hosts else {},
        marks=marks,
        above=belonging.above,
        unresolved={
            incident.id: {node for subject in subjects.get(incident.id, ()) for node in subject.node_ids} for incident in unresolved
        },
    )
    fired = await alert_figures.count_fired(tx, organization_id, now - DAY)
    return Scene(
        time=now,
        first_hour=first_hour,
        marks=marks,
        unresolved=unresolved,
        subjects=subjects,
        handling=await incident_figures.measure_handling(tx, organization_id, now - DAY, now - WEEK),
        fired=sum(count for _, count in fired),
        fired_by_hour=dict(fired),
        belonging=belonging,
        monitors=monitors,
        collectors=collectors,
        machines=list_machines(seen, now),
        usage=await read_hours(tx, organization_id, METERS, first_hour),
        pace=await read_pace(tx, organization_id, (Meter.METRIC_POINTS, Meter.LOG_ENTRIES), now),
        pings=await count_pings(tx, organization_id, now - DAY),
        external_events=await count_events(tx, organization_id, now - DAY),
        pipeline=await read_pipeline(tx, organization_id, now),
        uptime_percent=await read_uptime(tx, organization_id, now),
    )


async def read_belonging(
    tx: Transaction, organization_id: int, subjects: Collection[Subject], node_ids: Collection[int], *, has_nodes: bool
) -> Belonging:
    """What decides the projects of what is active, and of nodes besides."""
    rules = {rule.id: rule.project_id for rule in await list_rules(tx, organization_id)}
    linked = await links.list_all_links(tx, organization_id)
    wanted = {node for subject in subjects for node in subject.node_ids} | set(node_ids)
    above = await find_covering_nodes(tx, organization_id, wanted) if linked or has_nodes else {}
    return Belonging(
        order={project_id: place for place, project_id in enumerate(await links.list_project_ids(tx, organization_id))},
        links=linked,
        above=above,
        of_log_rules={number: project_id for number, project_id in rules.items() if project_id is not None},
    )


async def read_pipeline(tx: Transaction, organization_id: int, now: datetime) -> PipelineFigures:
    """What waits inside."""
    jobs, oldest = await count_waiting_jobs(tx, organization_id)
    return PipelineFigures(
        evaluation_backlog=jobs,
        oldest_unevaluated_seconds=0 if oldest is None else max(int((now - oldest).total_seconds()), 0),
        delivery_backlog=await count_waiting(tx, organization_id),
        failed_deliveries=await count_failed(tx, organization_id, now - DAY),
    )


async def read_uptime(tx: Transaction, organization_id: int, now: datetime, monitors: Monitors | None = None) -> float | None:
    """The mean over endpoints and containers, in percent; of some monitors or all."""
    total, count = 0.0, 0
    for kind in (MonitorType.ENDPOINT, MonitorType.CONTAINER):
        ids = None
        if monitors is not None:
            ids = [each.id for each in (monitors.endpoints if kind is MonitorType.ENDPOINT else monitors.containers)]
        shares, number = await sum_shares(tx, organization_id, kind, ids, now)
        total, count = total + shares, count + number
    return round(100 * total / count, 2) if count else None
