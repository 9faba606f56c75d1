"""Reading baselines in processes that do not keep them, such as those that answer questions."""

from lumetry_core.baselines.codec import unpack_journal
from lumetry_core.baselines.service.keeping import Baseline, load_hours, restore
from lumetry_core.baselines.store import baselines as baseline_store
from lumetry_core.baselines.store import journal as journal_store
from lumetry_core.metrics.model import Integers
from lumetry_core.runtime.database import Transaction


async def read_learned(
    tx: Transaction, organization_id: int, profile_id: int, metric_id: int, minutes_of_week: Integers, half: int
) -> Baseline | None:
    """A metric's baseline under a profile, as it is in the store, with the hours that pools of these minutes draw from.

    Points evaluated since it was stored are pending. Whoever wants them learned loads the `due_hours` too and calls `advance`.

    Returns:
        None when the metric has no baseline under the profile.
    """
    found = await baseline_store.find_baseline(tx, organization_id, profile_id, metric_id)
    if found is None:
        return None
    row, partition = found
    members = (await baseline_store.read_members(tx, organization_id, [row.id]))[row.id]
    journaled = await journal_store.read_after(tx, organization_id, partition, row.folded_journal_id)
    points = [unpack_journal(payload) for _, payload in journaled]
    baseline = restore(organization_id, row, members, [part[part.baseline_ids == row.id] for part in points])
    await load_hours(tx, baseline, baseline.learned.hours_needed(minutes_of_week, half))
    return baseline
