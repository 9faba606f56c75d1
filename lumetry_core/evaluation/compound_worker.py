"""Judges compound rules on their cycle."""

from datetime import datetime

import structlog

from lumetry_core.access.service.evaluation_version import read_evaluation_version, read_evaluation_versions
from lumetry_core.evaluation.compound import next_cycle
from lumetry_core.evaluation.model import Settings
from lumetry_core.evaluation.service import cycles
from lumetry_core.evaluation.service.cycles import Commit, CompoundRules
from lumetry_core.metrics.service import inbox
from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError, Reason

log = structlog.get_logger(__name__)


class CompoundJudge:
    """Takes the compound rules of organizations through the cycles that are due, one after another.

    An organization's cycles are done where the partition of its number is held. What a cycle does and how far the organization is are
    written in one transaction, which does nothing when another process was quicker: every cycle is done once, wherever a process dies.
    """

    def __init__(self, database: Database, owner: str, settings: Settings) -> None:
        """Builds the worker.

        Args:
            database: Where everything is.
            owner: The identity under which the process acquires partitions.
            settings: How long a cycle is, and when points are late.
        """
        self._database = database
        self._owner = owner
        self._settings = settings
        self._cycle_ms = settings.compound_cycle_seconds * 1000
        self._compiled: dict[int, CompoundRules] = {}
        self._done: int | None = None

    async def tick(self, now: datetime) -> bool:
        """Does all cycles that are due; False, as there are no more before the clock moves on."""
        newest = to_ms(now) // self._cycle_ms
        if newest == self._done:
            return False
        async with self._database.read() as tx:
            positions = await inbox.read_positions(tx)
            held = {position.partition for position in positions if position.owner == self._owner}
            versions = await read_evaluation_versions(tx)
        for organization_id, version in sorted(versions.items()):
            compiled = self._compiled.get(organization_id)
            has_none = compiled is not None and compiled.version == version and not compiled.has_rules
            if organization_id % len(positions) in held and not has_none:
                await self._do_cycles(organization_id, now)
        if held:
            self._done = newest
        return False

    async def _do_cycles(self, organization_id: int, now: datetime) -> None:
        """Does an organization's cycles; a fault in them is none of the others', and the next cycle makes up for it."""
        try:
            while await self._do_next(organization_id, now):
                pass
        except LumetryError as error:
            if error.reason is Reason.STORE_UNAVAILABLE:
                raise
            log.exception("a cycle of compound rules failed", organization_id=organization_id)
        except Exception:  # bad rules of one organization must not stop those of others
            log.exception("a cycle of compound rules failed", organization_id=organization_id)

    async def _do_next(self, organization_id: int, now: datetime) -> bool:
        """Does one cycle; False when none is due."""
        async with self._database.read() as tx:
            compiled = await self._hold(tx, organization_id, now)
            if not compiled.has_rules:
                return False
            previous = await cycles.read_cycle_time(tx, organization_id)
            due = next_cycle(None if previous is None else to_ms(previous), to_ms(now), self._cycle_ms)
            if due is None:
                return False
            time = from_ms(due)
            outcomes = await cycles.judge(tx, compiled, time)
        async with self._database.write() as tx:
            commit = await cycles.write(tx, compiled, previous, time, outcomes, now)
        if commit is Commit.TAKEN:
            log.info("another process did a cycle of compound rules", organization_id=organization_id)
        return True

    async def _hold(self, tx: Transaction, organization_id: int, now: datetime) -> CompoundRules:
        """The organization's rules as they are now."""
        compiled = self._compiled.get(organization_id)
        if compiled is None or compiled.version != await read_evaluation_version(tx, organization_id):
            compiled = self._compiled[organization_id] = await cycles.load_compound_rules(tx, organization_id, self._settings, now)
        return compiled
