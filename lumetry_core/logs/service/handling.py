"""What people do to error groups (contract logs 7.5, 7.6)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from lumetry_core.access.service.audit import record_audit
from lumetry_core.logs import groups as model
from lumetry_core.logs.groups import MAX_NOTE, MAX_UNTIL_COUNT, GroupFigures, LogGroup, as_of
from lumetry_core.logs.service.groups import add_figures
from lumetry_core.logs.store import groups as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found


async def resolve_group(tx: Transaction, caller: Caller, group_id: int, note: str | None, now: datetime) -> GroupFigures:
    """Resolves a group; an entry that happens later brings it back. Fails with NOT_FOUND, VALIDATION_FAILED (`note`)."""
    faults = Faults()
    check_note(note, faults)
    faults.raise_if_any()
    return await change(tx, caller, group_id, "Resolved", lambda group: model.resolve(group, note, caller.user_name or "system", now), now)


async def ignore_group(
    tx: Transaction,
    caller: Caller,
    group_id: int,
    note: str | None,
    until: datetime | None,
    until_count: int | None,
    now: datetime,
    faults: Faults,
) -> GroupFigures:
    """Ignores a group until a time or a number of further entries, whichever comes first; without either for good.

    Args:
        faults: Noted while the request was read.

    Fails with NOT_FOUND, VALIDATION_FAILED (`note`), OUT_OF_RANGE (`until`, `until_count`).
    """
    check_note(note, faults)
    faults.check_range(until is None or until > now, "until", "must be in the future")
    is_count = until_count is None or 0 < until_count <= MAX_UNTIL_COUNT
    faults.check_range(is_count, "until_count", f"must be between 1 and {MAX_UNTIL_COUNT}")
    faults.raise_if_any()
    return await change(tx, caller, group_id, "Ignored", lambda group: model.ignore(group, note, until, until_count), now)


async def reopen_group(tx: Transaction, caller: Caller, group_id: int, now: datetime) -> GroupFigures:
    """Opens a group. Fails with NOT_FOUND."""
    return await change(tx, caller, group_id, "Reopened", model.reopen, now)


def check_note(note: str | None, faults: Faults) -> None:
    """Notes a note that is too long."""
    faults.check(note is None or len(note) <= MAX_NOTE, "note", f"must have at most {MAX_NOTE} characters")
    faults.check(note is None or "\0" not in note, "note", "must not contain NUL characters")


async def change(
    tx: Transaction, caller: Caller, group_id: int, verb: str, make: Callable[[LogGroup], LogGroup], now: datetime
) -> GroupFigures:
    """Changes a group and writes down who did; what changes nothing is not written down."""
    found = await store.find_groups(tx, caller.organization_id, [group_id], lock=True)
    if not found:
        raise not_found("Log group", group_id)
    before = as_of(found[0], now)
    after = make(before)
    if after != found[0]:
        await store.update_groups(tx, caller.organization_id, [after])
    if after != before:
        action, spelled = f"LogGroup.{verb}", (spell(before), spell(after))
        await record_audit(tx, caller, action, "LogGroup", group_id, now, *spelled)
    (figures,) = await add_figures(tx, caller.organization_id, [after], now)
    return figures


def spell(group: LogGroup) -> dict[str, Any]:
    """A group as the audit log has it."""
    return {
        "title": group.title,
        "project_id": group.project_id,
        "status": group.status.value,
        "regressed": group.is_regressed,
        "ignored_until": None if group.ignore_until is None else spell_time(group.ignore_until),
        "ignore_until_count": group.ignore_count,
        "note": group.note,
    }
