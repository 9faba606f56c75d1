"""Rows of messages, which are added and read, never changed."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Index, Select, String, Table, Text, UniqueConstraint, select

from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.sessions.model import Message, Reference, ReferenceType, Role

session_messages = Table(
    "session_messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("message_id", String(36), nullable=False),
    Column("session_id", String(36), nullable=False),
    Column("role", String(10), nullable=False),
    Column("author_user_id", BigInteger),
    Column("agent_id", String(36)),
    Column("author_name", String(255), nullable=False),
    Column("content", Text, nullable=False),
    Column("attachments", Text, nullable=False),  # JSON
    Column("references", Text, nullable=False),  # JSON: type, id, label
    Column("metadata", Text, nullable=False),  # JSON
    Column("create_time", Time, nullable=False),
    UniqueConstraint("organization_id", "message_id", name="uq_session_messages_organization_id_message_id"),
    Index("ix_session_messages_organization_session", "organization_id", "session_id", "id"),
    Index("ix_session_messages_organization_agent", "organization_id", "agent_id", "id"),
    sqlite_autoincrement=True,
)
SAME = ("organization_id", "session_id", "author_user_id", "agent_id", "author_name", "content", "create_time")
"""Columns that hold a field as it is."""


def to_row(message: Message) -> dict[str, Any]:
    """Model to columns."""
    return {
        **{name: getattr(message, name) for name in SAME},
        "message_id": message.id,
        "role": message.role.value,
        "attachments": msgspec.json.encode(message.attachments).decode(),
        "references": msgspec.json.encode([(each.type.value, each.id, each.label) for each in message.references]).decode(),
        "metadata": msgspec.json.encode(message.metadata).decode(),
    }


def to_model(row: Any) -> Message:  # noqa: ANN401 -- rows carry their columns as attributes
    """Columns to model."""
    values: dict[str, Any] = {name: getattr(row, name) for name in SAME}
    return Message(
        **values,
        id=row.message_id,
        role=Role(row.role),
        attachments=tuple(msgspec.json.decode(row.attachments)),
        references=tuple(Reference(ReferenceType(kind), id_, label) for kind, id_, label in msgspec.json.decode(row.references)),
        metadata=msgspec.json.decode(row.metadata),
    )


async def insert_messages(tx: Transaction, messages: list[Message]) -> None:
    """Adds messages in order."""
    if messages:
        await tx.execute(session_messages.insert(), [to_row(message) for message in messages])


def of_session(organization_id: int, session_id: str) -> Select[Any]:
    """The messages of a session."""
    return select(session_messages).where(
        session_messages.c.organization_id == organization_id, session_messages.c.session_id == session_id
    )


async def list_messages(
    tx: Transaction, organization_id: int, session_id: str, after: int | None, size: int, *, descending: bool
) -> list[tuple[int, Message]]:
    """At most so many messages of a session behind a row, with their rows, which ascend with time."""
    number = session_messages.c.id
    statement = of_session(organization_id, session_id)
    if after is not None:
        statement = statement.where(number < after if descending else number > after)
    rows = await tx.execute(statement.order_by(number.desc() if descending else number).limit(size))
    return [(row.id, to_model(row)) for row in rows]
