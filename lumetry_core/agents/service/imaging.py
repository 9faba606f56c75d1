"""Images of host agents among the agents (contract workspace 3)."""

from dataclasses import replace
from datetime import datetime

from lumetry_core.agents import store
from lumetry_core.agents.model import FALLBACK_SLUG, Agent, Kind
from lumetry_core.agents.service.settling import settle
from lumetry_core.hostagents.model import HostAgent
from lumetry_core.projects.model import free_slug, slug_of
from lumetry_core.runtime.database import Transaction


async def show_host_agent(tx: Transaction, host: HostAgent, now: datetime) -> None:
    """Sees to it that a host agent has its image as it is now, and a revoked one has none."""
    image = await store.find(tx, host.organization_id, host.key)
    if host.revoke_time is not None:
        if image is not None:
            await store.delete(tx, host.organization_id, host.key, now)
        return
    if image is not None:
        after = replace(image, name=host.hostname, machine=host.host_id, is_active=host.is_enabled)
        if after != image:
            await store.save(tx, replace(after, update_time=now))
        return
    await settle(tx, host.organization_id, now)
    wanted = slug_of(host.hostname, FALLBACK_SLUG)
    made = Agent(
        organization_id=host.organization_id,
        id=host.key,
        slug=free_slug(wanted, await store.list_slugs(tx, host.organization_id, wanted[:50])),
        name=host.hostname,
        create_time=now,
        update_time=now,
        is_active=host.is_enabled,
        kind=Kind.HOST,
        machine=host.host_id,
    )
    await store.insert(tx, made)
