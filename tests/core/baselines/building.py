"""What tests of the area start from."""

from datetime import datetime

from lumetry_core.metrics.definition import define
from lumetry_core.metrics.model import DataStatus
from lumetry_core.metrics.service.catalog import find_metrics, new_metric
from lumetry_core.metrics.store.catalog import insert_metrics
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin

CALLER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin", request_id="r-1")
OTHER = Caller(organization_id=8, kind=CredentialKind.INTERACTIVE, user_id=43, user_name="other")
VIEWER = (("authorization", "Bearer viewer"),)
"""The credential of somebody who may only look."""


async def authenticate(origin: Origin) -> Caller:
    """Knows one person, who may manage rules unless the secret says `viewer`."""
    permissions = {Permission.VIEW_ALERTS} | ({Permission.MANAGE_RULES} if origin.secret != "viewer" else set())
    return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, permissions=frozenset(permissions))


async def add_metrics(database: Database, now: datetime, *keys: str, organization_id: int = 7) -> dict[str, int]:
    """Registers metrics and gives their numbers."""
    rows = [new_metric(organization_id, define(key, [], "default", "custom"), 1, now) | {"data_status": DataStatus.ACTIVE} for key in keys]
    async with database.write() as tx:
        await insert_metrics(tx, rows)
        return {key: metric.id for key, metric in (await find_metrics(tx, organization_id, keys)).items()}
