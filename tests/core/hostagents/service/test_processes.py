from dataclasses import replace
from datetime import timedelta

import pytest

from lumetry_core.hostagents.processes import Current, Entry, Identity, Seen
from lumetry_core.hostagents.service.identities import get_identity, list_identities
from lumetry_core.hostagents.service.processes import list_inventory, list_observed, report_processes
from lumetry_core.hostagents.store.agents import save_agent
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ORGANIZATION, Fleet, of_agent, process
from tests.core.hostagents.making import add_collector


@pytest.fixture
def fleet(database: Database, clock: FakeClock) -> Fleet:
    return Fleet(database, clock)


async def refusal(fleet: Fleet, caller: Caller) -> Reason:
    async with fleet.database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await report_processes(tx, caller, None, [process("")], Faults(), fleet.clock.now())
    return caught.value.reason


async def test_report_processes_replaces_the_report_and_keeps_the_past(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    """The detail shows the newest report, the inventory also what was seen before, with when."""
    agent = await fleet.enroll("web-1")
    start = clock.now()
    assert await fleet.report("web-1", process("nginx", "web", 3, 150.0), "cron") == 2
    later = clock.advance(minutes=1)
    assert await fleet.report("web-1", process("nginx", "web", 4)) == 1
    last = clock.advance(minutes=9)
    async with database.read() as tx:
        assert await list_observed(tx, ORGANIZATION, agent.id) == [Current("nginx", 1.5, 2.0, 1024, later)]
        assert await list_inventory(tx, ORGANIZATION, agent.id, last) == [
            Seen(Entry("cron", "cron", 1, start, start), start, start + timedelta(minutes=10), True),
            Seen(Entry("nginx", "web", 4, start), later, later + timedelta(minutes=10), False),
        ]


async def test_list_inventory_is_in_order_and_forgets(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    """Ascending by code point on every database; nothing before the first report, and nothing a week after the last."""
    agent = await fleet.enroll("web-1")
    async with database.read() as tx:
        assert await list_inventory(tx, ORGANIZATION, agent.id, clock.now()) == []
        with pytest.raises(LumetryError) as caught:
            await list_inventory(tx, ORGANIZATION + 1, agent.id, clock.now())
        assert caught.value.reason is Reason.NOT_FOUND
    await fleet.report("web-1", "b", "B", "_", "é", "a")
    async with database.read() as tx:
        found = await list_inventory(tx, ORGANIZATION, agent.id, clock.now())
        assert [seen.entry.executable for seen in found] == ["B", "_", "a", "b", "é"]
        assert await list_inventory(tx, ORGANIZATION, agent.id, clock.advance(days=7)) == []


async def test_report_processes_refuses_whom_ingestion_refuses(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    """Unknown and revoked agents, disabled ones, and those that go around their relay, whatever is wrong with the report."""
    agent = await fleet.enroll("web-1")
    relay_id = await add_collector(database, clock.now())
    silent_id = await add_collector(database, clock.now(), "Silent", relays=False)
    caller = of_agent(agent.id)
    for change, sender, reason in (
        ({}, of_agent(agent.id + 1), Reason.UNAUTHENTICATED),
        ({}, of_agent(agent.id, ORGANIZATION + 1), Reason.UNAUTHENTICATED),
        ({"revoke_time": clock.now()}, caller, Reason.UNAUTHENTICATED),
        ({"is_enabled": False}, caller, Reason.AGENT_DISABLED),
        ({"required_collector_id": relay_id}, caller, Reason.RELAY_REQUIRED),
        ({"required_collector_id": silent_id}, of_agent(agent.id, relay=silent_id), Reason.RELAY_REQUIRED),
        ({"required_collector_id": relay_id, "is_enabled": False}, of_agent(agent.id, relay=relay_id), Reason.AGENT_DISABLED),
    ):
        async with database.write() as tx:
            await save_agent(tx, replace(agent, **change))
        assert await refusal(fleet, sender) is reason


async def test_faulty_report_changes_nothing(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    """The report before stays the newest."""
    agent = await fleet.enroll("web-1")
    await fleet.report("web-1", "cron")
    first = clock.now()
    clock.advance(minutes=1)
    with pytest.raises(LumetryError) as caught:
        await fleet.report("web-1", "nginx", "nginx")
    assert caught.value.reason is Reason.VALIDATION_FAILED
    async with database.read() as tx:
        assert await list_observed(tx, ORGANIZATION, agent.id) == [Current("cron", 1.5, 2.0, 1024, first)]


async def test_list_identities_counts_fresh_hosts(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    """Over all hosts of the organization, by identity; what is stale counts nowhere and is still listed."""
    for host in ("web-1", "web-2", "web-3"):
        await fleet.enroll(host)
    start = clock.now()
    await fleet.report("web-3", process("nginx", "web", 5), process("nginx-debug", "web", 1), "Cron")
    later = clock.advance(minutes=10)
    await fleet.report("web-1", process("nginx", "web", 3), process("nginx-debug", "web", 1))
    await fleet.report("web-2", process("httpd", "web", 2))
    stranger = Fleet(database, clock, ORGANIZATION + 1)
    await stranger.enroll("web-1")
    await stranger.report("web-1", "web")
    async with database.read() as tx:
        web, cron = Identity("web", 2, 6, None, later), Identity("Cron", 0, 0, None, start)
        assert await list_identities(tx, ORGANIZATION, "", 0, 0, later) == ([cron, web], 2)
        assert await list_identities(tx, ORGANIZATION, "", 2, 1, later) == ([web], 2)
        assert await list_identities(tx, ORGANIZATION, " CR ", 0, 0, later) == ([cron], 1)
        assert await list_identities(tx, ORGANIZATION, "%", 0, 0, later) == ([], 0)
        assert await list_identities(tx, ORGANIZATION, "x" * 256, 0, 0, later) == ([], 0)
        assert await get_identity(tx, ORGANIZATION, "web", later) == web


async def test_list_identities_refuses_faults(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    """All are named."""
    async with database.read() as tx:
        with pytest.raises(LumetryError) as caught:
            await list_identities(tx, ORGANIZATION, "\0", -1, 201, clock.now())
        assert [fault.path for fault in caught.value.faults] == ["search", "page", "pageSize"]
        for name in ("never", "a\0"):
            with pytest.raises(LumetryError) as caught:
                await get_identity(tx, ORGANIZATION, name, clock.now())
            assert caught.value.reason is Reason.NOT_FOUND
