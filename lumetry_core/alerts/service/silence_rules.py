"""Silence rules: silences in the words of the `monitoring` family (contract monitoring 11)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.access.service.audit import record_audit
from lumetry_core.alerts.service.muting import end_silences
from lumetry_core.alerts.silences import Matchers, Silence, SilenceFamily
from lumetry_core.alerts.spelling import SOURCES, spell_or_none
from lumetry_core.alerts.store import silences as store
from lumetry_core.feed.service import tell
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found

KIND = "SilenceRule"
MAX_SECONDS = 31_536_000
MAX_REASON = 500
MAX_RULES = 10_000
"""In one answer."""
ENTITY_TYPES = ("container", "endpoint", "heartbeat", "certificate", "rule", "external_definition", "log_rule")


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRuleDraft:
    """A rule as people send it, unchecked. None means absent."""

    duration_seconds: int | None = None
    entity_type: str | None = None
    entity_id: int | None = None
    source: str | None = None
    reason: str | None = None


async def list_rules(tx: Transaction, caller: Caller, active: bool | None, now: datetime) -> list[Silence]:  # noqa: FBT001 -- three-valued
    """The rules, newest first.

    Args:
        active: Only those that mute, or are over, now; None: all.
    """
    return await store.list_rules(tx, caller.organization_id, active=active, now=now, limit=MAX_RULES)


async def create_rule(tx: Transaction, caller: Caller, draft: SilenceRuleDraft, now: datetime) -> Silence:
    """Adds a rule that mutes from now on.

    Fails with VALIDATION_FAILED (`duration_seconds`, `entity_type`, `entity_id`, `source`, `reason`).
    """
    faults = Faults()
    seconds = draft.duration_seconds
    if seconds is None:
        faults.add("duration_seconds", "is required")
    elif not 1 <= seconds <= MAX_SECONDS:
        faults.add("duration_seconds", f"must be between 1 and {MAX_SECONDS}")
    faults.check(draft.entity_type in (None, *ENTITY_TYPES), "entity_type", f"must be one of {', '.join(ENTITY_TYPES)}")
    faults.check(draft.entity_id is None or draft.entity_type is not None, "entity_id", "needs entity_type")
    faults.check(draft.entity_id is None or draft.entity_id > 0, "entity_id", "must be at least 1")
    faults.check(draft.source in (None, *SOURCES), "source", f"must be one of {', '.join(SOURCES)}")
    reason = draft.reason or ""
    faults.check(len(reason) <= MAX_REASON and "\0" not in reason, "reason", f"must have at most {MAX_REASON} characters, none NUL")
    faults.raise_if_any()
    end_time = now + timedelta(seconds=seconds or 0)
    rule = Silence(
        id=0,
        organization_id=caller.organization_id,
        matchers=Matchers(entity_type=draft.entity_type, entity_id=draft.entity_id, source=draft.source),
        start_time=now,
        end_time=end_time,
        reason=reason,
        create_time=now,
        created_by=caller.user_id,
        family=SilenceFamily.MONITORING,
        created_by_name=caller.user_name,
    )
    created = replace(rule, id=await store.insert_silence(tx, rule, end_time))
    await record_audit(tx, caller, f"{KIND}.Created", KIND, created.id, now, after=spell_rule(created, now))
    await tell(tx, caller.organization_id, [("silence.created", {"rule": spell_rule(created, now)})], now)
    return created


async def cancel_rule(tx: Transaction, caller: Caller, rule_id: int, now: datetime) -> None:
    """Ends a rule, whose row stays; one that was cancelled before stays as it is. Fails with NOT_FOUND."""
    found = await store.delete_silence(tx, caller.organization_id, SilenceFamily.MONITORING, rule_id, now)
    if found is None:
        known = {silence.id: silence for silence in await store.read_silences(tx, caller.organization_id, [rule_id])}
        if rule_id not in known or known[rule_id].family is not SilenceFamily.MONITORING:
            raise not_found("Silence rule", rule_id)
        return
    rule, is_announced_now = found
    await record_audit(tx, caller, f"{KIND}.Cancelled", KIND, rule_id, now, before=spell_rule(rule, now))
    await tell(tx, caller.organization_id, [("silence.cancelled", {"id": rule_id})], now)
    if is_announced_now:
        await end_silences(tx, caller.organization_id, [rule_id], now)


def spell_rule(rule: Silence, now: datetime) -> dict[str, object]:
    """A rule as the contract writes it."""
    return {
        "id": rule.id,
        "entity_type": rule.matchers.entity_type,
        "entity_id": rule.matchers.entity_id,
        "source": rule.matchers.source,
        "reason": rule.reason or None,
        "starts_at": spell_time(rule.start_time),
        "duration_seconds": int((rule.end_time - rule.start_time).total_seconds()),
        "expires_at": spell_time(rule.end_time),
        "is_active": rule.is_active(now),
        "cancelled_at": spell_or_none(rule.delete_time),
        "created_at": spell_time(rule.create_time),
        "created_by": rule.created_by_name,
    }
