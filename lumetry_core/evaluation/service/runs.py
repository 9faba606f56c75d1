"""Keeps what became of committed chunks."""

from lumetry_core.evaluation.model import Run
from lumetry_core.evaluation.service.chunks import Written
from lumetry_core.evaluation.store import runs as store
from lumetry_core.runtime.database import Transaction


async def insert_run(tx: Transaction, run: Run, written: Written) -> None:
    """Keeps a committed chunk with the outcome of each of its jobs."""
    await store.insert_run(tx, run, written.outcomes, written.traces)
