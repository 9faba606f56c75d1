"""From filters as they were sent to those that are applied."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.activity.model import ItemFilter, Page, Sight
from lumetry_core.activity.service import list_activity
from lumetry_core.agents.model import Agent
from lumetry_core.agents.service.reading import get_agent, list_agents
from lumetry_core.alerts.figures import Subject
from lumetry_core.alerts.service.figures import list_fired, list_incident_subjects
from lumetry_core.incidents.service.figures import list_handled
from lumetry_core.overview.filters import Asked, Filters, is_named, read_kinds
from lumetry_core.overview.narrowing import measure
from lumetry_core.overview.scene import Scene, Work
from lumetry_core.projects.service import get_project, list_hidden_projects
from lumetry_core.runtime.caller import Caller, Permission
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.service.coverage import find_covering_nodes


@dataclass(frozen=True, slots=True)
class Question:
    """What a caller wants to see."""

    caller: Caller
    filters: Filters
    agent: Agent | None
    hidden_projects: frozenset[str]

    @property
    def has_logs(self) -> bool:
        """Whether the caller may see logs."""
        return self.caller.may(Permission.VIEW_LOGS)


async def read_question(tx: Transaction, caller: Caller, asked: Asked, default_limit: int) -> Question:
    """Checks filters. Fails with VALIDATION_FAILED, OUT_OF_RANGE, and with NOT_FOUND for an agent or project not seen."""
    kinds, limit = read_kinds(asked, default_limit)
    agent = await get_agent(tx, caller, asked.agent) if asked.agent else None
    project = await get_project(tx, caller, asked.project) if asked.project else None
    filters = Filters(
        kinds=kinds,
        agent_id=None if agent is None else agent.id,
        project_id=None if project is None else project.id,
        machine=asked.machine or None,
        search=asked.search or None,
        limit=limit,
    )
    hidden = await list_hidden_projects(tx, caller.organization_id, caller.user_id)
    return Question(caller, filters, agent, hidden)


async def read_agents(tx: Transaction, caller: Caller, now: datetime) -> list[Agent]:
    """All agents."""
    agents, cursor = await list_agents(tx, caller, kind="", status="", search="", limit=None, cursor="", now=now)
    while cursor:
        more, cursor = await list_agents(tx, caller, kind="", status="", search="", limit=None, cursor=cursor, now=now)
        agents += more
    return agents


async def read_activity(tx: Transaction, question: Question, scene: Scene, cursor: str) -> Page:
    """The page of the feed that was asked for. Fails with VALIDATION_FAILED (`cursor`)."""
    filters = question.filters
    ids = [machine.id for machine in scene.machines if is_named(filters.machine, machine.id, machine.name)]
    wanted = ItemFilter(
        kinds=frozenset(filters.kinds),
        agent_id=filters.agent_id,
        project_id=filters.project_id,
        machine=filters.machine if filters.machine is None or not ids else ids[0],
        search=filters.search or "",
    )
    sight = Sight(hidden_projects=question.hidden_projects, has_logs=question.has_logs)
    return await list_activity(tx, question.caller.organization_id, wanted, sight, limit=filters.limit, cursor=cursor)


async def read_work(tx: Transaction, question: Question, scene: Scene, since: datetime) -> Work:
    """Narrows alerts and incidents down to the project.

    Args:
        since: Alerts that fired from here on count.
    """
    project_id = question.filters.project_id
    if project_id is None:
        return Work(scene.marks, scene.unresolved, scene.handling, scene.fired, scene.fired_by_hour)
    if project_id not in scene.works:
        scene.works[project_id] = await read_project_work(tx, question.caller.organization_id, project_id, scene, since)
    return scene.works[project_id]


async def read_project_work(tx: Transaction, organization_id: int, project_id: str, scene: Scene, since: datetime) -> Work:
    """The alerts and incidents that belong to a project."""
    belonging = scene.belonging
    handled = await list_handled(tx, organization_id, since - timedelta(days=6))
    subjects = await list_incident_subjects(tx, organization_id, [each.id for each in handled])
    fired = await list_fired(tx, organization_id, since)
    wider = {*(each.subject for each in fired)}.union(*subjects.values())
    unknown = {node for subject in wider for node in subject.node_ids} - belonging.above.keys()
    belonging = belonging.with_nodes(await find_covering_nodes(tx, organization_id, unknown) if unknown else {})

    def belongs(*about: Subject) -> bool:
        return project_id in belonging.projects_of(about)

    by_hour: dict[datetime, int] = {}
    for each in fired:
        if belongs(each.subject):
            by_hour[each.hour] = by_hour.get(each.hour, 0) + each.count
    return Work(
        marks=[mark for mark in scene.marks if belongs(mark.subject)],
        unresolved=[each for each in scene.unresolved if belongs(*scene.subjects.get(each.id, ()))],
        handling=measure([each for each in handled if belongs(*subjects.get(each.id, ()))], since),
        fired=sum(by_hour.values()),
        fired_by_hour=by_hour,
    )
