"""Counts how long containers are up, and tells shares of it."""

from datetime import datetime, timedelta

from lumetry_core.containers.model import Container
from lumetry_core.containers.shares import DAY, WINDOWS, count_seconds, measure
from lumetry_core.containers.store import containers as store
from lumetry_core.containers.store import transitions as transition_store
from lumetry_core.runtime.database import Transaction
from lumetry_core.uptime.model import DayCount, MonitorType, share
from lumetry_core.uptime.service import count, sum_days

MAX_TRANSITIONS = 10_000
"""What came before so many is read from rollups, so that a container that restarts all the time is answered as quickly as others."""


async def count_all(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Adds the time since containers were counted last to the rollups of their days."""
    counts: list[DayCount] = []
    reached: dict[datetime, list[int]] = {}
    for container in await store.list_containers(tx, organization_id):
        seconds, counted = count_seconds(container, now)
        if seconds:
            counts += seconds
            reached.setdefault(counted, []).append(container.id)
    await count(tx, organization_id, MonitorType.CONTAINER, counts)
    for counted, container_ids in reached.items():
        await store.set_counted(tx, organization_id, container_ids, counted)


async def read_uptime(tx: Transaction, container: Container, transitions_days: int, now: datetime) -> dict[str, float | None]:
    """Percent of each window, None where nothing was observed: from transitions as far back as they reach, from rollups before.

    Args:
        tx: The transaction.
        container: Whose.
        transitions_days: So long transitions are kept.
        now: The present.
    """
    longest = now - max(WINDOWS.values())
    oldest = max(longest, now - timedelta(days=transitions_days))
    transitions = await transition_store.list_transitions(tx, container.organization_id, container.id, oldest, now, MAX_TRANSITIONS, 0)
    if len(transitions) == MAX_TRANSITIONS:
        oldest = transitions[-1].time
    # Rollups know whole days: the first day that transitions cover from its beginning on is theirs.
    border = oldest if oldest == longest else midnight_after(oldest)
    percents: dict[str, float | None] = {}
    for name, span in WINDOWS.items():
        start = now - span
        told = measure(container, transitions, max(start, min(border, now)), now)
        good, total = told.good, told.total
        if start < border:
            summed = await sum_days(
                tx, container.organization_id, MonitorType.CONTAINER, [container.id], midnight_after(start).date(), border.date()
            )
            seconds = summed.get(container.id, (0, 0))
            good, total = good + seconds[0] * 1000, total + seconds[1] * 1000
        percents[name] = share(good, total)
    return percents


def midnight_after(moment: datetime) -> datetime:
    """The first beginning of a UTC day that is not before a time."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == moment else midnight + DAY
