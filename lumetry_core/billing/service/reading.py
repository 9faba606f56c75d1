"""Reading usage, budgets and the ledger (contract workspace 8)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.billing.cursor import read_cursor, write_cursor
from lumetry_core.billing.judging import Rates, price
from lumetry_core.billing.model import COUNTED, GAUGES, LedgerEntry, Meter, Period, Reading, Spent, bounds_of
from lumetry_core.billing.service.editing import find_project_id
from lumetry_core.billing.service.metering import write_counted
from lumetry_core.billing.service.spending import read_spent
from lumetry_core.billing.span import Span, read_span
from lumetry_core.billing.store import budgets as budget_store
from lumetry_core.billing.store import ledger as ledger_store
from lumetry_core.billing.store import usage as store
from lumetry_core.projects.service import list_hidden_projects
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults

MAX_LIMIT = 200
DEFAULT_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Overview:
    """The running month."""

    begin: datetime
    end: datetime
    readings: Sequence[Reading]
    """One for each meter, in their order."""
    budget_count: int
    exceeded_count: int


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage of a span: in all, by interval where there was any, and by project."""

    span: Span
    totals: Sequence[Reading]
    series: Sequence[tuple[datetime, Reading]]
    """Ascending."""
    by_project: Sequence[tuple[str, Meter, int]]
    """Without private projects of others."""


async def read_overview(tx: Transaction, organization_id: int, now: datetime) -> Overview:
    """Usage of the running month and how budgets stand."""
    begin, end = bounds_of(Period.MONTH, now)
    totals, _ = await read_totals(tx, organization_id, begin, end, None)
    budgets = await list_budgets(tx, organization_id, now)
    return Overview(begin, end, totals, len(budgets), sum(spent.is_exceeded for spent in budgets))


async def list_budgets(tx: Transaction, organization_id: int, now: datetime) -> list[Spent]:
    """The budgets of the organization in their order, with what they have used."""
    return (await read_spent(tx, organization_id, await budget_store.list_budgets(tx, organization_id), now))[0]


async def read_rates(tx: Transaction) -> Rates:
    """What a unit of each meter is worth in micro-units; a meter without entry is worth nothing."""
    return {**await budget_store.read_rates(tx), Meter.CREDITS: 1}


async def read_spend(tx: Transaction, organization_id: int, project_id: str, now: datetime) -> int:
    """What the running month of a project is worth so far, in micro-units."""
    begin, _ = bounds_of(Period.MONTH, now)
    sums = await store.read_sums(tx, organization_id, COUNTED, begin, project_id=project_id)
    rates = await budget_store.read_rates(tx)
    return sum(price(meter, quantity, rates) for (meter, _), quantity in sums.items())


async def read_usage(
    tx: Transaction,
    caller: Caller,
    *,
    begin: datetime | None,
    end: datetime | None,
    interval: str,
    meter: str,
    project: str,
    now: datetime,
) -> UsageReport:
    """Usage of a span.

    Args:
        interval: `hour` or `day`; empty: `day`.
        meter: Empty: all, in series without credits.
        project: UUID or slug; empty: the whole organization.

    Fails with VALIDATION_FAILED, OUT_OF_RANGE (`from`), NOT_FOUND.
    """
    faults = Faults()
    span = read_span(begin, end, interval, now, faults)
    check_meter(meter, faults)
    faults.raise_if_any()
    organization_id = caller.organization_id
    project_id = await find_project_id(tx, caller, project) if project else None
    readings, by_project = await read_totals(tx, organization_id, span.first_hour, span.end, project_id)
    hidden = await list_hidden_projects(tx, organization_id, caller.user_id)
    series = await read_series(tx, organization_id, span, project_id, is_priced=meter == Meter.CREDITS)
    wanted = {Meter(meter)} if meter else set(Meter)
    return UsageReport(
        span,
        [reading for reading in readings if reading.meter in wanted],
        [(time, reading) for time, reading in series if reading.meter in wanted],
        [each for each in by_project if each[0] not in hidden and each[1] in wanted and (meter or each[1] is not Meter.CREDITS)],
    )


async def read_totals(
    tx: Transaction, organization_id: int, begin: datetime, end: datetime, project_id: str | None
) -> tuple[list[Reading], list[tuple[str, Meter, int]]]:
    """What every meter read from one hour on and before a time, and what it read for each project, ascending by project."""
    await write_counted(tx)
    rates = await budget_store.read_rates(tx)
    sums = await store.read_sums(tx, organization_id, COUNTED, begin, end, project_id)
    levels = await read_levels_at(tx, organization_id, end, project_id)
    quantities = {key: quantity for key, quantity in sums.items() if key[0] not in GAUGES} | levels
    worth: dict[str, int] = {}
    for (meter, owner), quantity in sums.items():
        worth[owner] = worth.get(owner, 0) + price(meter, quantity, rates)
    total = sum(worth.values())
    readings = [
        Reading(
            meter,
            sum(quantity for (of, _), quantity in quantities.items() if of is meter),
            sum(price(meter, quantity, rates) for (of, _), quantity in sums.items() if of is meter),
        )
        for meter in COUNTED
    ]
    quantities |= {(Meter.CREDITS, owner): value for owner, value in worth.items()}
    by_project = sorted((owner, meter, quantity) for (meter, owner), quantity in quantities.items() if owner and quantity)
    return [*readings, Reading(Meter.CREDITS, total, total)], by_project


async def read_levels_at(tx: Transaction, organization_id: int, end: datetime, project_id: str | None) -> dict[tuple[Meter, str], int]:
    """What gauges read at a time, by meter and project: what they read now without what changed since."""
    levels = await store.read_levels(tx, organization_id, project_id)
    since = await store.read_sums(tx, organization_id, GAUGES, end, project_id=project_id)
    return {key: level - since.get(key, 0) for key, level in levels.items()}


async def read_series(
    tx: Transaction, organization_id: int, span: Span, project_id: str | None, *, is_priced: bool
) -> list[tuple[datetime, Reading]]:
    """What meters read in each interval in which something was counted, ascending; a gauge reads what it has at its end.

    Args:
        is_priced: Tells what all meters together are worth instead.
    """
    rates = await budget_store.read_rates(tx)
    changes: dict[tuple[datetime, Meter], int] = {}
    for hour, meter, quantity in await store.read_hours(tx, organization_id, COUNTED, span.first_hour, span.end, project_id):
        key = (span.interval_of(hour), meter)
        changes[key] = changes.get(key, 0) + quantity
    if is_priced:
        worth: dict[datetime, int] = {}
        for (time, meter), quantity in changes.items():
            worth[time] = worth.get(time, 0) + price(meter, quantity, rates)
        return [(time, Reading(Meter.CREDITS, value, value)) for time, value in sorted(worth.items()) if value]
    levels = dict.fromkeys(GAUGES, 0)
    for (meter, _), level in (await read_levels_at(tx, organization_id, span.end, project_id)).items():
        levels[meter] += level
    series = []
    for (time, meter), change in sorted(changes.items(), reverse=True):
        series.append((time, Reading(meter, levels[meter] if meter in GAUGES else change, price(meter, change, rates))))
        if meter in GAUGES:
            levels[meter] -= change
    return series[::-1]


async def list_ledger(
    tx: Transaction,
    caller: Caller,
    *,
    meter: str,
    begin: datetime | None,
    end: datetime | None,
    limit: int | None,
    cursor: str,
) -> tuple[list[LedgerEntry], str]:
    """A page of the ledger, newest hour first, with the cursor of the next page, empty at the end.

    Entries of private projects of others are there without their project.

    Fails with VALIDATION_FAILED (`meter`, `cursor`), OUT_OF_RANGE (`from`, `limit`).
    """
    filters = (meter, "" if begin is None else begin.isoformat(), "" if end is None else end.isoformat())
    faults = Faults()
    check_meter(meter, faults)
    behind = read_cursor(cursor, filters) if cursor else None
    faults.check(not cursor or behind is not None, "cursor", "is not one of this list")
    faults.check_range(begin is None or end is None or begin <= end, "from", "must not be after to")
    faults.check_range(limit is None or 1 <= limit <= MAX_LIMIT, "limit", f"must be between 1 and {MAX_LIMIT}")
    faults.raise_if_any()
    size = limit or DEFAULT_LIMIT
    found = await ledger_store.list_page(tx, caller.organization_id, Meter(meter) if meter else None, begin, end, behind, size + 1)
    hidden = await list_hidden_projects(tx, caller.organization_id, caller.user_id)
    page = [replace(entry, project_id=None) if entry.project_id in hidden else entry for _, entry in found[:size]]
    if len(found) <= size:
        return page, ""
    return page, write_cursor(filters, page[-1].hour, found[size - 1][0])


def check_meter(meter: str, faults: Faults) -> None:
    """Notes that a meter is none; empty stands for all."""
    faults.check(not meter or meter in tuple(Meter), "meter", f"must be one of {', '.join(Meter)}")
