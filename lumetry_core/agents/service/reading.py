"""Finds agents."""

from collections.abc import Collection

from lumetry_core.agents import store
from lumetry_core.agents.model import Agent, Kind, Status
from lumetry_core.projects.cursor import Position, read_cursor, write_cursor
from lumetry_core.projects.draft import normalise
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason

MAX_LIMIT = 500


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


async def list_peers(tx: Transaction, caller: Caller, id_or_slug: str) -> list[Agent]:
    """The agents that an agent names as its peers or, when it names none, every other active one, by name. Fails with NOT_FOUND."""
    agent = await get_agent(tx, caller, id_or_slug)
    return await store.list_peers(tx, caller.organization_id, agent)


async def list_agents(
    tx: Transaction, caller: Caller, *, kind: str, status: str, search: str, limit: int | None, cursor: str
) -> tuple[list[Agent], str]:
    """A page of agents, last changed first, with the cursor of the next page, empty at the end.

    Args:
        kind: Empty: any.
        status: Empty: any.
        search: Part of a name or slug, ignoring case.
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
    if kind == Kind.HOST or status == Status.OFFLINE:  # which automation agents never are
        return [], ""
    size = MAX_LIMIT if limit is None else limit
    chosen = store.Filter(Status(status) if status else None, normalise(search))
    found = await store.list_page(tx, caller.organization_id, chosen, after, size + 1)
    page = [agent for agent, _ in found[:size]]
    if len(found) <= size:
        return page, ""
    as_of = found[0][1] if after is None else after.as_of
    return page, write_cursor(filters, Position(as_of, found[size - 1][1], page[-1].id))


def unknown(id_or_slug: str) -> LumetryError:
    """The failure for an agent that does not exist."""
    return LumetryError(Reason.NOT_FOUND, "Agent not found", type="Agent", id=id_or_slug)
