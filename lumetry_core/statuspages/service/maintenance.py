"""Maintenance windows as they concern components."""

from collections.abc import Collection, Iterable
from datetime import datetime

from lumetry_core.alerts.maintenance import NODE_SCOPES, MaintenanceWindow, advance
from lumetry_core.alerts.service.maintenance import find_windows_within
from lumetry_core.runtime.database import Transaction
from lumetry_core.statuspages.covering import Place
from lumetry_core.statuspages.page import UPCOMING
from lumetry_core.topology.service.context import Probe, find_contexts
from lumetry_core.topology.service.coverage import find_covering_nodes


async def list_windows(tx: Transaction, organization_id: int, now: datetime) -> list[MaintenanceWindow]:
    """The windows that last or may be announced, each with the occurrence that lasts or comes next."""
    return [advance(window, now) for window in await find_windows_within(tx, organization_id, now, now + UPCOMING)]


async def find_places(
    tx: Transaction, organization_id: int, windows: Iterable[MaintenanceWindow], node_ids: Collection[int]
) -> dict[int, Place]:
    """Where nodes are in the topology, which only windows of services and configuration items ask."""
    ordered = sorted(set(node_ids))
    if not ordered or not any(window.scope_type in NODE_SCOPES for window in windows):
        return {}
    contexts = await find_contexts(tx, organization_id, [Probe(node_id=node_id) for node_id in ordered])
    related = {node_id for context in contexts for node_id in (context.service_id, context.ci_id) if node_id is not None}
    covering = await find_covering_nodes(tx, organization_id, related) if related else {}

    def upwards(node_id: int | None) -> frozenset[int]:
        return frozenset() if node_id is None else covering.get(node_id, frozenset()) | {node_id}

    return {node_id: Place(upwards(context.service_id), upwards(context.ci_id)) for node_id, context in zip(ordered, contexts, strict=True)}
