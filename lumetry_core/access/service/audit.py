"""The record of who changed what."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from lumetry_core.access.model import AuditEntry
from lumetry_core.access.redaction import redact, redact_text
from lumetry_core.access.store import audit as store
from lumetry_core.activity.from_audit import describe_audited
from lumetry_core.activity.model import MAX_TITLE, Draft, actor_of
from lumetry_core.activity.service import record
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Transaction

REVISED_TYPES = frozenset(
    {
        "Agent",
        "AgentEnrollmentProfile",
        "AgentRulePack",
        "AgentTag",
        "AlertingIntegration",
        "AlertingProfile",
        "AlertingProfileIntegration",
        "ApiToken",
        "Collector",
        "ExternalAlertDefinition",
        "ExternalAlertSource",
        "IncidentWindow",
        "MetricDefinition",
        "MetricEntity",
        "MetricNodeBinding",
        "MetricSource",
        "PublicHoliday",
        "Rule",
        "RuleAlertLevel",
        "SavedView",
        "TopologyEdge",
        "TopologyNode",
    }
)
"""The entity types that have a history (contract lumetry 18)."""

SYSTEM_NAME = "system"
MAX_ENTITY_ID_LENGTH = 300
LOST = "\ufffd"


@dataclass(frozen=True, slots=True)
class Change:
    """An action on an entity; see `record_audit`."""

    action: str
    entity_type: str
    entity_id: object
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


async def record_audit(
    tx: Transaction,
    caller: Caller,
    action: str,
    entity_type: str,
    entity_id: object,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Writes down an action in the transaction of its change, and a revision when the entity's type has a history.

    Args:
        action: `{EntityType}.{Verb}`, for example `Rule.Created`.
        before: The entity before, as the contract spells it; None for a creation or when nothing of it matters.
        after: The entity after; None for a removal. Secrets in both are masked.
    """
    await record_audits(tx, caller, [Change(action, entity_type, entity_id, before, after)], now)


async def record_audits(tx: Transaction, caller: Caller, changes: Sequence[Change], now: datetime) -> None:
    """Writes down many actions as `record_audit` does one."""
    entries = await record_actions(tx, caller, changes, now)
    await insert_histories(tx, caller.organization_id, changes, entries)


async def record_actions(tx: Transaction, caller: Caller, changes: Sequence[Change], now: datetime) -> list[AuditEntry]:
    """Writes down many actions without the history of their entities, for changes that `record_revisions` has taken already."""
    entries = make_entries(caller, changes, now)
    await store.insert_entries(tx, caller.organization_id, entries)
    await record(tx, caller.organization_id, describe_changes(caller, changes), now, once=True)
    return entries


def describe_changes(caller: Caller, changes: Sequence[Change]) -> list[Draft]:
    """What the activity feed says of actions. Of what changes together in the topology it tells the last, which the others follow from."""
    actor = actor_of(caller)
    actor = replace(actor, name=readable(actor.name, 100))
    drafts: list[Draft] = []
    for change in changes:
        draft = describe_audited(actor, change.action, readable(str(change.entity_id), MAX_ENTITY_ID_LENGTH), change.before, change.after)
        if draft is not None:
            if draft.kind == "topology" and drafts and drafts[-1].kind == "topology":
                drafts.pop()
            drafts.append(replace(draft, title=readable(draft.title, MAX_TITLE)))
    return drafts


async def record_revisions(tx: Transaction, caller: Caller, changes: Sequence[Change], now: datetime) -> None:
    """Writes only the history of entities, for changes that one audit row stands for together.

    There may be tens of thousands, whose redaction must not hold up everybody else.
    """
    entries = await asyncio.to_thread(make_entries, caller, changes, now)
    await insert_histories(tx, caller.organization_id, changes, entries)


async def insert_histories(tx: Transaction, organization_id: int, changes: Sequence[Change], entries: Sequence[AuditEntry]) -> None:
    """Adds the revisions of the entities whose types have a history."""
    made = [
        (entry, operation_of(change.before, change.after))
        for change, entry in zip(changes, entries, strict=True)
        if change.entity_type in REVISED_TYPES and not (change.before is None and change.after is None)
    ]
    await store.insert_revisions(tx, organization_id, made)


def make_entries(caller: Caller, changes: Sequence[Change], now: datetime) -> list[AuditEntry]:
    """Actions as they are stored."""
    name = readable(actor_name(caller), 100)
    address = None if caller.address is None else readable(caller.address, 64)
    user_agent = None if caller.user_agent is None else readable(caller.user_agent, 256)
    correlation_id = None if caller.request_id is None else readable(caller.request_id, 128)
    return [
        AuditEntry(
            action=change.action,
            entity_type=change.entity_type,
            entity_id=readable(str(change.entity_id), MAX_ENTITY_ID_LENGTH),
            old_values_json=to_json(change.before),
            new_values_json=to_json(change.after),
            actor_user_id=caller.user_id,
            actor_name=name,
            address=address,
            user_agent=user_agent,
            correlation_id=correlation_id,
            create_time=now,
        )
        for change in changes
    ]


def operation_of(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """What a revision says was done."""
    if before is None:
        return "Created"
    return "Removed" if after is None else "Updated"


def actor_name(caller: Caller) -> str:
    """Who acted, for people."""
    if caller.user_name is not None:
        return caller.user_name
    if caller.collector_id is not None:
        return f"collector {caller.collector_id}"
    if caller.source_id is not None:
        return f"external alert source {caller.source_id}"
    if caller.agent_id is not None:
        return f"agent {caller.agent_id}"
    if caller.enrollment_profile_id is not None:
        return f"enrollment profile {caller.enrollment_profile_id}"
    if caller.kind is CredentialKind.LOG_KEY:
        return f"log key {caller.credential_id}"
    return SYSTEM_NAME if caller.kind is None else f"user {caller.user_id}"


def to_json(values: Mapping[str, Any] | None) -> str | None:
    """JSON without secrets."""
    if values is None:
        return None
    plain = msgspec.to_builtins(values, str_keys=True, builtin_types=(datetime,))
    return msgspec.json.encode(redact(spell_times(plain))).decode()


def spell_times(value: Any) -> Any:  # noqa: ANN401 -- any value of JSON, or a time
    """The same value with its times as contracts write them."""
    if isinstance(value, datetime):
        return spell_time(value)
    if isinstance(value, dict):
        return {key: spell_times(member) for key, member in value.items()}
    return [spell_times(member) for member in value] if isinstance(value, list) else value


def readable(text: str, length: int) -> str:
    """Text as it may stand in the log: storable, without secrets, at most so long."""
    return storable(redact_text(text), length)


def storable(text: str, length: int) -> str:
    """Text as every database takes it and no line or terminal is broken by it, at most so long.

    What cannot be printed, from line ends to halves of characters, leaves the mark of a lost character.
    """
    return "".join(character if character.isprintable() else LOST for character in text[:length])
