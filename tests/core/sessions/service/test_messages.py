from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from lumetry_core.activity.store.items import activity_items
from lumetry_core.agents.service.reading import get_agent
from lumetry_core.billing.model import Meter
from lumetry_core.billing.store.usage import usage_hours
from lumetry_core.notices.store import notices
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.sessions.draft import ReferenceDraft
from lumetry_core.sessions.model import Message, Reference, ReferenceType, Role, SessionStatus
from lumetry_core.sessions.service import reading
from tests.conftest import FakeClock
from tests.core.sessions.building import (
    ANN,
    BOB,
    FILE,
    add_agent,
    add_project,
    add_users,
    get,
    open_session,
    refusal,
    say,
    spoken,
    update,
)


async def test_write_message_as_oneself(database: Database, clock: FakeClock) -> None:
    """The message is stored whole, and the session counts it."""
    session = await open_session(database, clock)
    written = await say(
        database,
        clock,
        session.id,
        " hello ",
        attachments=(FILE,),
        references=(ReferenceDraft("alert", "12", "High"),),
        metadata='{"k": 1}',
    )
    assert written == Message(
        organization_id=7,
        id=written.id,
        session_id=session.id,
        role=Role.USER,
        author_name="ann",
        author_user_id=3,
        content="hello",
        attachments=(FILE,),
        references=(Reference(ReferenceType.ALERT, "12", "High"),),
        metadata={"k": 1},
        create_time=clock.now(),
    )
    async with database.read() as tx:
        assert await reading.list_session_messages(tx, BOB, session.id, order="", limit=None, cursor="") == ([written], "")
    counted = replace(session, message_count=1, last_message_time=clock.now(), update_time=clock.now())
    assert await get(database, session.id) == counted


async def test_write_message_as_an_agent(database: Database, clock: FakeClock) -> None:
    """It speaks under its own name, the user whose credential it was stays known, and the agent was seen."""
    session, agent = await open_session(database, clock), await add_agent(database, clock, "Bot")
    written = await say(database, clock, session.id, agent_id="bot")
    assert (written.role, written.author_name, written.author_user_id, written.agent_id) == (Role.AGENT, "Bot", 3, agent.id)
    async with database.read() as tx:
        assert await get_agent(tx, ANN, "bot") == replace(agent, last_message_time=clock.now())
        assert await reading.list_agent_messages(tx, BOB, "bot", limit=None, cursor="") == ([written], "")


async def test_write_message_refuses_what_cannot_be(database: Database, clock: FakeClock) -> None:
    """Unknown files and agents, an agent that does not allow it or is disabled; nothing is written or counted."""
    session = await open_session(database, clock)
    await add_agent(database, clock, "reader", allowed_tools=("sessions:read",))
    await add_agent(database, clock, "off", is_active=False)
    assert await refusal(say(database, clock, session.id, caller=BOB, attachments=(FILE,))) == (Reason.NOT_FOUND, "File not found")
    assert await refusal(say(database, clock, session.id, agent_id="nobody")) == (Reason.NOT_FOUND, "Agent not found")
    assert await refusal(say(database, clock, session.id, agent_id="off")) == (Reason.CONFLICT, "The agent off is disabled")
    assert (await refusal(say(database, clock, session.id, agent_id="reader")))[0] is Reason.PERMISSION_DENIED
    assert await refusal(say(database, clock, session.id, " ")) == (
        Reason.VALIDATION_FAILED,
        "content: must have 1 to 20000 characters",
    )
    assert await spoken(database, session.id) == ([], "")
    assert await get(database, session.id) == session


async def test_write_message_follows_the_status(database: Database, clock: FakeClock) -> None:
    """An idle session becomes active, one that waits goes on waiting, a closed one takes nothing until it is opened again."""
    session = await open_session(database, clock)
    for status, after in (("idle", SessionStatus.ACTIVE), ("awaiting_peer", SessionStatus.AWAITING_PEER)):
        await update(database, clock, session.id, status=status)
        await say(database, clock, session.id)
        assert (await get(database, session.id)).status is after
    await update(database, clock, session.id, status="closed")
    assert await refusal(say(database, clock, session.id)) == (Reason.CONFLICT, "The session is closed")
    await update(database, clock, session.id, status="active")
    await say(database, clock, session.id)
    assert (await get(database, session.id)).message_count == 3


async def test_write_message_keeps_the_order_when_the_clock_goes_back(database: Database, clock: FakeClock) -> None:
    """Times of a session's messages never fall, so that their order is that of their times."""
    session = await open_session(database, clock)
    first = await say(database, clock, session.id, "first")
    clock.moment -= timedelta(seconds=5)
    assert (await say(database, clock, session.id, "second")).create_time == first.create_time
    assert (await spoken(database, session.id))[0] == ["first", "second"]


async def test_write_message_is_counted_and_told(database: Database, clock: FakeClock) -> None:
    """Each message adds one to its meter, under the session's project, and is an item of the activity feed without its content."""
    project = await add_project(database, clock, "Web")
    session = await open_session(database, clock, project_id=project, label="Slow")
    await say(database, clock, session.id, "secret")
    await say(database, clock, session.id, "secret")
    async with database.read() as tx:
        counted = (await tx.execute(select(usage_hours).where(usage_hours.c.meter == Meter.SESSION_MESSAGES))).one()
        assert (counted.organization_id, counted.project_id, counted.quantity) == (7, project, 2)
        wanted = (activity_items.c.kind == "session", activity_items.c.action == "message")
        items = (await tx.execute(select(activity_items).where(*wanted))).all()
    assert [(item.title, item.summary, item.actor_name, item.resource_type, item.resource_id) for item in items] == [
        ("New message in Slow", None, "ann", "session", session.id)
    ] * 2


async def test_mentions_reach_who_can_see_the_session(database: Database, clock: FakeClock) -> None:
    """Each user once, ignoring case, with the full stop of the sentence or without; nobody who is unknown or may see nothing."""
    users = await add_users(database, clock, "carl", "dora.")
    await add_users(database, clock, "ingo", roles=("Ingest",))
    session = await open_session(database, clock, label="Slow")
    await say(database, clock, session.id, "@Carl @carl. and @dora. or @ingo, @nobody!")
    async with database.read() as tx:
        rows = (await tx.execute(select(notices).where(notices.c.kind == "mention").order_by(notices.c.user_id))).all()
    assert [(row.user_id, row.title, row.resource_id, row.link) for row in rows] == [
        (users[name], "ann mentioned you in Slow", session.id, f"/sessions/{session.id}") for name in ("carl", "dora.")
    ]


async def test_mentions_in_a_private_project_reach_its_owner_only(database: Database, clock: FakeClock) -> None:
    """Whoever cannot see the session is not told of it."""
    users = await add_users(database, clock, "carl", "dora")
    carl = replace(ANN, user_id=users["carl"], user_name="carl")
    project = await add_project(database, clock, "Mine", "private", carl)
    session = await open_session(database, clock, carl, project_id=project)
    await say(database, clock, session.id, "@carl @dora", carl)
    async with database.read() as tx:
        assert (await tx.execute(select(notices.c.user_id))).scalars().all() == [users["carl"]]


async def test_list_session_messages_in_both_orders(database: Database, clock: FakeClock) -> None:
    """Pages go on where they ended, also when messages were added; a cursor is of its order and session."""
    session = await open_session(database, clock)
    for content in "abcde":
        await say(database, clock, session.id, content)
    first, cursor = await spoken(database, session.id, limit=3)
    last, backwards = await spoken(database, session.id, limit=3, order="desc")
    await say(database, clock, session.id, "f")
    assert (first, await spoken(database, session.id, limit=3, cursor=cursor)) == (["a", "b", "c"], (["d", "e", "f"], ""))
    rest = await spoken(database, session.id, limit=3, order="desc", cursor=backwards)
    assert (last, rest) == (["e", "d", "c"], (["b", "a"], ""))
    other = await open_session(database, clock)
    for foreign in (spoken(database, session.id, cursor=backwards), spoken(database, other.id, cursor=cursor)):
        assert await refusal(foreign) == (Reason.VALIDATION_FAILED, "cursor: is not one of this list")


@pytest.mark.parametrize(
    ("asked", "reason", "path"),
    [
        ({"order": "up"}, Reason.VALIDATION_FAILED, "order"),
        ({"cursor": "é"}, Reason.VALIDATION_FAILED, "cursor"),
        ({"limit": 0}, Reason.OUT_OF_RANGE, "limit"),
        ({"limit": 201}, Reason.OUT_OF_RANGE, "limit"),
    ],
)
async def test_list_session_messages_refuses_bad_queries(database: Database, asked: dict[str, object], reason: Reason, path: str) -> None:
    """Each by its name, before the session is looked for."""
    with pytest.raises(LumetryError) as caught:
        await spoken(database, "x", **asked)
    assert (caught.value.reason, [fault.path for fault in caught.value.faults]) == (reason, [path])
