"""Finds agents and what they said (contract lumetry 17.2)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.hostagents.model import OFFLINE_AFTER, HostAgent, Row, State, state_of
from lumetry_core.hostagents.service.sending import find_clusters
from lumetry_core.hostagents.store import agents as store
from lumetry_core.hostagents.store import tags as tag_store
from lumetry_core.metrics.senders import AGENT_LABEL
from lumetry_core.metrics.service.labelled import read_labelled
from lumetry_core.runtime.clock import from_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.paging import read_page

DEFAULT_PAGE_SIZE = 25
MAX_SEARCH = 300
LATEST_SPAN = timedelta(minutes=10)
"""So old the newest values may be."""
CPU, MEMORY = "host.cpu.percent", "host.memory.percent"
STATES = {state.value.lower(): state for state in State}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list is asked for; empty and None: all."""

    search: str = ""
    status: str = ""
    """Ignoring case."""
    tag: str = ""
    """Ignoring case."""
    cluster_node_id: int | None = None
    page: int = 0
    page_size: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of agents."""

    rows: Sequence[Row]
    page: int
    page_size: int
    total_count: int


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest values of a host; None: unknown."""

    cpu_percent: float | None
    memory_percent: float | None
    time: datetime | None


async def list_agents(tx: Transaction, organization_id: int, asked: Asked, now: datetime) -> Listed:
    """A page of agents by the name of their host. Fails with VALIDATION_FAILED (`status`, `search`, `tag`, `page`, `pageSize`)."""
    faults = Faults()
    state = STATES.get(asked.status.strip().lower())
    faults.check(not asked.status.strip() or state is not None, "status", f"must be one of {', '.join(State)}")
    for path, text in (("search", asked.search), ("tag", asked.tag)):
        faults.check("\0" not in text and len(text) <= MAX_SEARCH, path, f"must have at most {MAX_SEARCH} characters and no U+0000")
    part = read_page(asked.page, asked.page_size, default_size=DEFAULT_PAGE_SIZE, faults=faults)
    faults.raise_if_any()
    ids: set[int] | None = None
    if asked.tag.strip():
        ids = set(await tag_store.list_bearers(tx, organization_id, asked.tag.strip()))
    if asked.cluster_node_id is not None:
        members = await list_members(tx, organization_id, asked.cluster_node_id)
        ids = members if ids is None else ids & members
    chosen = store.Filter(asked.search.strip(), state, ids, now - OFFLINE_AFTER)
    agents, total = await store.list_page(tx, organization_id, chosen, part)
    return Listed(await make_rows(tx, organization_id, agents, now), part.number, part.size, total)


async def list_members(tx: Transaction, organization_id: int, cluster_node_id: int) -> set[int]:
    """The agents that are placed in a cluster, by number."""
    clusters = await find_clusters(tx, organization_id, await store.list_placeable(tx, organization_id))
    return {number for number, cluster in clusters.items() if cluster.node_id == cluster_node_id}


async def get_agent(tx: Transaction, organization_id: int, agent_id: int) -> HostAgent:
    """The agent of a number. Fails with NOT_FOUND."""
    agent = (await store.find_agents(tx, organization_id, [agent_id])).get(agent_id)
    if agent is None:
        raise not_found("Agent", agent_id)
    return agent


async def list_enrolled(tx: Transaction, organization_id: int) -> list[HostAgent]:
    """All agents but revoked ones, by the name of their host."""
    return await store.list_agents(tx, organization_id)


async def find_enrolled(tx: Transaction, organization_id: int, keys: Collection[str]) -> dict[str, HostAgent]:
    """Agents by UUID; unknown ones are left out."""
    return await store.find_by_keys(tx, organization_id, keys)


async def list_silent_keys(tx: Transaction, organization_id: int, now: datetime) -> list[str]:
    """The UUIDs of offline agents."""
    return await store.list_silent_keys(tx, organization_id, now - OFFLINE_AFTER)


async def make_row(tx: Transaction, agent: HostAgent, now: datetime) -> Row:
    """An agent as lists show it."""
    return (await make_rows(tx, agent.organization_id, [agent], now))[0]


async def make_rows(tx: Transaction, organization_id: int, agents: list[HostAgent], now: datetime) -> list[Row]:
    """Agents as lists show them."""
    clusters = await find_clusters(tx, organization_id, agents)
    tags = await tag_store.list_tags_of(tx, organization_id, [agent.id for agent in agents])
    return [Row(agent, state_of(agent, now), clusters.get(agent.id), tuple(tags.get(agent.id, ()))) for agent in agents]


async def read_latest(tx: Transaction, agent: HostAgent, now: datetime) -> Latest:
    """The newest values that an agent sent of its host."""
    values: dict[str, float] = {}
    times: list[datetime] = []
    for metric_key in (CPU, MEMORY):
        found = await read_labelled(tx, agent.organization_id, metric_key, {AGENT_LABEL: agent.key}, now - LATEST_SPAN, now, step=None)
        for each in found.values():
            values[metric_key] = float(each.values[-1])
            times.append(from_ms(int(each.times_ms[-1])))
    return Latest(values.get(CPU), values.get(MEMORY), max(times, default=None))
