"""Finds agents."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from lumetry_core.agents import store
from lumetry_core.agents.model import Agent, Heard, Kind, Status
from lumetry_core.hostagents.model import HostAgent, State, state_of
from lumetry_core.hostagents.service.reading import find_enrolled, list_silent_keys
from lumetry_core.projects.cursor import Position, read_cursor, write_cursor
from lumetry_core.projects.draft import normalise
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason

MAX_LIMIT = 500
STATUS_OF = {
    State.ONLINE: Status.ONLINE,
    State.OFFLINE: Status.OFFLINE,
    State.DISABLED: Status.DISABLED,
    State.REVOKED: Status.DISABLED,
}
"""How an image is when the host agent is so; that of a revoked one is gone."""


async def find_agent(tx: Transaction, organization_id: int, id_or_slug: str) -> Agent | None:
    """The organization's agent of an id, else of a slug."""
    return await store.find(tx, organization_id, id_or_slug)


async def get_agent(tx: Transaction, caller: Caller, id_or_slug: str) -> Agent:
    """The organization's agent of an id, else of a slug. Fails with NOT_FOUND."""
    found = await find_agent(tx, caller.organization_id, id_or_slug)
    if found is None:
        raise unknown(id_or_slug)
    return found


async def find_agents(tx: Transaction, organization_id: int, ids: Collection[str]) -> dict[str, Agent]:
    """Agents by id, deleted ones included: what they wrote stays."""
    return {agent.id: agent for agent in await store.find_all(tx, organization_id, ids)}


async def hear(tx: Transaction, organization_id: int, agents: Collection[Agent], now: datetime) -> list[Agent]:
    """The agents with what host agents said of themselves."""
    found = await find_enrolled(tx, organization_id, [agent.id for agent in agents if agent.kind is Kind.HOST])
    return [agent if agent.kind is Kind.AUTOMATION else heard(agent, found.get(agent.id), now) for agent in agents]


def heard(agent: Agent, host: HostAgent | None, now: datetime) -> Agent:
    """The image of a host agent with what that said of itself."""
    if host is None:
        return agent
    said = Heard(
        STATUS_OF[state_of(host, now)], host.version, host.last_seen_time, host.transport.value, host.queue_depth, host.dropped_count
    )
    return replace(agent, is_active=host.is_enabled, heard=said)


async def list_peers(tx: Transaction, caller: Caller, id_or_slug: str) -> list[Agent]:
    """The agents that an agent names as its peers or, when it names none, every other active one, by name. Fails with NOT_FOUND."""
    agent = await get_agent(tx, caller, id_or_slug)
    return await store.list_peers(tx, caller.organization_id, agent)


async def list_agents(
    tx: Transaction, caller: Caller, *, kind: str, status: str, search: str, limit: int | None, cursor: str, now: datetime
) -> tuple[list[Agent], str]:
    """A page of agents, last changed first, with the cursor of the next page, empty at the end.

    Args:
        kind: Empty: any.
        status: Empty: any.
        search: Part of a name, slug or machine, ignoring case.
        limit: None: 500.

    Fails with VALIDATION_FAILED (`kind`, `status`, `search`, `cursor`), OUT_OF_RANGE (`limit`).
    """
    filters = (kind, status, search)
    faults = Faults()
    faults.check(kind in ("", *Kind), "kind", "must be automation or host")
    faults.check(status in ("", *Status), "status", "must be online, offline or disabled")
    faults.check("\0" not in search, "search", "must not contain U+0000")
    after = read_cursor(cursor, filters) if cursor else None
    faults.check(not cursor or after is not None, "cursor", "is not one of this list")
    faults.check_range(limit is None or 1 <= limit <= MAX_LIMIT, "limit", f"must be between 1 and {MAX_LIMIT}")
    faults.raise_if_any()
    silent = await list_silent_keys(tx, caller.organization_id, now) if status in (Status.ONLINE, Status.OFFLINE) else []
    size = MAX_LIMIT if limit is None else limit
    chosen = store.Filter(Status(status) if status else None, normalise(search), Kind(kind) if kind else None, silent)
    found = await store.list_page(tx, caller.organization_id, chosen, after, size + 1)
    page = await hear(tx, caller.organization_id, [agent for agent, _ in found[:size]], now)
    if len(found) <= size:
        return page, ""
    as_of = found[0][1] if after is None else after.as_of
    return page, write_cursor(filters, Position(as_of, found[size - 1][1], page[-1].id))


def unknown(id_or_slug: str) -> LumetryError:
    """The failure for an agent that does not exist."""
    return LumetryError(Reason.NOT_FOUND, "Agent not found", type="Agent", id=id_or_slug)
