from dataclasses import replace
from typing import Any

import pytest

from lumetry_core.agents.draft import Draft
from lumetry_core.agents.model import Agent, Heard, Kind, Status
from lumetry_core.agents.service import reading, writing
from lumetry_core.agents.service.imaging import show_host_agent
from lumetry_core.hostagents.model import HostAgent
from lumetry_core.hostagents.service.administering import revoke_agent
from lumetry_core.hostagents.service.reading import get_agent
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.hostagents.making import SETTINGS, enroll, installation, offer, read_activity, send

ANN = Caller(7, CredentialKind.INTERACTIVE, user_id=3, user_name="ann", permissions=frozenset(Permission))
BOB = replace(ANN, permissions=frozenset({Permission.MANAGE_WORKSPACE}))


async def enroll_host(database: Database, clock: FakeClock, number: int = 1, **fields: Any) -> HostAgent:
    made = await offer(database, clock.now())
    agent = (await enroll(database, clock.now(), made.profile.id, installation(number, **fields))).agent
    await show(database, clock, agent)
    return agent


async def show(database: Database, clock: FakeClock, agent: HostAgent) -> None:
    async with database.write() as tx:
        await show_host_agent(tx, agent, clock.now())


async def update(database: Database, clock: FakeClock, id_or_slug: str, caller: Caller = ANN, **fields: Any) -> Agent:
    async with database.write() as tx:
        changed = await writing.update(tx, caller, id_or_slug, Draft(**fields), set(fields), SETTINGS, clock.now())
        return (await reading.hear(tx, caller.organization_id, [changed], clock.now()))[0]


async def listed(database: Database, clock: FakeClock, **wanted: Any) -> list[Agent]:
    asked = {"kind": "host", "status": "", "search": "", "limit": None, "cursor": ""} | wanted
    async with database.read() as tx:
        return (await reading.list_agents(tx, ANN, **asked, now=clock.now()))[0]


async def test_show_host_agent_from_enrollment_to_revocation(database: Database, clock: FakeClock) -> None:
    """The image comes with the enrollment under the key of the agent, follows its host's name, and is gone with its revocation."""
    host = await enroll_host(database, clock)
    expected = Agent(
        organization_id=7,
        id=host.key,
        slug="web-1",
        name="web-1",
        create_time=clock.now(),
        update_time=clock.now(),
        kind=Kind.HOST,
        machine="srv-1",
        heard=Heard(Status.ONLINE, "1.0", None, "Direct", 0, 0),
    )
    assert await listed(database, clock) == [expected]
    await show(database, clock, host)
    assert await listed(database, clock) == [expected]
    later = clock.advance(seconds=30)
    await show(database, clock, replace(host, hostname="front"))
    await send(database, later, [host])
    heard = Heard(Status.ONLINE, "1.0", later, "Direct", 3, 1)
    assert await listed(database, clock) == [replace(expected, name="front", update_time=later, heard=heard)]
    async with database.write() as tx:
        await show_host_agent(tx, (await revoke_agent(tx, ANN, host.id, later)).agent, later)
        assert await reading.find_agent(tx, 7, host.key) is None
        assert await reading.find_agent(tx, 7, "web-1") is None
        await show_host_agent(tx, await get_agent(tx, 7, host.id), later)
    assert await listed(database, clock) == []


async def test_show_host_agent_whose_slug_is_taken(database: Database, clock: FakeClock) -> None:
    """Hosts of one name get numbers, as other agents do."""
    for number in (1, 2):
        await enroll_host(database, clock, number, hostname="Web Server")
    assert sorted(agent.slug for agent in await listed(database, clock)) == ["web-server", "web-server-2"]


async def test_list_agents_by_the_state_of_hosts(database: Database, clock: FakeClock) -> None:
    """Kind, status and machine are filters; offline are only hosts, and automations are online as long as they are active."""
    hosts = [await enroll_host(database, clock, number) for number in (1, 2, 3)]
    clock.advance(minutes=6)
    await send(database, clock.now(), hosts[:1])
    await update(database, clock, "web-3", is_active=False)

    async def slugs(**wanted: str) -> list[str]:
        return sorted(agent.slug for agent in await listed(database, clock, **({"kind": ""} | wanted)))

    assert await slugs(kind="host") == ["web-1", "web-2", "web-3"]
    assert await slugs(kind="automation") == ["lumetry"]
    assert await slugs(status="online") == ["lumetry", "web-1"]
    assert await slugs(status="offline") == ["web-2"]
    assert await slugs(status="disabled") == ["web-3"]
    assert await slugs(search="SRV-2") == ["web-2"]
    async with database.read() as tx:
        assert await reading.list_peers(tx, ANN, "lumetry") == []


async def test_update_of_a_host_agent(database: Database, clock: FakeClock) -> None:
    """What people write of it changes; its switch is the host agent's own, and is told once."""
    host = await enroll_host(database, clock)
    clock.advance(seconds=1)
    changed = await update(database, clock, host.key, description="front", avatar="F", metadata='{"a":1}', is_active=False)
    assert (changed.description, changed.avatar, changed.metadata, changed.is_active) == ("front", "F", {"a": 1}, False)
    assert (changed.status, changed.update_time) == (Status.DISABLED, clock.now())
    async with database.read() as tx:
        assert not (await get_agent(tx, 7, host.id)).is_enabled
    assert [action for action, _, _ in await read_activity(database)] == ["enrolled", "disabled"]
    again = await update(database, clock, host.key, BOB, description=None)
    assert (again.description, again.is_active) == (None, False)


@pytest.mark.parametrize(
    ("caller", "fields"),
    [(ANN, {"name": "x"}), (ANN, {"slug": "x", "description": "x"}), (ANN, {"allowed_tools": ()}), (BOB, {"is_active": False})],
)
async def test_update_of_a_host_agent_that_is_refused(database: Database, clock: FakeClock, caller: Caller, fields: dict[str, Any]) -> None:
    """Other fields are not for writing, and the switch needs the right to manage infrastructure; nothing changes."""
    host = await enroll_host(database, clock)
    [before] = await listed(database, clock)
    with pytest.raises(LumetryError) as failure:
        await update(database, clock, host.key, caller, **fields)
    assert failure.value.reason is Reason.PERMISSION_DENIED
    assert await listed(database, clock) == [before]


async def test_delete_of_a_host_agent_is_refused(database: Database, clock: FakeClock) -> None:
    """It goes by being revoked."""
    host = await enroll_host(database, clock)
    with pytest.raises(LumetryError, match="Host agents are removed by revoking their enrollment") as failure:
        async with database.write() as tx:
            await writing.delete(tx, ANN, host.key, clock.now())
    assert failure.value.reason is Reason.PERMISSION_DENIED
