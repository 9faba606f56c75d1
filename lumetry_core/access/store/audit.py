"""Audit rows and revisions: written once, never changed."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, delete, insert

from lumetry_core.access.model import AuditEntry
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

audit_logs = Table(
    "audit_logs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("action", String(100), nullable=False),
    Column("entity_type", String(60), nullable=False),
    Column("entity_id", String(300), nullable=False),
    Column("old_values_json", Text),
    Column("new_values_json", Text),
    Column("actor_user_id", BigInteger),
    Column("actor_name", String(100)),
    Column("address", String(64)),
    Column("user_agent", String(256)),
    Column("correlation_id", String(128)),
    Column("create_time", Time, nullable=False),
    Index("ix_audit_logs_organization_id_create_time", "organization_id", "create_time", "id"),
    sqlite_autoincrement=True,
)
revisions = Table(
    "revisions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("entity_type", String(60), nullable=False),
    Column("entity_id", String(300), nullable=False),
    Column("operation", String(10), nullable=False),
    Column("before_json", Text),
    Column("after_json", Text),
    Column("actor_user_id", BigInteger),
    Column("actor_name", String(100)),
    Column("correlation_id", String(128)),
    Column("create_time", Time, nullable=False),
    Index("ix_revisions_organization_id_entity", "organization_id", "entity_type", "entity_id", "id"),
    sqlite_autoincrement=True,
)


async def insert_entry(tx: Transaction, organization_id: int, entry: AuditEntry) -> None:
    """Adds an audit row."""
    await tx.execute(
        insert(audit_logs),
        {
            "organization_id": organization_id,
            "action": entry.action,
            "entity_type": entry.entity_type,
            "entity_id": entry.entity_id,
            "old_values_json": entry.old_values_json,
            "new_values_json": entry.new_values_json,
            "actor_user_id": entry.actor_user_id,
            "actor_name": entry.actor_name,
            "address": entry.address,
            "user_agent": entry.user_agent,
            "correlation_id": entry.correlation_id,
            "create_time": entry.create_time,
        },
    )


async def insert_revision(tx: Transaction, organization_id: int, entry: AuditEntry, operation: str) -> None:
    """Adds the revision that an audited action made of its entity."""
    await tx.execute(
        insert(revisions),
        {
            "organization_id": organization_id,
            "entity_type": entry.entity_type,
            "entity_id": entry.entity_id,
            "operation": operation,
            "before_json": entry.old_values_json,
            "after_json": entry.new_values_json,
            "actor_user_id": entry.actor_user_id,
            "actor_name": entry.actor_name,
            "correlation_id": entry.correlation_id,
            "create_time": entry.create_time,
        },
    )


async def delete_entries(tx: Transaction, organization_id: int, before: datetime) -> None:
    """Deletes audit rows older than a time; revisions stay."""
    await tx.execute(delete(audit_logs).where(audit_logs.c.organization_id == organization_id, audit_logs.c.create_time < before))
