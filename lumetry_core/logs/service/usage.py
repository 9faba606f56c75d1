"""Counting pushes and what they store, and telling of it (contract logs 10)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from lumetry_core.billing.model import hour_of
from lumetry_core.billing.service.metering import count
from lumetry_core.billing.service.reading import list_budgets
from lumetry_core.billing.span import read_span
from lumetry_core.logs.store import usage as store
from lumetry_core.logs.usage import (
    NOTHING,
    QUOTA_METERS,
    Charge,
    LogUsage,
    LogUsageReport,
    Outcome,
    add_up,
    outcome_of,
    usages_of,
)
from lumetry_core.projects.service import find_project
from lumetry_core.runtime.caller import Caller, RateClass
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin

FAMILY = "logs"
"""The contract family whose pushes are limited as such."""
NO_PROJECT = ""
Hours = dict[tuple[int, datetime, str], LogUsage]


async def count_pushes(
    tx: Transaction, accepted: Mapping[int, Sequence[Sequence[Charge]]], refused: Mapping[int, Sequence[Sequence[Charge]]], now: datetime
) -> None:
    """Counts pushes by organization in the transaction that stores the accepted ones; `refused` are those that met a quota."""
    hours: Hours = {}
    for organization_id, pushes in accepted.items():
        for charges in pushes:
            note(hours, organization_id, project_of(charges), outcome_of(Outcome.ACCEPTED), now)
            for charge in charges:
                stored = LogUsage(NOTHING.outcomes, charge.bytes_used, charge.level_counts)
                note(hours, organization_id, charge.project_id, stored, now)
        await count(tx, organization_id, usages_of(charge for charges in pushes for charge in charges), now)
    for organization_id, pushes in refused.items():
        for charges in pushes:
            note(hours, organization_id, project_of(charges), outcome_of(Outcome.QUOTA_REFUSED), now)
    if hours:
        tx.last_steps.append(partial(write_hours, hours))


async def write_hours(hours: Hours, tx: Transaction) -> None:
    """Adds what was counted, as late as can be: everybody who pushes in the same hour waits for these rows."""
    await store.add(tx, hours)


def note(hours: Hours, organization_id: int, project_id: str, usage: LogUsage, now: datetime) -> None:
    """Adds usage to an hour."""
    key = (organization_id, hour_of(now), project_id)
    known = hours.get(key)
    hours[key] = usage if known is None else add_up((known, usage))


def project_of(charges: Sequence[Charge]) -> str:
    """The project that a push belongs to as a whole; empty when its entries belong to several."""
    return charges[0].project_id if len(charges) == 1 else NO_PROJECT


class RefusedPushes:
    """Counts pushes that store nothing, in memory: refusing must cost less than what is refused. A crash loses the last seconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._hours: Hours = {}

    def note(self, caller: Caller, outcome: Outcome) -> None:
        """Counts one."""
        note(self._hours, caller.organization_id, caller.project_id or NO_PROJECT, outcome_of(outcome), self._clock.now())

    def note_limited(self, origin: Origin, rate: RateClass, caller: Caller) -> None:
        """Counts a call that its limit refuses when it is a push."""
        if origin.family == FAMILY and rate is RateClass.INGEST:
            self.note(caller, Outcome.RATE_LIMITED)

    @contextmanager
    def watching(self, caller: Caller) -> Iterator[None]:
        """Counts a push that fails because of what it holds."""
        try:
            yield
        except LumetryError as error:
            if error.reason is Reason.VALIDATION_FAILED:
                self.note(caller, Outcome.REJECTED)
            raise

    async def flush(self) -> None:
        """Stores what was counted; when the store cannot be used it is kept for later."""
        hours, self._hours = self._hours, {}
        if not hours:
            return
        try:
            async with self._database.write() as tx:
                await store.add(tx, hours)
        except LumetryError:
            for key, usage in self._hours.items():
                hours[key] = add_up((hours.get(key, NOTHING), usage))
            self._hours = hours


async def read_usage(
    tx: Transaction,
    organization_id: int,
    *,
    begin: datetime | None,
    end: datetime | None,
    interval: str,
    project: str,
    now: datetime,
) -> LogUsageReport:
    """Usage of a span.

    Args:
        interval: `hour` or `day`; empty: `day`.
        project: UUID or slug; empty: the whole organization.

    Fails with VALIDATION_FAILED (`interval`), OUT_OF_RANGE (`from`), NOT_FOUND.
    """
    faults = Faults()
    span = read_span(begin, end, interval, now, faults)
    faults.check("\0" not in project, "project_id", "must not contain NUL characters")
    faults.raise_if_any()
    found = await find_project(tx, organization_id, project) if project else None
    if project and found is None:
        raise LumetryError(Reason.NOT_FOUND, "Project not found", type="Project", id=project)
    project_id = None if found is None else found.id
    rows = await store.read(tx, organization_id, span.first_hour, span.end, project_id)
    by_project: dict[str, list[LogUsage]] = {}
    by_interval: dict[datetime, list[LogUsage]] = {}
    for hour, owner, usage in rows:
        if usage.entry_count:
            by_project.setdefault(owner, []).append(usage)
            by_interval.setdefault(span.interval_of(hour), []).append(usage)
    quotas = [
        spent
        for spent in await list_budgets(tx, organization_id, now)
        if spent.budget.is_active
        and spent.budget.meter in QUOTA_METERS
        and (project_id is None or spent.budget.project_id in (None, project_id))
    ]
    return LogUsageReport(
        span,
        add_up(usage for _, _, usage in rows),
        [(owner, add_up(usages)) for owner, usages in sorted(by_project.items())],
        [(time, add_up(usages)) for time, usages in by_interval.items()],
        quotas,
    )


async def drop_old(tx: Transaction, organization_id: int, before: datetime) -> None:
    """Drops hours before a time."""
    await store.delete_before(tx, organization_id, hour_of(before))
