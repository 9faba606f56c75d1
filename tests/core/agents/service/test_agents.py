from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.agents.draft import Draft
from lumetry_core.agents.model import Agent, Status
from lumetry_core.agents.service import acting, reading, settling, writing
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock

ANN = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=3, user_name="ann")
KEY = replace(ANN, kind=CredentialKind.WORKSPACE_KEY)
TOKEN = replace(ANN, kind=CredentialKind.API_TOKEN)
STRANGER = replace(ANN, organization_id=8)
PEER = "0b7c3f7e-4a0f-4c0e-9a59-6f2f3c0b1a11"


async def create(database: Database, clock: FakeClock, caller: Caller = ANN, **fields: Any) -> Agent:
    async with database.write() as tx:
        await settling.default_agent(tx, caller.organization_id, clock.now())  # a moment before, so that lists have one order
        return await writing.create(tx, caller, Draft(**fields), clock.advance(milliseconds=1))


async def update(database: Database, clock: FakeClock, id_or_slug: str, caller: Caller = ANN, **fields: Any) -> Agent:
    async with database.write() as tx:
        now = clock.advance(milliseconds=1)
        return await writing.update(tx, caller, id_or_slug, Draft(**fields), set(fields), OrganizationSettings(), now)


async def delete(database: Database, clock: FakeClock, id_or_slug: str, caller: Caller = ANN) -> Agent:
    async with database.write() as tx:
        return await writing.delete(tx, caller, id_or_slug, clock.now())


async def listed(database: Database, caller: Caller = ANN, **wanted: Any) -> tuple[list[str], str]:
    asked = {"kind": "", "status": "", "search": "", "limit": None, "cursor": "", "now": FakeClock().now()} | wanted
    async with database.read() as tx:
        agents, cursor = await reading.list_agents(tx, caller, **asked)
    return [agent.slug for agent in agents], cursor


async def refusal(deed: Awaitable[object]) -> tuple[Reason, str]:
    with pytest.raises(LumetryError) as caught:
        await deed
    named = "; ".join(f"{fault.path}: {fault.message}" for fault in caught.value.faults)
    return caught.value.reason, named or caught.value.message


async def test_create_gives_a_slug_of_the_name(database: Database, clock: FakeClock) -> None:
    """Numbered when it is taken, a word of its own when the name has no letters; everything else starts empty."""
    first = await create(database, clock, name="Night  watch")
    assert first == Agent(7, first.id, "night-watch", "Night watch", clock.now(), clock.now())
    assert [(await create(database, clock, name=name)).slug for name in ("Night watch", "日本", "night-watch 2")] == [
        "night-watch-2",
        "agent",
        "night-watch-2-2",
    ]
    async with database.read() as tx:
        assert await reading.get_agent(tx, ANN, "night-watch") == first
        assert await reading.get_agent(tx, ANN, first.id) == first
        rows = await tx.execute(select(audit_logs.c.action, audit_logs.c.entity_id).order_by(audit_logs.c.id).limit(1))
        assert [tuple(row) for row in rows] == [("Agent.Created", first.id)]


async def test_create_refuses_what_is_taken_or_reserved(database: Database, clock: FakeClock) -> None:
    """A slug that was given is not changed, the product's name is nobody else's in any case, and a name is needed."""
    await create(database, clock, name="a", slug="night")
    assert await refusal(create(database, clock, name="b", slug="night")) == (Reason.CONFLICT, "Another agent has the slug night")
    assert await refusal(create(database, clock, name="b", slug="lumetry")) == (Reason.CONFLICT, "Another agent has the slug lumetry")
    assert await refusal(create(database, clock, name=" LUMETRY ")) == (Reason.VALIDATION_FAILED, "name: is reserved")
    assert await refusal(create(database, clock, slug="A")) == (
        Reason.VALIDATION_FAILED,
        "slug: must have 1 to 64 lower-case letters, digits and hyphens, and neither begin nor end with a hyphen; name: is required",
    )
    assert await listed(database) == (["night", "lumetry"], "")


@pytest.mark.parametrize("caller", [KEY, TOKEN])
@pytest.mark.parametrize("name", ["allowed_tools", "allowed_peers", "allowed_connectors"])
async def test_restrictions_are_not_for_programs(database: Database, clock: FakeClock, caller: Caller, name: str) -> None:
    """Which is said before anything else is looked at; people change them."""
    expected = Reason.INTERACTIVE_ONLY, "Agent restrictions require a browser session"
    assert await refusal(create(database, clock, caller, **{name: ("x",)})) == expected
    assert await refusal(update(database, clock, "nobody", caller, **{name: None})) == expected
    made = await create(database, clock, caller, name="a")
    given = ("logs:read",) if name == "allowed_tools" else (PEER,)
    assert getattr(await update(database, clock, made.id, **{name: given}), name) == given


async def test_update_changes_what_is_named(database: Database, clock: FakeClock) -> None:
    """And nothing else; a change to what is there already is none; null clears what may be absent."""
    made = await create(database, clock, name="a", description="d", metadata='{"k": 1}')
    changed = await update(database, clock, "a", description=None, is_active=False, slug="b")
    assert changed == replace(made, description=None, is_active=False, slug="b", update_time=clock.now())
    assert changed.status is Status.DISABLED
    assert await update(database, clock, "b", is_active=False) == changed
    assert await refusal(update(database, clock, "a", name="x")) == (Reason.NOT_FOUND, "Agent not found")
    assert await refusal(update(database, clock, "b")) == (Reason.VALIDATION_FAILED, ": No field to change was given")
    assert await refusal(update(database, clock, "b", name="Lumetry")) == (Reason.VALIDATION_FAILED, "name: is reserved")
    assert await refusal(update(database, clock, "b", slug="lumetry")) == (Reason.CONFLICT, "Another agent has the slug lumetry")


@pytest.mark.parametrize("fields", [{"name": "x"}, {"slug": "x"}, {"model": "x"}, {"is_active": False}])
async def test_default_agent_stays_what_it_is(database: Database, clock: FakeClock, fields: dict[str, Any]) -> None:
    """Other fields change, and saying again what it is does no harm; it cannot be deleted."""
    async with database.write() as tx:
        default = await settling.default_agent(tx, 7, clock.now())
        assert await settling.default_agent(tx, 7, clock.now()) == default
    protected = Reason.PERMISSION_DENIED, "The default agent keeps its name, slug and model and stays active"
    assert await refusal(update(database, clock, "lumetry", **fields)) == protected
    changed = await update(database, clock, "lumetry", description="d", name="Lumetry", slug="lumetry", model=None, is_active=True)
    assert changed == replace(default, description="d", update_time=clock.now())
    assert await refusal(delete(database, clock, default.id)) == (Reason.PERMISSION_DENIED, "The default agent cannot be deleted")


async def test_delete_frees_the_slug(database: Database, clock: FakeClock) -> None:
    """The agent is found no more, but its name for what it wrote; a second time it is unknown."""
    made = await create(database, clock, name="a")
    assert await delete(database, clock, "a") == made
    assert await refusal(delete(database, clock, made.id)) == (Reason.NOT_FOUND, "Agent not found")
    assert (await create(database, clock, name="a")).slug == "a"
    async with database.read() as tx:
        assert (await reading.find_agents(tx, 7, [made.id]))[made.id].name == "a"


async def test_others_agents_do_not_exist(database: Database, clock: FakeClock) -> None:
    """An organization neither reads nor changes those of another, and has slugs of its own."""
    made = await create(database, clock, name="a")
    assert await refusal(update(database, clock, made.id, STRANGER, name="x")) == (Reason.NOT_FOUND, "Agent not found")
    assert await refusal(delete(database, clock, made.id, STRANGER)) == (Reason.NOT_FOUND, "Agent not found")
    assert (await create(database, clock, STRANGER, name="a")).slug == "a"
    assert await listed(database, STRANGER) == (["a", "lumetry"], "")


async def test_list_agents_by_filters(database: Database, clock: FakeClock) -> None:
    """Kind, status and part of a name or slug; there are no hosts, and only those could be offline."""
    for name, active in (("Alpha", True), ("Beta_1", False)):
        await create(database, clock, name=name, is_active=active)
    assert await listed(database) == (["beta-1", "alpha", "lumetry"], "")
    assert await listed(database, status="disabled") == (["beta-1"], "")
    assert await listed(database, status="online", kind="automation") == (["alpha", "lumetry"], "")
    assert await listed(database, kind="host") == await listed(database, status="offline") == ([], "")
    assert [(await listed(database, search=text))[0] for text in ("ALPH", "a_1", "%", "A-1")] == [["alpha"], ["beta-1"], [], ["beta-1"]]


@pytest.mark.parametrize(
    ("asked", "reason", "path"),
    [
        ({"kind": "robot"}, Reason.VALIDATION_FAILED, "kind"),
        ({"status": "active"}, Reason.VALIDATION_FAILED, "status"),
        ({"search": "\0"}, Reason.VALIDATION_FAILED, "search"),
        ({"cursor": "x"}, Reason.VALIDATION_FAILED, "cursor"),
        ({"limit": 0}, Reason.OUT_OF_RANGE, "limit"),
        ({"limit": 501}, Reason.OUT_OF_RANGE, "limit"),
    ],
)
async def test_list_agents_refuses_bad_queries(database: Database, asked: dict[str, Any], reason: Reason, path: str) -> None:
    """Each by its name."""
    with pytest.raises(LumetryError) as caught:
        await listed(database, **asked)
    assert (caught.value.reason, [fault.path for fault in caught.value.faults]) == (reason, [path])


async def test_list_agents_keeps_places_while_agents_change(database: Database, clock: FakeClock) -> None:
    """What is changed or made between two pages is neither repeated nor skipped; a cursor is of its filters."""
    for name in "abcd":
        await create(database, clock, name=name)
    first, cursor = await listed(database, limit=2)
    await update(database, clock, "d", description="x")
    await update(database, clock, "a", description="x")
    await create(database, clock, name="e")
    second, cursor = await listed(database, limit=2, cursor=cursor)
    rest, end = await listed(database, limit=2, cursor=cursor)
    assert (first, second, rest, end) == (["d", "c"], ["b", "a"], ["lumetry"], "")
    assert (await refusal(listed(database, cursor=cursor, search="a")))[0] is Reason.VALIDATION_FAILED


async def test_list_peers_of_an_agent(database: Database, clock: FakeClock) -> None:
    """Those it names, as far as they exist, or every other active one, by name."""
    b, c = [await create(database, clock, name=name) for name in ("b", "C")]
    await create(database, clock, name="d", is_active=False)
    await create(database, clock, name="a", allowed_peers=(c.id, PEER))
    async with database.read() as tx:
        assert [agent.slug for agent in await reading.list_peers(tx, ANN, "a")] == ["c"]
        assert [agent.slug for agent in await reading.list_peers(tx, ANN, b.id)] == ["a", "c", "lumetry"]


async def test_check_acting_narrows_the_caller(database: Database, clock: FakeClock) -> None:
    """An agent without tools allows all, one with tools what they include; whoever is disabled is no reason to hide it."""
    await create(database, clock, name="free")
    await create(database, clock, name="narrow", allowed_tools=("sessions:write",))
    await create(database, clock, name="other", allowed_tools=("sessions:read",), is_active=False)
    async with database.read() as tx:
        assert (await acting.check_acting(tx, KEY, "free", "files:write")).slug == "free"
        assert (await acting.check_acting(tx, KEY, "narrow", "sessions:read")).slug == "narrow"
        denied = Reason.PERMISSION_DENIED, "The agent other does not allow sessions:write"
        assert await refusal(acting.check_acting(tx, KEY, "other", "sessions:write")) == denied
        assert await refusal(acting.check_acting(tx, STRANGER, "free", "files:write")) == (Reason.NOT_FOUND, "Agent not found")
        with pytest.raises(LumetryError, match="is disabled"):
            acting.forbid_disabled(await reading.get_agent(tx, ANN, "other"))
