"""The record of who changed what."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from lumetry_core.access.model import AuditEntry
from lumetry_core.access.redaction import redact
from lumetry_core.access.store import audit as store
from lumetry_core.runtime.caller import Caller
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
    entry = AuditEntry(
        action=action,
        entity_type=entity_type,
        entity_id=storable(str(entity_id), 300),
        old_values_json=to_json(before),
        new_values_json=to_json(after),
        actor_user_id=caller.user_id,
        actor_name=actor_name(caller),
        address=None if caller.address is None else storable(caller.address, 64),
        user_agent=None if caller.user_agent is None else storable(caller.user_agent, 256),
        correlation_id=None if caller.request_id is None else storable(caller.request_id, 128),
        create_time=now,
    )
    await store.insert_entry(tx, caller.organization_id, entry)
    if entity_type in REVISED_TYPES and not (before is None and after is None):
        await store.insert_revision(tx, caller.organization_id, entry, operation_of(before, after))


def operation_of(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """What a revision says was done."""
    if before is None:
        return "Created"
    return "Removed" if after is None else "Updated"


def actor_name(caller: Caller) -> str:
    """Who acted, for people."""
    if caller.user_name is not None:
        return caller.user_name
    return SYSTEM_NAME if caller.collector_id is None else f"collector {caller.collector_id}"


def to_json(values: Mapping[str, Any] | None) -> str | None:
    """JSON without secrets."""
    if values is None:
        return None
    return msgspec.json.encode(redact(msgspec.to_builtins(values, str_keys=True))).decode()


def storable(text: str, length: int) -> str:
    """Text as every database takes it: without NUL, at most so long."""
    return text.replace("\0", "")[:length]
