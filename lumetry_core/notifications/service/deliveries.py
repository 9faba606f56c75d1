"""Reads deliveries (contract lumetry 14.4)."""

from dataclasses import dataclass
from datetime import datetime

from lumetry_core.notifications.delivery import Delivery, DeliveryFilter, DeliveryStatus
from lumetry_core.notifications.store import deliveries as store
from lumetry_core.rules.choices import find_choice
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.paging import read_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryQuery:
    """What people ask for, unchecked. Empty texts and None keep all; limit 0 is the default."""

    alert_id: int | None = None
    integration_id: int | None = None
    status: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    limit: int = 0


async def search_deliveries(tx: Transaction, caller: Caller, query: DeliveryQuery) -> list[Delivery]:
    """The newest deliveries that match all filters, by creation, then by number. Fails with VALIDATION_FAILED."""
    faults = Faults()
    wanted = DeliveryFilter(
        alert_id=query.alert_id,
        integration_id=query.integration_id,
        status=find_choice(DeliveryStatus, query.status, "status", faults),
        start_time=query.start_time,
        end_time=query.end_time,
        limit=read_limit(query.limit, faults=faults),
    )
    if query.start_time and query.end_time:
        faults.check(query.start_time <= query.end_time, "from", "must not be after to")
    faults.raise_if_any()
    return await store.select_deliveries(tx, caller.organization_id, wanted)
