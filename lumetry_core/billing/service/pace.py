"""How much is counted per second now."""

from collections.abc import Collection
from datetime import datetime

from lumetry_core.billing.model import Meter
from lumetry_core.billing.store import minutes as store
from lumetry_core.billing.store import usage as usage_store
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction


async def read_pace(tx: Transaction, organization_id: int, meters: Collection[Meter], now: datetime) -> dict[Meter, float]:
    """The mean per second of the last 60 seconds: the running minute, and of the one before the share that still counts."""
    counted = await store.read(tx, organization_id, meters)
    minute = store.minute_of(now)
    share = 1 - (to_ms(now) % store.MINUTE_MS) / store.MINUTE_MS
    return {meter: (counted.get((meter, minute), 0) + share * counted.get((meter, minute - 1), 0)) / 60 for meter in meters}


async def read_hours(
    tx: Transaction, organization_id: int, meters: Collection[Meter], since: datetime, project_id: str | None = None
) -> list[tuple[datetime, Meter, int]]:
    """What meters counted in each hour from one on, ascending; of a project or of all."""
    return await usage_store.read_hours(tx, organization_id, meters, since, None, project_id)
