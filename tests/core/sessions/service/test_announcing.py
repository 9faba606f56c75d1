from lumetry_core.agents.service.settling import default_agent
from lumetry_core.feed.service import hand_over
from lumetry_core.runtime.database import Database
from lumetry_core.sessions.model import Message, Role, SessionStatus
from lumetry_core.sessions.service import reading
from lumetry_core.sessions.worker import SessionAnnouncer
from tests.conftest import FakeClock
from tests.core.sessions.building import ANN, add_incident, get, open_session, spoken, update


async def happen(database: Database, clock: FakeClock, event: str, incident_id: int, **payload: object) -> None:
    async with database.write() as tx:
        await hand_over(tx, 7, [(f"incident.{event}", {"incident_id": incident_id, **payload})], clock.now())


async def announce(database: Database, clock: FakeClock) -> int:
    """How many rounds there was something to do."""
    announcer, rounds = SessionAnnouncer(database), 0
    while await announcer.tick(clock.now()):
        rounds += 1
    return rounds


async def test_announce_writes_events_into_the_incidents_sessions(database: Database, clock: FakeClock) -> None:
    """Once each, in order, as the default agent; other sessions hear nothing, and an idle one becomes active."""
    incident = await add_incident(database)
    ours = await open_session(database, clock, incident_id=incident.id)
    await update(database, clock, ours.id, status="idle")
    second = await open_session(database, clock, incident_id=incident.id)
    other = await open_session(database, clock)
    await happen(database, clock, "alert_correlated", incident.id, alert_ids=[5, 6])
    await happen(database, clock, "reopened", incident.id)
    assert [await announce(database, clock), await announce(database, clock)] == [1, 0]
    expected = ["INC-000001 got 2 alerts: 5, 6", "INC-000001 was reopened: Warning"]
    assert [(await spoken(database, session.id))[0] for session in (ours, second, other)] == [expected, expected, []]
    told = await get(database, ours.id)
    assert (told.message_count, told.last_message_time, told.status) == (2, clock.now(), SessionStatus.ACTIVE)
    async with database.write() as tx:
        agent = await default_agent(tx, 7, clock.now())
        [first, _], _ = await reading.list_session_messages(tx, ANN, ours.id, order="", limit=None, cursor="")
    assert first == Message(
        organization_id=7,
        id=first.id,
        session_id=ours.id,
        role=Role.SYSTEM,
        agent_id=agent.id,
        author_name="Lumetry",
        content=expected[0],
        references=first.references,
        create_time=clock.now(),
    )
    assert [(each.type, each.id) for each in first.references] == [("incident", str(incident.id)), ("alert", "5"), ("alert", "6")]


async def test_announce_leaves_closed_sessions_and_gone_incidents_alone(database: Database, clock: FakeClock) -> None:
    """A closed session takes no messages, and what nobody follows is passed over."""
    incident = await add_incident(database)
    session = await open_session(database, clock, incident_id=incident.id)
    await update(database, clock, session.id, status="closed")
    await happen(database, clock, "resolved", incident.id)
    await happen(database, clock, "resolved", 99)
    assert [await announce(database, clock), await announce(database, clock)] == [1, 0]
    assert await spoken(database, session.id) == ([], "")


async def test_events_are_handed_over_from_the_first_session_of_an_incident_on(database: Database, clock: FakeClock) -> None:
    """Organizations without one are spared the work; a session that is attached later counts too."""
    incident = await add_incident(database)
    session = await open_session(database, clock)
    await happen(database, clock, "reopened", incident.id)
    assert await announce(database, clock) == 0
    await update(database, clock, session.id, incident_id=incident.id)
    await open_session(database, clock, incident_id=incident.id)
    await happen(database, clock, "reopened", incident.id)
    assert await announce(database, clock) == 1
    assert (await spoken(database, session.id))[0] == ["INC-000001 was reopened: Warning"]
