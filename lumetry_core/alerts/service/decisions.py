"""Reads and completes the recorded traces of transitions."""

from collections.abc import Collection, Sequence

from lumetry_core.alerts.decisions import Explanation, Transition
from lumetry_core.alerts.store import decisions as store
from lumetry_core.runtime.database import Transaction


async def read_explanations(
    tx: Transaction, organization_id: int, keys: Collection[tuple[int, Transition]]
) -> dict[tuple[int, Transition], Explanation]:
    """The traces of transitions, by alert and transition; those that have not happened are left out."""
    wanted = set(keys)
    found = await store.read_explanations(tx, organization_id, {alert_id for alert_id, _ in wanted})
    return {key: explanation for key, explanation in found.items() if key in wanted}


async def record_gates(tx: Transaction, organization_id: int, explanations: Sequence[Explanation]) -> None:
    """Puts whole traces in place of the recorded ones."""
    await store.update_explanations(tx, organization_id, explanations)
