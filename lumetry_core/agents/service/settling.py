"""The default agent, as which the product itself writes."""

from datetime import datetime

from lumetry_core.agents import store
from lumetry_core.agents.model import DEFAULT_NAME, DEFAULT_SLUG, Agent
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.identifiers import new_uuid


async def default_agent(tx: Transaction, organization_id: int, now: datetime) -> Agent:
    """The organization's default agent, made on first use, for which the transaction must write."""
    found = await store.find(tx, organization_id, DEFAULT_SLUG)
    if found is not None:
        return found
    made = Agent(organization_id, new_uuid(), DEFAULT_SLUG, DEFAULT_NAME, now, now, is_default=True)
    await store.insert(tx, made)  # nothing is added when another has just been quicker
    return await store.find(tx, organization_id, DEFAULT_SLUG) or made


async def is_settled(tx: Transaction, organization_id: int) -> bool:
    """Whether the organization has its default agent."""
    return await store.find(tx, organization_id, DEFAULT_SLUG) is not None


async def settle(tx: Transaction, organization_id: int, now: datetime) -> Agent:
    """Sees to it that the default agent is there, and keeps others from giving and taking slugs until the transaction ends."""
    default = await default_agent(tx, organization_id, now)
    await store.lock_default(tx, organization_id)
    return default
