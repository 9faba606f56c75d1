"""What processes on several hosts are the same by, and whether it is monitored (contract lumetry 17.2)."""

from dataclasses import replace
from datetime import datetime

from lumetry_core.hostagents.processes import STALE_AFTER, Identity
from lumetry_core.hostagents.service.monitoring import disable, enable
from lumetry_core.hostagents.store import processes as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.paging import read_page
from lumetry_core.topology.service.nodes import find_nodes

DEFAULT_PAGE_SIZE = 25
MAX_SEARCHED = 255
"""No identity is longer."""


async def list_identities(
    tx: Transaction, organization_id: int, search: str, page: int, page_size: int, now: datetime
) -> tuple[list[Identity], int]:
    """A page of what runs anywhere or is monitored, by identity, and how many match. Fails with VALIDATION_FAILED.

    Args:
        search: Part of the identity, ignoring case. Empty: all.
        page: From 1; 0: 1.
        page_size: 0: 25.
    """
    faults = Faults()
    faults.check("\0" not in search, "search", "must not contain the character NUL")
    part = read_page(page, page_size, default_size=DEFAULT_PAGE_SIZE, faults=faults)
    faults.raise_if_any()
    text = search.strip()
    if len(text) > MAX_SEARCHED:
        return [], 0
    found, total = await store.list_identities(tx, organization_id, text, now - STALE_AFTER, part)
    return await judge_nodes(tx, organization_id, found), total


async def judge_nodes(tx: Transaction, organization_id: int, found: list[Identity]) -> list[Identity]:
    """Identities as the graph is now: whose Component has left it is not monitored any more, though its rows are still to be cleared."""
    present = await find_nodes(tx, organization_id, {each.node_id for each in found if each.node_id is not None})
    return [replace(each, node_id=each.node_id if each.node_id in present else None) for each in found]


async def get_identity(tx: Transaction, organization_id: int, identity: str, now: datetime) -> Identity:
    """One identity. Fails with NOT_FOUND for one that neither was seen on any host nor is monitored."""
    found = {} if "\0" in identity else await store.count_identities(tx, organization_id, [identity], now - STALE_AFTER)
    if identity not in found:
        raise not_found("Process", identity)
    [judged] = await judge_nodes(tx, organization_id, [found[identity]])
    return judged


async def set_monitoring(tx: Transaction, caller: Caller, identity: str, *, is_enabled: bool, now: datetime) -> Identity:
    """Starts or ends the monitoring of an identity, and gives it as it is then. Fails with NOT_FOUND."""
    before = await get_identity(tx, caller.organization_id, identity, now)
    change = enable if is_enabled else disable
    await change(tx, caller, identity, now)
    found = await store.count_identities(tx, caller.organization_id, [identity], now - STALE_AFTER)
    return found.get(identity) or Identity(identity, 0, 0, None, before.last_seen_time)
