"""The version of all that evaluation derives its state from: rules, definitions of metrics, baselines, settings, decisions of people."""

from lumetry_core.access.store import evaluation_versions as store
from lumetry_core.runtime.database import Transaction


async def read_evaluation_version(tx: Transaction, organization_id: int, *, hold: bool = False) -> int:
    """The organization's version; 0 before the first change.

    Args:
        hold: Keeps it from changing until the writing transaction ends, so that what is recorded in it fits.
    """
    return await store.read_version(tx, organization_id, hold=hold)


async def raise_evaluation_version(tx: Transaction, organization_id: int) -> None:
    """Makes evaluation derive its state anew before it records anything else. Waits for those who hold the version."""
    await store.raise_version(tx, organization_id)


async def read_evaluation_versions(tx: Transaction) -> dict[int, int]:
    """The versions of all organizations that have one."""
    return await store.read_versions(tx)
