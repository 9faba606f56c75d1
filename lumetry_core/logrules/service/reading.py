"""One round of reading new blocks: error groups are noted, rules count, and no entry does so twice (contract logs 7, 8.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lumetry_core.logrules.counting import find_firsts
from lumetry_core.logrules.matching import Found, find_matches
from lumetry_core.logrules.model import Trigger
from lumetry_core.logrules.service.evaluation import RuleSet, count_matches
from lumetry_core.logs.columns import Batch, unpack
from lumetry_core.logs.grouping import Sighting, read_sightings
from lumetry_core.logs.model import GROUPED
from lumetry_core.logs.service.grouping import record_sightings
from lumetry_core.logs.service.unread import list_unread, mark_read
from lumetry_core.runtime.database import Transaction

MAX_BYTES = 8 * 1024 * 1024
"""Packed bytes that are read at once."""


class NewBlock(Protocol):
    """A block that is still to be read."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def project_id(self) -> str:
        """UUID of the deciding project."""

    @property
    def first_id(self) -> bytes:
        """The lowest identity."""

    @property
    def payload(self) -> bytes:
        """Its contents; empty when there is nothing to read in them."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What new blocks tell."""

    block_ids: Sequence[int]
    batches: Sequence[Batch]
    sightings: Sequence[Sighting]
    found: Sequence[Found]


async def list_blocks(tx: Transaction, organization_id: int, rules: RuleSet) -> Sequence[NewBlock]:
    """The oldest blocks that are still to be read; those in which nothing is to be read come without contents."""
    return await list_unread(tx, organization_id, MAX_BYTES, GROUPED | rules.level_mask)


def read_blocks(blocks: Sequence[NewBlock], rules: RuleSet) -> Reading:
    """Reads blocks. Work for the processor only."""
    batches = [batch for block in blocks if block.payload for batch in unpack(block.project_id, block.first_id, block.payload)]
    return Reading([block.id for block in blocks], batches, read_sightings(batches), find_matches(rules.rules, batches))


async def record_reading(tx: Transaction, organization_id: int, reading: Reading, rules: RuleSet, now: datetime) -> None:
    """Writes down what was read. Raises `BlocksChanged`, which rolls everything back, when another process has read a block meanwhile."""
    await mark_read(tx, organization_id, reading.block_ids)
    grouped = await record_sightings(tx, organization_id, reading.sightings, now)
    needs_firsts = any(compiled.rule.trigger is not Trigger.MATCH for compiled in rules.rules)
    firsts = find_firsts(reading.batches, grouped) if needs_firsts else {}
    await count_matches(tx, organization_id, reading.found, firsts, grouped, now)
