"""The record of who changed what."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from lumetry_core.access.model import AuditEntry
from lumetry_core.access.redaction import redact, redact_text
from lumetry_core.access.store import audit as store
from lumetry_core.runtime.caller import Caller, CredentialKind
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
        entity_id=readable(str(entity_id), MAX_ENTITY_ID_LENGTH),
        old_values_json=to_json(before),
        new_values_json=to_json(after),
        actor_user_id=caller.user_id,
        actor_name=readable(actor_name(caller), 100),
        address=None if caller.address is None else readable(caller.address, 64),
        user_agent=None if caller.user_agent is None else readable(caller.user_agent, 256),
        correlation_id=None if caller.request_id is None else readable(caller.request_id, 128),
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
    if caller.collector_id is not None:
        return f"collector {caller.collector_id}"
    if caller.source_id is not None:
        return f"external alert source {caller.source_id}"
    if caller.kind is CredentialKind.LOG_KEY:
        return f"log key {caller.credential_id}"
    return SYSTEM_NAME if caller.kind is None else f"user {caller.user_id}"


def to_json(values: Mapping[str, Any] | None) -> str | None:
    """JSON without secrets."""
    if values is None:
        return None
    return msgspec.json.encode(redact(msgspec.to_builtins(values, str_keys=True))).decode()


def readable(text: str, length: int) -> str:
    """Text as it may stand in the log: storable, without secrets, at most so long."""
    return storable(redact_text(text), length)


def storable(text: str, length: int) -> str:
    """Text as every database takes it and no line or terminal is broken by it, at most so long.

    What cannot be printed, from line ends to halves of characters, leaves the mark of a lost character.
    """
    return "".join(character if character.isprintable() else LOST for character in text[:length])
