from datetime import timedelta

import pytest

from lumetry_core.hostagents.drafts import Change
from lumetry_core.hostagents.model import HostAgent
from lumetry_core.hostagents.service.administering import revoke_agent, update_agent
from lumetry_core.hostagents.service.clusters import create_cluster
from lumetry_core.hostagents.service.reading import (
    Asked,
    Latest,
    find_enrolled,
    get_agent,
    list_agents,
    list_enrolled,
    list_silent_keys,
    read_latest,
)
from lumetry_core.hostagents.service.tags import create_tag
from lumetry_core.hostagents.service.telemetry import Span, read_host, read_process
from lumetry_core.metrics.service.ingestion import ingest_points
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ADMIN, ORGANIZATION
from tests.core.hostagents.making import SETTINGS, enroll, installation, offer, send
from tests.core.metrics.feeding import make_caller, make_points, running_appender


async def settle(database: Database, clock: FakeClock, *names: str) -> dict[str, HostAgent]:
    """Agents on hosts of these names."""
    made = await offer(database, clock.now())
    return {
        name: (await enroll(database, clock.now(), made.profile.id, installation(number + 1, hostname=name))).agent
        for number, name in enumerate(names)
    }


async def names_of(database: Database, clock: FakeClock, organization_id: int = ORGANIZATION, **asked: object) -> list[str]:
    async with database.read() as tx:
        found = await list_agents(tx, organization_id, Asked(**asked), clock.now())  # type: ignore[arg-type]
    assert found.total_count >= len(found.rows)
    return [row.agent.hostname for row in found.rows]


async def test_list_agents_by_name_page_by_page(database: Database, clock: FakeClock) -> None:
    """Ascending by name whatever its case; a page past the end is empty and still counts all."""
    await settle(database, clock, "web-2", "DB-1", "web-1")
    async with database.read() as tx:
        pages = [await list_agents(tx, ORGANIZATION, Asked(page=page, page_size=2), clock.now()) for page in (1, 2, 3)]
    assert [[row.agent.hostname for row in page.rows] for page in pages] == [["DB-1", "web-1"], ["web-2"], []]
    assert {(page.total_count, page.page_size) for page in pages} == {(3, 2)}
    assert await names_of(database, clock, 8) == []


async def test_list_agents_as_filtered(database: Database, clock: FakeClock) -> None:
    """By part of name, id or key, by state, tag and cluster, all of them together."""
    agents = await settle(database, clock, "web-1", "web-2", "db-1", "db-2")
    clock.advance(minutes=6)
    await send(database, clock.now(), [agents["web-1"], agents["db-2"]])
    async with database.write() as tx:
        cluster = await create_cluster(tx, ADMIN, "Web Farm", "web", clock.now())
        tag = await create_tag(tx, ADMIN, "Blue", clock.now())
        for name in ("web-1", "web-2"):
            await update_agent(tx, ADMIN, agents[name].id, Change(True, cluster.id, (tag.id,)), SETTINGS, clock.now())
        await update_agent(tx, ADMIN, agents["db-1"].id, Change(False, None, (tag.id,)), SETTINGS, clock.now())
        await revoke_agent(tx, ADMIN, agents["db-2"].id, clock.now())
    assert await names_of(database, clock, search="WEB") == ["web-1", "web-2"]
    assert await names_of(database, clock, search="srv-3") == ["db-1"]
    assert await names_of(database, clock, search=agents["db-2"].key[:13]) == ["db-2"]
    assert await names_of(database, clock, search="%") == []
    states = {status: await names_of(database, clock, status=status) for status in ("online", "Offline", "DISABLED", "revoked")}
    assert states == {"online": ["web-1"], "Offline": ["web-2"], "DISABLED": ["db-1"], "revoked": ["db-2"]}
    assert await names_of(database, clock, tag="bLUE") == ["db-1", "web-1", "web-2"]
    assert await names_of(database, clock, tag="green") == []
    assert await names_of(database, clock, cluster_node_id=cluster.id) == ["web-1", "web-2"]
    assert await names_of(database, clock, cluster_node_id=cluster.id, tag="blue", status="offline") == ["web-2"]
    async with database.read() as tx:
        assert await list_silent_keys(tx, ORGANIZATION, clock.now()) == [agents["web-2"].key]
        assert [agent.hostname for agent in await list_enrolled(tx, ORGANIZATION)] == ["db-1", "web-1", "web-2"]
        keys = [agents["web-1"].key, agents["db-2"].key]
        assert set(await find_enrolled(tx, ORGANIZATION, keys)) == set(keys)
        assert await find_enrolled(tx, 8, keys) == {}


async def test_list_agents_with_faults(database: Database, clock: FakeClock) -> None:
    """Every fault is named."""
    with pytest.raises(LumetryError) as failure:
        await names_of(database, clock, status="asleep", search="a\0", tag="t" * 301, page=-1, page_size=201)
    assert list(failure.value.faults) == [
        Fault("status", "must be one of Online, Offline, Disabled, Revoked"),
        Fault("search", "must have at most 300 characters and no U+0000"),
        Fault("tag", "must have at most 300 characters and no U+0000"),
        Fault("page", "must be at least 1"),
        Fault("pageSize", "must be between 1 and 200"),
    ]


async def test_read_host_and_process_from_stored_points(database: Database, clock: FakeClock) -> None:
    """Points of the agent itself, in order and apart by what they are of; another agent's on the same host are not among them."""
    agent = (await settle(database, clock, "web-1"))["web-1"]
    own = {"agent.id": agent.key, "host.id": "srv-1"}
    other = {"agent.id": "another", "host.id": "srv-1"}
    points = [
        ("host.cpu.percent", own, -90, 10.0),
        ("host.cpu.percent", {**own, "host.group": "web"}, -30, 30.0),
        ("host.cpu.percent", other, -20, 99.0),
        ("host.memory.percent", own, -40, 50.0),
        ("host.disk.used_percent", {**own, "mount": "/"}, -30, 70.0),
        ("host.disk.used_percent", {**own, "mount": "/a|b"}, -30, 80.0),
        ("host.network.rx_bytes_per_second", {**own, "interface": "eth0"}, -30, 1.0),
        ("host.network.tx_bytes_per_second", {**own, "interface": "eth0"}, -30, 2.0),
        ("process.cpu.percent", {**own, "process.executable": "nginx"}, -30, 140.0),
        ("process.rss.bytes", {**own, "process.executable": "nginx"}, -30, 2048.0),
        ("process.rss.bytes", {**own, "process.executable": "sshd"}, -30, 1024.0),
    ]
    async with running_appender(database, clock) as appender:
        await ingest_points(appender.append, clock, make_caller(), make_points(points, clock.now()))
    start = to_ms(clock.now())

    async with database.read() as tx:
        host = await read_host(tx, ORGANIZATION, agent.id, Span(), clock.now())
        process = await read_process(tx, ORGANIZATION, agent.id, "nginx", Span(), clock.now())
        means = await read_host(tx, ORGANIZATION, agent.id, Span(step_seconds=3600), clock.now())
        latest = await read_latest(tx, agent, clock.now())
        stale = await read_latest(tx, agent, clock.now() + timedelta(minutes=11))
    spelled = {
        kind: {key: list(zip((each.times_ms - start).tolist(), each.values.tolist(), strict=True)) for key, each in members.items()}
        for kind, members in {**host, **{f"process {kind}": members for kind, members in process.items()}}.items()
    }
    assert spelled == {
        "cpu": {"": [(-90_000, 10.0), (-30_000, 30.0)]},
        "memory": {"": [(-40_000, 50.0)]},
        "disk": {"mount=/": [(-30_000, 70.0)], "mount=/a%7Cb": [(-30_000, 80.0)]},
        "network": {"direction=rx|interface=eth0": [(-30_000, 1.0)], "direction=tx|interface=eth0": [(-30_000, 2.0)]},
        "process cpu": {"": [(-30_000, 140.0)]},
        "process memory": {},
        "process rss": {"": [(-30_000, 2048.0)]},
    }
    assert means["cpu"][""].times_ms.tolist() == [start - 3_600_000]
    assert means["cpu"][""].values.tolist() == [20.0]
    assert latest == Latest(30.0, 50.0, clock.now() - timedelta(seconds=30))
    assert stale == Latest(None, None, None)


async def test_read_host_with_faults(database: Database, clock: FakeClock) -> None:
    """An unknown agent, a range the wrong way round and a step of nothing."""
    agent = (await settle(database, clock, "web-1"))["web-1"]
    now = clock.now()
    async with database.read() as tx:
        with pytest.raises(LumetryError) as failure:
            await read_host(tx, ORGANIZATION, agent.id, Span(now, now - timedelta(seconds=1), 0), now)
        assert [fault.path for fault in failure.value.faults] == ["from", "stepSeconds"]
        for verb in (get_agent(tx, 8, agent.id), read_host(tx, 8, agent.id, Span(), now), read_process(tx, 8, agent.id, "x", Span(), now)):
            with pytest.raises(LumetryError) as failure:
                await verb
            assert failure.value.reason is Reason.NOT_FOUND
