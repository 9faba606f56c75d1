"""Accepting pushes: judging, scrubbing and packing entries, then the appender (contract logs 2, 3)."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from lumetry_core.logs.admission import admit_entries, cut_errors
from lumetry_core.logs.columns import Part, pack_entries
from lumetry_core.logs.model import MAX_IDEMPOTENCY_KEY, Draft, EntryFault, Receipt, Settings
from lumetry_core.logs.push_columns import PushColumns, admit_columns, pack_push, scrub_columns
from lumetry_core.logs.scrubbing import scrub_entries
from lumetry_core.logs.service.append import Repeatable, Submission
from lumetry_core.logs.service.deciding import Deciding, Projects
from lumetry_core.logs.usage import Charge, charge_of
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.errors import Fault, LumetryError, Reason

REPEATABLE = timedelta(hours=24)
"""How long an idempotency key is remembered."""
LARGE_BYTES = 1024 * 1024
"""A push of more is prepared beside the event loop."""


T = TypeVar("T")


class Append(Protocol):
    """Makes a push durable. Fails with OVERLOADED, STORE_UNAVAILABLE."""

    async def __call__(self, submission: Submission) -> Receipt:
        """Gives the receipt."""


@dataclass(frozen=True, slots=True)
class Push:
    """A batch as it was sent: as entries or as columns."""

    entries: Sequence[Draft] = ()
    columns: PushColumns | None = None
    idempotency_key: str = ""
    body_digest: bytes = b""
    validate_only: bool = False
    return_faults: bool = False

    @property
    def count(self) -> int:
        """Its entries."""
        return len(self.entries) if self.columns is None else len(self.columns)

    @property
    def size_bytes(self) -> int:
        """What it is charged with."""
        return sum(entry.size_bytes for entry in self.entries) if self.columns is None else self.columns.size_bytes


async def push_logs(
    append: Append, projects: Projects, clock: Clock, settings: Settings, caller: Caller, push: Push
) -> tuple[Receipt, Sequence[EntryFault]]:
    """Accepts a batch as a whole.

    Returns:
        The receipt, and with `validate_only` or `return_faults` the faults; nothing is stored when there are any.

    Fails with VALIDATION_FAILED and as appending does.
    """
    check_size(push, settings)
    now = clock.now()
    size = push.size_bytes
    drafts, entry_faults = await beside(size, admit, push, to_ms(now))
    faults = find_key_faults(push) + entry_faults
    if faults and not (push.return_faults or push.validate_only):
        raise LumetryError(
            Reason.VALIDATION_FAILED,
            "The batch is not valid; nothing was stored.",
            faults=tuple(Fault(fault.path, fault.message) for fault in faults),
        )
    if faults or push.validate_only:
        return Receipt(0, 0), faults
    names = {entry.project_id for entry in push.entries} if push.columns is None else {push.columns.project_id}
    decided = await projects.decide(caller, names, now)
    if push.columns is None:
        parts, charges = await beside(size, prepare, push.entries, decided, caller.environment)
    else:
        parts, charges = await beside(size, prepare_columns, push.columns, drafts, decided, caller.environment)
    return await append(Submission(caller.organization_id, parts, charges, find_repeatables(push, settings, caller, now))), ()


def check_size(push: Push, settings: Settings) -> None:
    """Refuses an empty batch, unless it only validates, and one of too many entries."""
    if not push.count and not push.validate_only:
        raise LumetryError(Reason.VALIDATION_FAILED, "The batch is empty.", faults=(Fault("logs", "must hold at least one entry"),))
    if push.count > settings.max_batch:
        message = f"must hold at most {settings.max_batch} entries"
        raise LumetryError(
            Reason.VALIDATION_FAILED, "The batch is too large.", faults=(Fault("logs", message),), batch_limit=str(settings.max_batch)
        )


def find_key_faults(push: Push) -> list[EntryFault]:
    """What is wrong with the idempotency key."""
    key = push.idempotency_key
    if len(key) <= MAX_IDEMPOTENCY_KEY and all(" " <= character <= "~" for character in key):
        return []
    return [EntryFault("Idempotency-Key", f"must be 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters", None)]


def admit(push: Push, now_ms: int) -> tuple[dict[int, Draft], list[EntryFault]]:
    """Judges all entries; of columns, those that are not plain come as drafts."""
    return ({}, admit_entries(push.entries, now_ms)) if push.columns is None else admit_columns(push.columns, now_ms)


async def beside(size: int, work: Callable[..., T], *arguments: object) -> T:
    """Runs work of a large push in a thread."""
    return await asyncio.to_thread(work, *arguments) if size > LARGE_BYTES else work(*arguments)


def prepare(
    entries: Sequence[Draft], decided: dict[str | None, Deciding], key_environment: str | None
) -> tuple[list[tuple[str, Part]], list[Charge]]:
    """Scrubs and packs admitted entries, by deciding project, and tells what they come to."""
    members: dict[Deciding, list[Draft]] = {}
    for entry in entries:
        members.setdefault(decided[entry.project_id], []).append(entry)
    parts = []
    for deciding, of_project in members.items():
        trusts = deciding.settings.allow_privacy_mode
        scrub_entries([entry for entry in of_project if not (trusts and entry.privacy_mode)], deciding.options)
        cut_errors(of_project)
        parts.append((deciding.project_id, pack_entries(of_project, key_environment, deciding.project_id)))
    charges = [
        charge_of(deciding.project_id, bytes([entry.level for entry in of_project]), sum(entry.size_bytes for entry in of_project))
        for deciding, of_project in members.items()
    ]
    return parts, charges


def prepare_columns(
    columns: PushColumns, drafts: dict[int, Draft], decided: dict[str | None, Deciding], key_environment: str | None
) -> tuple[list[tuple[str, Part]], list[Charge]]:
    """The same for columns, all of which belong to one project."""
    deciding = decided[columns.project_id]
    scrub_columns(columns, drafts, deciding.options, trusts_private=deciding.settings.allow_privacy_mode)
    part = pack_push(columns, drafts, key_environment, deciding.project_id)
    return [(deciding.project_id, part)], [charge_of(deciding.project_id, columns.levels, columns.size_bytes)]


def find_repeatables(push: Push, settings: Settings, caller: Caller, now: datetime) -> list[Repeatable]:
    """What the push is recognised by when it comes again."""
    found = []
    if push.idempotency_key:
        found.append(Repeatable(digest(caller, "key", push.idempotency_key.encode()), now + REPEATABLE))
    if push.body_digest and settings.dedupe_seconds and push.count > 1:
        body = (caller.address or "").encode() + b"\0" + push.body_digest
        found.append(Repeatable(digest(caller, "body", body), now + timedelta(seconds=settings.dedupe_seconds)))
    return found


def digest(caller: Caller, purpose: str, content: bytes) -> bytes:
    """What stands for something that a credential sent."""
    return hashlib.sha256(f"{purpose}\0{caller.kind}\0{caller.credential_id}\0".encode() + content).digest()
