"""Acting as an agent."""

from datetime import datetime

from lumetry_core.access.keys import expand_scopes
from lumetry_core.agents import store
from lumetry_core.agents.model import Agent
from lumetry_core.agents.service.reading import get_agent
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, Reason


async def check_acting(tx: Transaction, caller: Caller, agent_id: str, scope: str) -> Agent:
    """The agent as which a caller acts within a scope, which the caller has already been found to have.

    Args:
        agent_id: UUID or slug.
        scope: For example `sessions:write`.

    Fails with NOT_FOUND, and with PERMISSION_DENIED when the scope is none of its allowed tools.
    """
    agent = await get_agent(tx, caller, agent_id)
    allowed = expand_scopes(agent.allowed_tools)
    if allowed is not None and scope not in allowed:
        raise LumetryError(Reason.PERMISSION_DENIED, f"The agent {agent.slug} does not allow {scope}", permission="")
    return agent


def forbid_disabled(agent: Agent) -> None:
    """Fails with CONFLICT when nobody can act as the agent."""
    if not agent.is_active:
        raise LumetryError(Reason.CONFLICT, f"The agent {agent.slug} is disabled", type="Agent", id=agent.id, state="disabled")


async def note_message(tx: Transaction, agent: Agent, now: datetime) -> None:
    """Notes that an agent wrote."""
    await store.set_last_message(tx, agent.organization_id, agent.id, now)
