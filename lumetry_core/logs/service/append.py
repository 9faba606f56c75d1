"""One group commit: the batches of many pushes become new blocks in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.billing.service.budgets import Gate
from lumetry_core.logs.columns import Part, join_frames
from lumetry_core.logs.entry_id import IdSource
from lumetry_core.logs.model import Receipt
from lumetry_core.logs.service.usage import count_pushes
from lumetry_core.logs.store import blocks as block_store
from lumetry_core.logs.store import receipts as receipt_store
from lumetry_core.logs.store.blocks import NEW, NO_DAY, Block
from lumetry_core.logs.usage import QUOTA_METERS, Charge, usages_of
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError

LOGS_CHANNEL = "logs"
MAX_BLOCK_ENTRIES = 16_384
"""A commit's entries of one project go on in a further block, unless a single push brings more."""


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What a push is recognised by when it comes again, and until when."""

    digest: bytes
    expire_time: datetime


@dataclass(frozen=True, slots=True, eq=False)
class Submission:
    """A push whose entries are admitted, scrubbed and packed, by deciding project."""

    organization_id: int
    parts: Sequence[tuple[str, Part]]
    charges: Sequence[Charge]
    """By deciding project as well."""
    repeatables: Sequence[Repeatable] = ()

    @property
    def bytes_used(self) -> int:
        """What it is charged with."""
        return sum(charge.bytes_used for charge in self.charges)

    @property
    def count(self) -> int:
        """Its entries."""
        return sum(part.count for _, part in self.parts)


async def append_group(
    tx: Transaction, source: IdSource, gate: Gate, group: Sequence[Submission], now: datetime
) -> list[Receipt | LumetryError]:
    """Writes the entries of a group but for repeated pushes and those that hard budgets stop, and counts them.

    Returns:
        The receipts, valid once committed; QUOTA_EXHAUSTED for a push that is stopped, of which nothing is stored.
    """
    receipts = await admit(tx, gate, group, now)
    parts: dict[tuple[int, str], list[Part]] = {}
    accepted: dict[int, list[Sequence[Charge]]] = {}
    refused: dict[int, list[Sequence[Charge]]] = {}
    for submission in group:
        receipt = receipts[id(submission)]
        if isinstance(receipt, LumetryError):
            refused.setdefault(submission.organization_id, []).append(submission.charges)
        elif not receipt.is_repeat:
            accepted.setdefault(submission.organization_id, []).append(submission.charges)
            for project_id, part in submission.parts:
                parts.setdefault((submission.organization_id, project_id), []).append(part)
    await count_pushes(tx, accepted, refused, now)
    blocks = [
        build_block(source, organization_id, project_id, run, now)
        for (organization_id, project_id), members in parts.items()
        for run in split(members)
    ]
    if blocks:
        await block_store.insert_blocks(tx, blocks)
        tx.wake(LOGS_CHANNEL)
    return [receipts[id(submission)] for submission in group]


async def admit(tx: Transaction, gate: Gate, group: Sequence[Submission], now: datetime) -> dict[int, Receipt | LumetryError]:
    """The receipt or refusal of each push. A repetition gets its first answer whatever budgets say now."""
    passages = {}
    for organization_id in sorted({submission.organization_id for submission in group}):
        passages[organization_id] = await gate.open(tx, organization_id, QUOTA_METERS, now)
    receipts: dict[int, Receipt | LumetryError] = {}
    for submission in sorted(group, key=lambda member: [repeatable.digest for repeatable in member.repeatables]):  # no deadlocks
        receipt = await claim(tx, submission, now)
        refusal = None if receipt.is_repeat else passages[submission.organization_id].refuse(usages_of(submission.charges))
        if refusal is not None and submission.repeatables:
            await receipt_store.give_back(tx, submission.organization_id, [repeatable.digest for repeatable in submission.repeatables])
        receipts[id(submission)] = refusal or receipt
    for passage in passages.values():
        await passage.tell(tx)
    return receipts


async def claim(tx: Transaction, submission: Submission, now: datetime) -> Receipt:
    """The receipt of a push: its own, or that of the one it repeats."""
    receipt = Receipt(submission.count, submission.bytes_used)
    for repeatable in submission.repeatables:
        earlier = await receipt_store.claim(tx, submission.organization_id, repeatable.digest, receipt, repeatable.expire_time, now)
        if earlier is not None:
            return earlier
    return receipt


def split(parts: Sequence[Part]) -> list[list[Part]]:
    """Parts in order, in runs that each become a block."""
    runs: list[list[Part]] = [[]]
    size = 0
    for part in parts:
        if runs[-1] and size + part.count > MAX_BLOCK_ENTRIES:
            runs.append([])
            size = 0
        runs[-1].append(part)
        size += part.count
    return runs


def build_block(source: IdSource, organization_id: int, project_id: str, parts: Sequence[Part], now: datetime) -> Block:
    """A new block of parts; here their entries get identities."""
    run = source.take(to_ms(now), sum(part.count for part in parts))
    mask = 0
    for part in parts:
        mask |= part.level_mask
    return Block(
        organization_id=organization_id,
        project_id=project_id,
        level=NEW,
        day=NO_DAY,
        first_ns=min(part.first_ns for part in parts),
        last_ns=max(part.last_ns for part in parts),
        level_mask=mask,
        entry_count=run.count,
        first_id=run.first_id,
        last_id=run.last_id,
        create_time=now,
        payload=join_frames([part.frame for part in parts]),
    )
