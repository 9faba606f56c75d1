"""What tests of maintenance windows and silences start from."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from lumetry_core.alerts.maintenance import MaintenanceWindow, ScopeType
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service import reading
from lumetry_core.alerts.service.transitions import CORRELATION
from lumetry_core.metrics.definition import define
from lumetry_core.metrics.service.catalog import new_metric
from lumetry_core.metrics.store.catalog import insert_metrics
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.queue import claim, complete
from lumetry_core.topology.draft import NodeDraft
from lumetry_core.topology.service.editing import create_node

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
"""When the clock of tests starts."""
CALLER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin", request_id="r-1")
OTHER = Caller(organization_id=8, kind=CredentialKind.INTERACTIVE, user_id=43, user_name="other")


VIEWER = (("authorization", "Bearer viewer"),)
"""The credential of somebody who may only look."""


async def authenticate(origin: Origin) -> Caller:
    """Knows one person, who may do everything unless the secret says `viewer`."""
    permissions = frozenset({Permission.VIEW_ALERTS}) if origin.secret == "viewer" else frozenset(Permission)
    return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin", permissions=permissions)


def window(**changes: Any) -> MaintenanceWindow:
    """A window over everything, from 9 to 10; keywords replace fields, and its occurrence is the first unless told."""
    start = changes.get("start_time", datetime(2026, 6, 1, 9, tzinfo=UTC))
    end = changes.get("end_time", datetime(2026, 6, 1, 10, tzinfo=UTC))
    fields = {
        "id": 12,
        "organization_id": 7,
        "scope_type": ScopeType.GLOBAL,
        "scope_node_id": None,
        "metric_key": None,
        "start_time": start,
        "end_time": end,
        "reason": "Planned service maintenance",
        "rrule": None,
        "time_zone": None,
        "occurrence_start": start,
        "occurrence_end": end,
        "create_time": NOW,
        "created_by": 42,
    }
    return MaintenanceWindow(**fields | changes)


async def add_metric(database: Database, key: str = "db.latency") -> None:
    """Registers a metric."""
    async with database.write() as tx:
        await insert_metrics(tx, [new_metric(7, define(key, [], "default", "custom"), 1, NOW)])


async def add_node(database: Database, node_type: str, name: str) -> int:
    """Adds a topology node and gives its number."""
    async with database.write() as tx:
        return (await create_node(tx, CALLER, NodeDraft(node_type=node_type, display_name=name, external_id=name), NOW)).id


async def read_flags(database: Database, ids: Collection[int]) -> list[int | None]:
    """The windows that alerts are marked with, in the order of the alerts' numbers."""
    async with database.read() as tx:
        found: list[Alert] = await reading.find_alerts(tx, 7, ids)
    return [alert.maintenance_window_id for alert in found]


async def take_items(database: Database, queue: str = CORRELATION) -> list[tuple[str, Any]]:
    """Takes all that waits in a queue: kind and what is carried."""
    async with database.write() as tx:
        items = await claim(tx, queue)
        await complete(tx, items)
        return [(item.kind, item.payload) for item in items]
