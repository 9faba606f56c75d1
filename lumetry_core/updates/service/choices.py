"""Pins and exclusions: what people do not want to hear of (contract monitoring 15)."""

from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.feed.service import tell
from lumetry_core.rules.choices import check_text
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason, not_found
from lumetry_core.updates.globs import find_glob_fault
from lumetry_core.updates.model import MAX_REASON, Exclusion, PatternType, Pin, SkipReason, Target, find_skip_reason
from lumetry_core.updates.service.findings import NOT_WATCHED, PINNED, end_updates
from lumetry_core.updates.service.targets import find_target, find_targets
from lumetry_core.updates.store import choices as store
from lumetry_core.updates.store import findings as finding_store

PIN = "UpdatePin"
EXCLUSION = "UpdateExclusion"


async def pin_container(tx: Transaction, caller: Caller, name: str, reason: str | None, now: datetime) -> tuple[Pin, Target]:
    """Keeps a container at what it runs; again replaces the reason. Fails with NOT_FOUND, VALIDATION_FAILED (`reason`)."""
    organization_id = caller.organization_id
    text = (reason or "").strip()
    faults = Faults()
    faults.check(len(text) <= MAX_REASON, "reason", f"must have at most {MAX_REASON} characters")
    check_text(text, "reason", faults)
    faults.raise_if_any()
    target = await find_target(tx, organization_id, name)
    before = await store.find_pin(tx, organization_id, target.container_id)
    check = (await finding_store.read_checks(tx, organization_id)).get(target.container_id)
    digest = target.current_digest or (check.baseline_digest if check else None)
    pin = await store.save_pin(tx, organization_id, Pin(target.container_id, target.current_tag, digest, text or None, now))
    live = [each for each in await finding_store.list_live(tx, organization_id) if each.container_id == target.container_id]
    await end_updates(tx, organization_id, {PINNED: live}, now)
    told = {"container_id": target.external_id, "container_name": target.name, "pinned_tag": pin.tag, "reason": pin.reason}
    await tell(tx, organization_id, [("update.pinned", told)], now)
    old = audited_pin(before, target) if before is not None else None
    verb = "Created" if before is None else "Updated"
    await record_audit(tx, caller, f"{PIN}.{verb}", PIN, target.container_id, now, old, audited_pin(pin, target))
    return pin, target


async def unpin_container(tx: Transaction, caller: Caller, name: str, now: datetime) -> None:
    """Ends a pin, if there is one. Fails with NOT_FOUND."""
    organization_id = caller.organization_id
    target = await find_target(tx, organization_id, name)
    pin = await store.find_pin(tx, organization_id, target.container_id)
    if pin is None:
        return
    await store.delete_pin(tx, organization_id, target.container_id)
    await tell(tx, organization_id, [("update.unpinned", {"container_id": target.external_id, "container_name": target.name})], now)
    await record_audit(tx, caller, f"{PIN}.Deleted", PIN, target.container_id, now, before=audited_pin(pin, target))


async def list_exclusions(tx: Transaction, organization_id: int) -> list[Exclusion]:
    """All exclusions, oldest first."""
    return await store.list_exclusions(tx, organization_id)


async def create_exclusion(tx: Transaction, caller: Caller, pattern: str, pattern_type: str, now: datetime) -> Exclusion:
    """Keeps images or tags out of scans from now on.

    Fails with VALIDATION_FAILED (`invalid_pattern`, `invalid_type`), CONFLICT (`duplicate_exclusion`).
    """
    organization_id = caller.organization_id
    faults, codes = [], []
    fault = find_glob_fault(pattern)
    if fault is not None:
        faults.append(Fault("pattern", fault))
        codes.append("invalid_pattern")
    if pattern_type not in tuple(PatternType):
        faults.append(Fault("pattern_type", f"must be one of {', '.join(PatternType)}"))
        codes.append("invalid_type")
    if faults:
        raise LumetryError(Reason.VALIDATION_FAILED, "The exclusion is not valid.", faults=tuple(faults), code=codes[0])
    exclusion = await store.insert_exclusion(tx, organization_id, pattern, PatternType(pattern_type), now)
    if exclusion is None:
        raise LumetryError(
            Reason.CONFLICT, "This exclusion exists already.", code="duplicate_exclusion", type=EXCLUSION, id=pattern, state="exists"
        )
    live = await finding_store.list_live(tx, organization_id)
    pins = await store.read_pins(tx, organization_id)
    skipped = {
        number: find_skip_reason(target, has_pin=number in pins, exclusions=[exclusion])
        for number, target in (await find_targets(tx, organization_id, {each.container_id for each in live})).items()
    }
    covered = [each for each in live if skipped.get(each.container_id) is SkipReason.EXCLUDED]
    await end_updates(tx, organization_id, {NOT_WATCHED: covered}, now)
    await record_audit(tx, caller, f"{EXCLUSION}.Created", EXCLUSION, exclusion.id, now, after=audited_exclusion(exclusion))
    return exclusion


async def delete_exclusion(tx: Transaction, caller: Caller, exclusion_id: int, now: datetime) -> None:
    """Removes an exclusion; the next scan looks at what it covered. Fails with NOT_FOUND."""
    exclusion = await store.find_exclusion(tx, caller.organization_id, exclusion_id)
    if exclusion is None:
        raise not_found("Exclusion", exclusion_id)
    await store.delete_exclusion(tx, caller.organization_id, exclusion_id)
    await record_audit(tx, caller, f"{EXCLUSION}.Deleted", EXCLUSION, exclusion_id, now, before=audited_exclusion(exclusion))


def audited_pin(pin: Pin, target: Target) -> dict[str, object]:
    """What the audit log keeps of a pin."""
    return {"container_name": target.name, "pinned_tag": pin.tag, "pinned_digest": pin.digest, "reason": pin.reason}


def audited_exclusion(exclusion: Exclusion) -> dict[str, object]:
    """What the audit log keeps of an exclusion."""
    return {"pattern": exclusion.pattern, "pattern_type": exclusion.pattern_type.value}
