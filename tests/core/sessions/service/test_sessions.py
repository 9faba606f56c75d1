from dataclasses import replace

import pytest
from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.projects import service as projects
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.sessions.model import Session, SessionStatus
from lumetry_core.sessions.service import reading
from tests.conftest import FakeClock
from tests.core.sessions.building import (
    ANN,
    BOB,
    CHIEF,
    STRANGER,
    add_agent,
    add_incident,
    add_project,
    delete,
    get,
    listed,
    open_session,
    refusal,
    say,
    spoken,
    update,
)

UNKNOWN = Reason.NOT_FOUND, "Session not found"
UUID = "70ab9f11-7797-483f-bd02-3caeab7c82ef"


async def test_create_without_anything(database: Database, clock: FakeClock) -> None:
    """The caller owns a session with the usual label."""
    made = await open_session(database, clock)
    assert made == Session(7, made.id, 3, "New investigation", clock.now(), clock.now())
    assert await get(database, made.id) == made


async def test_create_with_references(database: Database, clock: FakeClock) -> None:
    """A project by slug, an incident and an agent; the status that was sent counts for nothing."""
    project, incident, agent = (
        await add_project(database, clock, "Web"),
        await add_incident(database),
        await add_agent(database, clock, "bot"),
    )
    made = await open_session(
        database, clock, agent="bot", label="Slow", project_id="web", incident_id=incident.id, metadata='{"k": 1}', status="closed"
    )
    expected = Session(7, made.id, 3, "Slow", clock.now(), clock.now(), project, incident.id, agent.id, SessionStatus.ACTIVE, {"k": 1})
    assert made == expected
    async with database.read() as tx:
        rows = await tx.execute(select(audit_logs.c.action).where(audit_logs.c.entity_id == made.id))
        assert rows.scalars().all() == ["Session.Created"]


async def test_create_refuses_what_the_caller_does_not_see(database: Database, clock: FakeClock) -> None:
    """Unknown references, another's private project, another organization's incident, and an agent that does not allow it."""
    await add_project(database, clock, "Secret", "private", BOB)
    incident = await add_incident(database)
    await add_agent(database, clock, "reader", allowed_tools=("sessions:read",))
    await add_agent(database, clock, "off", is_active=False)
    assert await refusal(open_session(database, clock, project_id="secret")) == (Reason.NOT_FOUND, "Project not found")
    assert (await refusal(open_session(database, clock, incident_id=99)))[0] is Reason.NOT_FOUND
    assert (await refusal(open_session(database, clock, STRANGER, incident_id=incident.id)))[0] is Reason.NOT_FOUND
    assert await refusal(open_session(database, clock, agent="nobody")) == (Reason.NOT_FOUND, "Agent not found")
    assert await refusal(open_session(database, clock, agent="off")) == (Reason.CONFLICT, "The agent off is disabled")
    denied = Reason.PERMISSION_DENIED, "The agent reader does not allow sessions:write"
    assert await refusal(open_session(database, clock, agent="reader")) == denied
    assert (await refusal(open_session(database, clock, system_caller(7))))[0] is Reason.PERMISSION_DENIED
    assert await listed(database) == ([], "")


async def test_update_changes_what_is_named(database: Database, clock: FakeClock) -> None:
    """References can be cleared, a change to what is there already is none, and closing is audited as such."""
    project = await add_project(database, clock, "Web")
    made = await open_session(database, clock, project_id=project)
    changed = await update(database, clock, made.id, label="L", project_id=None, metadata='{"a": 1}')
    assert changed == replace(made, label="L", project_id=None, metadata={"a": 1}, update_time=clock.now())
    assert await update(database, clock, made.id, label=" L ") == changed
    closed = await update(database, clock, made.id, status="closed")
    assert closed == await get(database, made.id) == replace(changed, status=SessionStatus.CLOSED, update_time=clock.now())
    assert await refusal(update(database, clock, made.id)) == (Reason.VALIDATION_FAILED, ": No field to change was given")
    assert await refusal(update(database, clock, made.id, project_id="x")) == (Reason.NOT_FOUND, "Project not found")
    assert await refusal(update(database, clock, UUID, label="x")) == UNKNOWN
    async with database.read() as tx:
        rows = await tx.execute(select(audit_logs.c.action).where(audit_logs.c.entity_id == made.id).order_by(audit_logs.c.id))
        assert rows.scalars().all() == ["Session.Created", "Session.Updated", "Session.Closed"]


async def test_others_sessions_need_a_permission(database: Database, clock: FakeClock) -> None:
    """Members read and answer each other's, but change and delete their own only; who manages the workspace may."""
    made = await open_session(database, clock)
    denied = Reason.PERMISSION_DENIED, "Another member's session needs CanManageWorkspace"
    assert await refusal(update(database, clock, made.id, BOB, label="x")) == denied
    assert await refusal(delete(database, clock, made.id, BOB)) == denied
    assert (await say(database, clock, made.id, caller=BOB)).author_user_id == 4
    assert (await update(database, clock, made.id, CHIEF, label="x")).label == "x"
    assert (await delete(database, clock, made.id, CHIEF)).id == made.id


async def test_delete_hides_the_session(database: Database, clock: FakeClock) -> None:
    """With its messages, everywhere; a second time it is unknown."""
    made = await open_session(database, clock)
    await say(database, clock, made.id)
    await delete(database, clock, made.id)
    assert await refusal(delete(database, clock, made.id)) == UNKNOWN
    assert await refusal(get(database, made.id)) == await refusal(spoken(database, made.id)) == UNKNOWN
    assert await refusal(say(database, clock, made.id)) == UNKNOWN
    assert await listed(database) == ([], "")


async def test_others_organizations_see_nothing(database: Database, clock: FakeClock) -> None:
    """Neither sessions nor messages, whatever they may do at home."""
    made = await open_session(database, clock)
    for deed in (
        get(database, made.id, STRANGER),
        update(database, clock, made.id, STRANGER, label="x"),
        delete(database, clock, made.id, STRANGER),
        say(database, clock, made.id, caller=STRANGER),
        spoken(database, made.id, STRANGER),
    ):
        assert await refusal(deed) == UNKNOWN
    assert await listed(database, STRANGER) == ([], "")
    assert await refusal(get(database, "\0")) == UNKNOWN


async def test_private_projects_hide_their_sessions(database: Database, clock: FakeClock) -> None:
    """From everybody but the project's owner, also from those who manage the workspace, and when the project is gone."""
    project, agent = await add_project(database, clock, "Mine", "private"), await add_agent(database, clock, "bot")
    made = await open_session(database, clock, agent="bot", label="mine", project_id=project)
    await say(database, clock, made.id, agent_id="bot")
    await open_session(database, clock, BOB, label="open")

    async def check() -> None:
        assert await refusal(get(database, made.id, CHIEF)) == await refusal(spoken(database, made.id, CHIEF)) == UNKNOWN
        assert await refusal(say(database, clock, made.id, caller=CHIEF)) == UNKNOWN
        assert (await listed(database, CHIEF))[0] == ["open"]
        assert set((await listed(database))[0]) == {"mine", "open"}
        async with database.read() as tx:
            assert [await reading.list_agent_sessions(tx, CHIEF, agent.id, limit=None, cursor="")] == [([], "")]
            assert await reading.list_agent_messages(tx, CHIEF, agent.id, limit=None, cursor="") == ([], "")
            assert len((await reading.list_agent_messages(tx, ANN, agent.id, limit=None, cursor=""))[0]) == 1
            assert [await reading.count_active_sessions(tx, caller) for caller in (CHIEF, ANN)] == [1, 2]

    await check()
    async with database.write() as tx:
        await projects.delete(tx, ANN, project, clock.now())
    await check()


async def test_list_sessions_by_filters(database: Database, clock: FakeClock) -> None:
    """Project, incident, agent, status and part of the label; what names nothing finds nothing."""
    project, incident = await add_project(database, clock, "Web"), await add_incident(database)
    await add_agent(database, clock, "bot")
    await open_session(database, clock, label="Alpha", project_id=project)
    await open_session(database, clock, label="Beta%", incident_id=incident.id)
    last = await open_session(database, clock, agent="bot", label="Gamma")
    await update(database, clock, last.id, status="idle")
    assert await listed(database) == (["Gamma", "Beta%", "Alpha"], "")
    assert (await listed(database, project_id="web"))[0] == (await listed(database, project_id=project))[0] == ["Alpha"]
    assert (await listed(database, incident_id=incident.id))[0] == (await listed(database, search="a%"))[0] == ["Beta%"]
    assert (await listed(database, agent_id="bot"))[0] == (await listed(database, status="idle"))[0] == ["Gamma"]
    assert (await listed(database, project_id="x"))[0] == (await listed(database, agent_id=UUID))[0] == []
    assert (await listed(database, incident_id=-1))[0] == (await listed(database, status="closed"))[0] == []


@pytest.mark.parametrize(
    ("asked", "reason", "path"),
    [
        ({"status": "open"}, Reason.VALIDATION_FAILED, "status"),
        ({"search": "\0"}, Reason.VALIDATION_FAILED, "search"),
        ({"cursor": "x"}, Reason.VALIDATION_FAILED, "cursor"),
        ({"limit": 0}, Reason.OUT_OF_RANGE, "limit"),
        ({"limit": 51}, Reason.OUT_OF_RANGE, "limit"),
    ],
)
async def test_list_sessions_refuses_bad_queries(database: Database, asked: dict[str, object], reason: Reason, path: str) -> None:
    """Each by its name."""
    with pytest.raises(LumetryError) as caught:
        await listed(database, **asked)
    assert (caught.value.reason, [fault.path for fault in caught.value.faults]) == (reason, [path])
