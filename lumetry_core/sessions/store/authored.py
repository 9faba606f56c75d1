"""What agents wrote, in sessions that are seen."""

from collections.abc import Collection

from sqlalchemy import and_, select

from lumetry_core.runtime.database import Transaction
from lumetry_core.sessions.model import Message
from lumetry_core.sessions.store.messages import session_messages, to_model
from lumetry_core.sessions.store.sessions import alive, seen, sessions


async def list_messages_of_agent(
    tx: Transaction, organization_id: int, agent_id: str, hidden_projects: Collection[str], after: int | None, size: int
) -> list[tuple[int, Message]]:
    """At most so many messages of an agent before a row, with their rows, newest first."""
    same = and_(sessions.c.organization_id == session_messages.c.organization_id, sessions.c.id == session_messages.c.session_id)
    statement = (
        select(session_messages)
        .join(sessions, same)
        .where(
            session_messages.c.organization_id == organization_id,
            session_messages.c.agent_id == agent_id,
            alive(organization_id),
            *seen(hidden_projects),
        )
    )
    if after is not None:
        statement = statement.where(session_messages.c.id < after)
    rows = await tx.execute(statement.order_by(session_messages.c.id.desc()).limit(size))
    return [(row.id, to_model(row)) for row in rows]
