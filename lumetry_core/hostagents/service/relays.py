"""Collectors that relay the calls of agents (contract lumetry 16.3)."""

from dataclasses import replace

from lumetry_core.collectors.model import Collector, Status
from lumetry_core.collectors.service.administering import list_collectors
from lumetry_core.metrics.senders import check_relay
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction


async def list_known(tx: Transaction, organization_id: int) -> frozenset[str]:
    """The organization's collectors that relay or may come to: those that are not revoked."""
    return frozenset(collector.id for collector in await list_collectors(tx, organization_id) if collector.status is not Status.REVOKED)


async def list_relays(tx: Transaction, organization_id: int) -> frozenset[str]:
    """The organization's collectors that relay: those that have enrolled, are not revoked, and are wanted to."""
    return frozenset(collector.id for collector in await list_collectors(tx, organization_id) if is_relay(collector))


def is_relay(collector: Collector) -> bool:
    """Whether a collector relays; one that is suspected to run twice goes on doing so."""
    return collector.status in (Status.ACTIVE, Status.DUPLICATE_SUSPECTED) and collector.config.relay.enabled


async def find_relay(tx: Transaction, caller: Caller, required_collector_id: str | None) -> str | None:
    """The collector that relayed a call; None: none did, or none that relays. Fails with RELAY_REQUIRED when another was needed."""
    if caller.relay_collector_id is None and required_collector_id is None:
        return None
    relay = pick_relay(caller.relay_collector_id, await list_relays(tx, caller.organization_id))
    check_relay(replace(caller, relay_collector_id=relay), required_collector_id)
    return relay


def pick_relay(named: str | None, relays: frozenset[str]) -> str | None:
    """The collector that a call names, if it relays."""
    return named.lower() if named is not None and named.lower() in relays else None
