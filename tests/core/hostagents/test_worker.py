from datetime import datetime
from typing import Any

from lumetry_core.access.model import User
from lumetry_core.access.service.organizations import bootstrap
from lumetry_core.hostagents.drafts import Change
from lumetry_core.hostagents.model import HostAgent
from lumetry_core.hostagents.service import presence
from lumetry_core.hostagents.service.administering import update_agent
from lumetry_core.hostagents.worker import HostAgentKeeper
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.hostagents.making import SETTINGS, enroll, installation, offer, read_activity, send
from tests.core.notices.people import add_person, read_inbox, read_told


async def settle(database: Database, clock: FakeClock, count: int = 1) -> tuple[User, list[HostAgent]]:
    """An administrator with agents that have sent a heartbeat."""
    async with database.write() as tx:
        admin = await bootstrap(tx, clock.now(), "correct horse battery staple")
    assert admin is not None
    own: dict[str, Any] = {"organization_id": admin.organization_id}
    made = await offer(database, clock.now(), **own)
    agents = [(await enroll(database, clock.now(), made.profile.id, installation(number + 1), **own)).agent for number in range(count)]
    await beat(database, agents, clock.now())
    return admin, agents


async def beat(database: Database, agents: list[HostAgent], now: datetime) -> None:
    await send(database, now, agents)


async def run(keeper: HostAgentKeeper, clock: FakeClock, seconds: int) -> None:
    """Rounds every fifteen seconds."""
    for _ in range(seconds // 15):
        await keeper.tick(clock.advance(seconds=15))


async def read_presence(database: Database) -> list[str]:
    return [action for action, _, _ in await read_activity(database) if action in ("online", "offline")]


async def test_tick_tells_of_each_outage_once(database: Database, clock: FakeClock) -> None:
    """Five minutes without a heartbeat are told once, to those who manage the infrastructure; the next outage is told anew."""
    admin, agents = await settle(database, clock)
    viewer = await add_person(database, admin.organization_id, "viewer", "Viewer", clock.now())
    seen = clock.now()
    keepers = HostAgentKeeper(database), HostAgentKeeper(database)
    for keeper in keepers:
        await keeper.tick(clock.now())
    await run(keepers[0], clock, 300)
    assert await read_inbox(database, admin.organization_id, admin.id) == []
    for keeper in keepers:
        await keeper.tick(clock.advance(seconds=15))
        await run(keeper, clock, 30)
    [notice] = await read_inbox(database, admin.organization_id, admin.id)
    assert notice.draft == NoticeDraft(
        kind=NoticeKind.AGENT_OFFLINE,
        severity=NoticeSeverity.WARNING,
        title="Agent on web-1 is offline",
        body=f"Its last heartbeat came at {seen:%Y-%m-%dT%H:%M:%SZ}.",
        resource_type="agent",
        resource_id=agents[0].key,
        link="/agents",
    )
    await beat(database, agents, clock.now())
    await run(keepers[1], clock, 330)
    assert [kind for kind, _, _ in await read_told(database, admin.organization_id, admin.id)] == ["agent_offline"] * 2
    assert await read_inbox(database, admin.organization_id, viewer) == []
    assert await read_presence(database) == ["online", "offline", "online", "offline"]


async def test_tick_after_a_pause_gives_agents_time(database: Database, clock: FakeClock) -> None:
    """Nobody could be heard while nobody listened: after a pause, also one of the clock, the time begins anew."""
    admin, _ = await settle(database, clock)
    keeper = HostAgentKeeper(database)
    clock.advance(hours=2)
    await keeper.tick(clock.now())
    await run(keeper, clock, 300)
    clock.advance(hours=1)
    await run(keeper, clock, 300)
    clock.advance(hours=-1)
    await run(keeper, clock, 300)
    assert await read_inbox(database, admin.organization_id, admin.id) == []
    await run(keeper, clock, 30)
    assert len(await read_inbox(database, admin.organization_id, admin.id)) == 1


async def test_tick_is_silent_about_disabled_agents(database: Database, clock: FakeClock) -> None:
    """Nobody expects anything of a disabled agent; one that enrolled and was never heard is told of."""
    admin, agents = await settle(database, clock)
    own: dict[str, Any] = {"organization_id": admin.organization_id}
    async with database.write() as tx:
        await update_agent(tx, system_caller(admin.organization_id), agents[0].id, Change(False, None, ()), SETTINGS, clock.now())
    made = await offer(database, clock.now(), **own)
    await enroll(database, clock.now(), made.profile.id, installation(5), **own)
    enrolled, keeper = clock.now(), HostAgentKeeper(database)
    await keeper.tick(clock.now())
    await run(keeper, clock, 330)
    [notice] = await read_inbox(database, admin.organization_id, admin.id)
    assert (notice.draft.title, notice.draft.body) == (
        "Agent on web-5 is offline",
        f"It has sent no heartbeat since it enrolled at {enrolled:%Y-%m-%dT%H:%M:%SZ}.",
    )


async def test_tell_offline_after_a_heartbeat_changes_nothing(database: Database, clock: FakeClock) -> None:
    """A heartbeat that comes between the look and the notice is not overlooked."""
    admin, agents = await settle(database, clock)
    start, late = clock.now(), clock.advance(minutes=6)
    async with database.read() as tx:
        overdue = await presence.find_overdue(tx, admin.organization_id, start, late)
    assert [agent.id for agent in overdue] == [agents[0].id]
    await beat(database, agents, late)
    async with database.write() as tx:
        await presence.tell_offline(tx, admin.organization_id, overdue, late)
    assert await read_inbox(database, admin.organization_id, admin.id) == []
