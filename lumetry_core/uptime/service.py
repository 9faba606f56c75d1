"""Counts days and tells shares of them."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta

from lumetry_core.runtime.database import Transaction
from lumetry_core.uptime import store
from lumetry_core.uptime.model import DayCount, DayUptime, MonitorType, lay_out


async def count(tx: Transaction, organization_id: int, monitor_type: MonitorType, counts: Sequence[DayCount]) -> None:
    """Adds to days, in the transaction of the results that are counted. A monitor's day may be named several times."""
    merged: dict[tuple[int, date], DayCount] = {}
    for each in counts:
        before = merged.get((each.monitor_id, each.day), DayCount(each.monitor_id, each.day, 0, 0))
        merged[each.monitor_id, each.day] = DayCount(
            each.monitor_id, each.day, before.good + each.good, before.total + each.total, before.incidents + each.incidents
        )
    await store.add(tx, organization_id, monitor_type, list(merged.values()))


async def list_days(
    tx: Transaction, organization_id: int, monitor_type: MonitorType, monitor_id: int, days: int, now: datetime
) -> list[DayUptime]:
    """The newest UTC days of a monitor, newest first, exactly so many."""
    today = now.astimezone(UTC).date()
    found = await store.read(tx, organization_id, monitor_type, monitor_id, today - timedelta(days=days - 1))
    return lay_out({each.day: each for each in found}, days, today)


async def sum_days(
    tx: Transaction,
    organization_id: int,
    monitor_type: MonitorType,
    monitor_ids: Collection[int],
    since: date,
    until: date | None = None,
) -> dict[int, tuple[int, int]]:
    """Good and total of monitors since a day (and before another); those without data are left out."""
    return await store.read_sums(tx, organization_id, monitor_type, monitor_ids, since, until)


async def sum_shares(
    tx: Transaction, organization_id: int, monitor_type: MonitorType, ids: Collection[int] | None, now: datetime
) -> tuple[float, int]:
    """The sum of the shares that monitors had of about the last 24 hours, each at most 1, and of how many monitors; None: of all.

    Of yesterday, which is counted as a whole, counts the part that lies within 24 hours.
    """
    moment = now.astimezone(UTC)
    today = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    weights = {today.date(): 1.0, (today - timedelta(days=1)).date(): 1 - (moment - today) / timedelta(days=1)}
    return await store.read_mean_share(tx, organization_id, [monitor_type.value], weights, ids)


async def forget(tx: Transaction, organization_id: int, monitor_type: MonitorType, monitor_ids: Collection[int]) -> None:
    """Drops what was counted of monitors that are gone."""
    await store.remove(tx, organization_id, monitor_type, monitor_ids)


async def drop_old(tx: Transaction, before: date) -> int:
    """Drops the days before one in all organizations; answers how many."""
    return await store.remove_before(tx, before)
