"""Workers: one reads new entries for error groups and rules, one ends alerts of rules that have become quiet."""

import asyncio
from datetime import datetime

import structlog

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.logrules.service import quiet, reading
from lumetry_core.logrules.service.evaluation import RuleSet, load_rules
from lumetry_core.logs.model import BlocksChanged
from lumetry_core.runtime.database import Database

log = structlog.get_logger(__name__)

INLINE_BYTES = 64 * 1024
"""Blocks of less are read at once, of more beside the event loop."""
PAUSE_SECONDS = 0.1
"""While entries pour in, what comes within so long is read together, and accepting comes first."""


class LogReader:
    """Reads what is new of every organization. Any number may run on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules: dict[int, RuleSet] = {}

    async def tick(self, now: datetime) -> bool:
        """Reads a bounded part of what is new of each organization; true when anything was."""
        async with self._database.read() as tx:
            organization_ids = await list_organization_ids(tx)
        busy = False
        for organization_id in organization_ids:
            busy |= await self._read(organization_id, now)
        if busy:
            await asyncio.sleep(PAUSE_SECONDS)
        return busy

    async def _read(self, organization_id: int, now: datetime) -> bool:
        known = self._rules.get(organization_id, RuleSet())
        async with self._database.read() as tx:
            rules = await load_rules(tx, organization_id, known)
            blocks = await reading.list_blocks(tx, organization_id, rules)
        self._rules[organization_id] = rules
        if not blocks:
            return False
        if sum(len(block.payload) for block in blocks) <= INLINE_BYTES:
            read = reading.read_blocks(blocks, rules)
        else:
            read = await asyncio.to_thread(reading.read_blocks, blocks, rules)
        try:
            async with self._database.write() as tx:
                await reading.record_reading(tx, organization_id, read, rules, now)
        except BlocksChanged:
            log.info("new blocks of logs were read by another process", organization_id=organization_id)
        return True


class LogRuleKeeper:
    """Ends alerts when their time has come. Any number may run on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tick(self, now: datetime) -> bool:
        """Ends what is due; true when anything was."""
        async with self._database.read() as tx:
            due = await quiet.list_due(tx, now)
        for organization_id, rule_ids in due.items():
            async with self._database.write() as tx:
                await quiet.end_quiet(tx, organization_id, rule_ids, now)
        return bool(due)
