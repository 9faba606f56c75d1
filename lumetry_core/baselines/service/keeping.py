"""Keeping baselines: in the memory of whoever evaluates a partition, and in the store.

What a baseline learned lies in blocks, which are folded into the store now and then. Every evaluated chunk writes its points to the journal
in the transaction of its effects. So blocks, the points that waited when they were folded, and the journal rows since then are the exact
state: points are neither lost nor learned twice, wherever a process dies.

Points are learned by whole minutes, when all points of a minute are there: the outcome depends on the points alone.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from lumetry_core.baselines.candidates import Candidates, Period, join, lie_in, no_candidates
from lumetry_core.baselines.codec import pack_journal, unpack_journal
from lumetry_core.baselines.learned import Learned
from lumetry_core.baselines.store import baselines as baseline_store
from lumetry_core.baselines.store import blocks as block_store
from lumetry_core.baselines.store import journal as journal_store
from lumetry_core.baselines.store.baselines import StoredBaseline
from lumetry_core.baselines.weeks import MINUTE_MS, WeekClock
from lumetry_core.metrics.model import Integers, MetricInfo
from lumetry_core.runtime.database import Transaction

Boundaries = int | Integers | Callable[[Integers], Integers]
"""Times in ms before which all points are there: one for all members, one for each by number, or a function from numbers to times."""


@dataclass(slots=True, eq=False)
class Baseline:
    """What is known of a metric under a profile. `pending` points were evaluated but not learned yet."""

    id: int
    organization_id: int
    profile_id: int
    metric_id: int
    learned: Learned
    pending: Candidates
    folded_journal_id: int

    def take(self, candidates: Candidates) -> None:
        """Takes up its own ones of evaluated points; they are learned when `advance` passes them."""
        own = candidates.baseline_ids == self.id
        if own.any():
            self.pending = join([self.pending, candidates if own.all() else candidates[own]])

    def advance(self, boundaries: Boundaries, exclusions: Sequence[Period], clock: WeekClock) -> None:
        """Learns pending points of the whole minutes before the boundary of their member, ascending by time, and drops them.

        Those that breached or lie in an exclusion are dropped unlearned. The `due_hours` must be loaded.
        """
        is_due = self._find_due(boundaries)
        if not is_due.any():
            return
        due = select_learnable(self.pending[is_due], exclusions)
        due = due[np.argsort(due.times_ms, kind="stable")]
        minutes = clock.minutes_of_week(due.times_ms)
        self.learned.add(due.members.astype(np.int64), minutes, due.times_ms // MINUTE_MS, due.values)
        self.pending = self.pending[~is_due]

    def due_hours(self, boundaries: Boundaries, exclusions: Sequence[Period], clock: WeekClock) -> set[int]:
        """The hours of the week in which `advance` learns."""
        due = select_learnable(self.pending[self._find_due(boundaries)], exclusions)
        return Learned.hours_needed(clock.minutes_of_week(due.times_ms), 0)

    def _find_due(self, boundaries: Boundaries) -> NDArray[np.bool_]:
        """Which pending points are of minutes before the boundary."""
        members = self.pending.members.astype(np.int64)
        limits = np.asarray(boundaries(members) if callable(boundaries) else boundaries)
        if limits.ndim and not callable(boundaries):
            limits = limits[members]
        is_due: NDArray[np.bool_] = self.pending.times_ms // MINUTE_MS < limits // MINUTE_MS
        return is_due

    def note_stored(self) -> None:
        """Notes that `create` or `replace` was committed. All hours leave memory: they take 400 kB per member, and few are needed soon."""
        self.learned.clean(self.learned.dirty_hours())
        self.learned.drop_idle_hours(())

    def note_folded(self, journal_id: int) -> None:
        """Notes that a `fold` was committed."""
        self.learned.clean(self.learned.dirty_hours())
        self.folded_journal_id = journal_id


def select_learnable(candidates: Candidates, exclusions: Sequence[Period]) -> Candidates:
    """The points that neither breached nor lie in an exclusion."""
    return candidates[(candidates.breached == 0) & ~lie_in(candidates.times_ms, exclusions)]


async def journal(
    tx: Transaction,
    organization_id: int,
    partition: int,
    candidates: Candidates,
    new_members: Sequence[tuple[int, int, str | None]],
    now: datetime,
) -> int:
    """Writes the points of an evaluated chunk and answers the number of the row.

    Args:
        new_members: Baseline, number and dimension key of all members that were added since the last row.
    """
    await baseline_store.insert_members(tx, organization_id, new_members)
    return await journal_store.insert_row(tx, organization_id, partition, pack_journal(candidates), now)


async def load(tx: Transaction, organization_id: int, partition: int) -> dict[tuple[int, int], Baseline]:
    """The baselines of a partition by profile and metric, without blocks: hours are loaded when they are needed.

    The next `advance` learns what is in the journal since each was folded.
    """
    rows = await baseline_store.list_of_partition(tx, organization_id, partition)
    if not rows:
        return {}
    oldest = min(row.folded_journal_id for row in rows)
    waiting: dict[int, list[tuple[int, Candidates]]] = {}
    for journal_id, payload in await journal_store.read_after(tx, organization_id, partition, oldest):
        for baseline_id, points in unpack_journal(payload).split():
            waiting.setdefault(baseline_id, []).append((journal_id, points))
    members = await baseline_store.read_members(tx, organization_id, [row.id for row in rows])
    found = {}
    for row in rows:
        since = [points for journal_id, points in waiting.get(row.id, ()) if journal_id > row.folded_journal_id]
        found[row.profile_id, row.metric_id] = restore(organization_id, row, members[row.id], since)
    return found


def restore(organization_id: int, row: StoredBaseline, members: Sequence[str | None], since: Sequence[Candidates]) -> Baseline:
    """A baseline from its row and the points journaled since it was folded."""
    learned = Learned(members)
    learned.mark_stored(row.hours)
    return Baseline(
        id=row.id,
        organization_id=organization_id,
        profile_id=row.profile_id,
        metric_id=row.metric_id,
        learned=learned,
        pending=join([row.pending, *since]),
        folded_journal_id=row.folded_journal_id,
    )


async def load_hours(tx: Transaction, baseline: Baseline, hours: Collection[int]) -> None:
    """Loads those of the hours that are in the store and not in memory."""
    await load_hours_of_all(tx, [(baseline, hours)])


async def load_hours_of_all(tx: Transaction, wanted: Iterable[tuple[Baseline, Collection[int]]]) -> None:
    """As `load_hours`, for many baselines of one organization at once."""
    missing = {baseline.id: (baseline, hours) for baseline, of_baseline in wanted if (hours := baseline.learned.missing_hours(of_baseline))}
    if not missing:
        return
    organization_id = next(iter(missing.values()))[0].organization_id
    all_hours = set[int]().union(*(hours for _, hours in missing.values()))
    for baseline_id, hour, payload in await block_store.read_blocks(tx, organization_id, missing.keys(), all_hours):
        baseline, hours = missing[baseline_id]
        if hour in hours:
            baseline.learned.load_hour(hour, payload)


async def fold(tx: Transaction, organization_id: int, partition: int, baseline: Baseline, journal_id: int) -> None:
    """Stores what a baseline learned since it was folded last, and what waits; after the commit the caller calls `note_folded`.

    Args:
        journal_id: The newest journal row of the partition; the baseline holds the points of all rows up to it.
    """
    await fold_all(tx, organization_id, partition, [baseline], journal_id)


async def fold_all(tx: Transaction, organization_id: int, partition: int, folded: Sequence[Baseline], journal_id: int) -> None:
    """As `fold`, for many baselines of the partition at once."""
    if not folded:
        return
    blocks = [(each.id, hour, each.learned.pack_hour(hour)) for each in folded for hour in each.learned.dirty_hours()]
    await block_store.put_blocks(tx, organization_id, blocks)
    rows = [
        StoredBaseline(
            id=each.id,
            profile_id=each.profile_id,
            metric_id=each.metric_id,
            folded_journal_id=journal_id,
            hours=each.learned.stored_hours.union(each.learned.dirty_hours()),
            pending=each.pending,
        )
        for each in folded
    ]
    await baseline_store.update_folded(tx, organization_id, partition, rows)


async def trim_journal(tx: Transaction, organization_id: int, partition: int) -> None:
    """Drops the journal rows that every baseline of the partition holds; all rows when there are none."""
    folded = await baseline_store.read_folded(tx, organization_id, partition)
    await journal_store.delete_until(tx, organization_id, partition, None if folded is None else folded[0])


async def journal_size(tx: Transaction, organization_id: int, partition: int) -> tuple[int, int]:
    """Rows and bytes of the journal."""
    return await journal_store.measure(tx, organization_id, partition)


async def find_newest_journal_id(tx: Transaction, organization_id: int, partition: int) -> int:
    """The number of the partition's newest journal row, of rows that were dropped too; 0 when there was none.

    Whoever builds a baseline from stored points reads it in the transaction in which the points are read.
    """
    kept = await journal_store.find_newest_id(tx, organization_id, partition)
    folded = await baseline_store.read_folded(tx, organization_id, partition)
    return max(kept or 0, folded[1] if folded else 0)


async def create(
    tx: Transaction,
    organization_id: int,
    profile_id: int,
    metric: MetricInfo,
    learned: Learned,
    pending: Candidates,
    journal_id: int,
    now: datetime,
) -> Baseline:
    """Stores a new baseline; after the commit the caller calls `note_folded`.

    Args:
        pending: Points that wait, under any baseline's number.
        journal_id: The newest journal row when the points were read.
    """
    baseline_id = await baseline_store.insert_baseline(tx, organization_id, profile_id, metric.id, metric.partition, now)
    return await store_whole(
        tx, Baseline(baseline_id, organization_id, profile_id, metric.id, learned, pending, journal_id), metric.partition
    )


async def replace(
    tx: Transaction, baseline: Baseline, partition: int, learned: Learned, pending: Candidates, journal_id: int, now: datetime
) -> Baseline:
    """Stores what was learned anew in the place of what a baseline knew; after the commit the caller calls `note_folded`.

    Args:
        learned: Made anew, or the baseline's own after some of its buckets were replaced. Its members start with those of the baseline, so
            that journal rows after `journal_id` keep their meaning.
        pending: Points that wait, under any baseline's number.
        journal_id: The newest journal row when the points were read.
    """
    kept = learned.stored_hours
    await block_store.delete_blocks(tx, baseline.organization_id, [baseline.id], kept_hours=kept)
    await baseline_store.set_build_time(tx, baseline.organization_id, baseline.id, now)
    renewed = Baseline(baseline.id, baseline.organization_id, baseline.profile_id, baseline.metric_id, learned, pending, journal_id)
    return await store_whole(tx, renewed, partition)


async def store_whole(tx: Transaction, baseline: Baseline, partition: int) -> Baseline:
    """Stores a baseline that was built in memory, with the numbers of its members."""
    baseline.pending = dataclasses.replace(baseline.pending, baseline_ids=np.full(len(baseline.pending), baseline.id))
    members = [(baseline.id, number, key) for number, key in enumerate(baseline.learned.members)]
    await baseline_store.insert_members(tx, baseline.organization_id, members)
    await fold(tx, baseline.organization_id, partition, baseline, baseline.folded_journal_id)
    return baseline


async def delete(tx: Transaction, organization_id: int, baseline_ids: Collection[int]) -> None:
    """Drops baselines with all they know."""
    await block_store.delete_blocks(tx, organization_id, baseline_ids)
    await baseline_store.delete_baselines(tx, organization_id, baseline_ids)


__all__ = [
    "Baseline",
    "Boundaries",
    "Candidates",
    "create",
    "delete",
    "find_newest_journal_id",
    "fold",
    "fold_all",
    "journal",
    "journal_size",
    "load",
    "load_hours",
    "load_hours_of_all",
    "no_candidates",
    "replace",
    "trim_journal",
]
