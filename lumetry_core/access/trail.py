"""What people ask of the record of changes, and what they read there."""

from dataclasses import dataclass
from datetime import datetime

from lumetry_core.access.model import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which audit rows are wanted. Empty texts and None keep all."""

    search: str = ""
    """Part of action, entity type, entity id or actor, ignoring case."""
    action: str = ""
    """Ignoring case."""
    entity_type: str = ""
    """Ignoring case."""
    actor_user_id: int | None = None
    start_time: datetime | None = None
    """Inclusive."""
    end_time: datetime | None = None
    """Inclusive."""


@dataclass(frozen=True, slots=True)
class AuditLog:
    """An audited action with its number."""

    id: int
    entry: AuditEntry


@dataclass(frozen=True, slots=True)
class Revision:
    """A change of one entity. The JSON texts hold no secrets; None: there was nothing before, or is nothing after."""

    operation: str
    before_json: str | None
    after_json: str | None
    actor_user_id: int | None
    actor_name: str | None
    correlation_id: str | None
    create_time: datetime
