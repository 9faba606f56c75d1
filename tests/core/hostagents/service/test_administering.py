import asyncio
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.history import list_revisions
from lumetry_core.hostagents.drafts import Change
from lumetry_core.hostagents.model import Cluster, HostAgent, Row, State
from lumetry_core.hostagents.service.administering import revoke_agent, switch_agent, update_agent
from lumetry_core.hostagents.service.clusters import create_cluster
from lumetry_core.hostagents.service.reading import get_agent, make_row
from lumetry_core.hostagents.service.tags import create_tag
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.topology.service.editing import delete_node
from lumetry_core.topology.service.nodes import find_nodes
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ADMIN, ORGANIZATION
from tests.core.hostagents.making import SETTINGS, enroll, installation, offer, read_actions, read_activity, read_senders

STRANGER = replace(ADMIN, organization_id=8)


async def settle(database: Database, clock: FakeClock) -> tuple[HostAgent, str]:
    """An agent and its credential."""
    made = await offer(database, clock.now())
    enrollment = await enroll(database, clock.now(), made.profile.id, installation(1))
    return enrollment.agent, enrollment.credential


async def change(
    database: Database, clock: FakeClock, agent_id: int, *tag_ids: int, enabled: bool | None = True, cluster: int | None = None
) -> Row:
    async with database.write() as tx:
        return await update_agent(tx, ADMIN, agent_id, Change(enabled, cluster, tag_ids), SETTINGS, clock.now())


async def read_row(database: Database, agent: HostAgent, clock: FakeClock) -> Row:
    async with database.read() as tx:
        return await make_row(tx, await get_agent(tx, ORGANIZATION, agent.id), clock.now())


async def test_update_agent_replaces_what_people_write(database: Database, clock: FakeClock) -> None:
    """Switch, cluster and tags are what was sent, and ingestion follows; what is left out goes."""
    agent, _ = await settle(database, clock)
    async with database.write() as tx:
        cluster = await create_cluster(tx, ADMIN, "Web Farm", "web", clock.now())
        tags = [await create_tag(tx, ADMIN, name, clock.now()) for name in ("edge", "blue")]
    row = await change(database, clock, agent.id, tags[0].id, tags[1].id, tags[0].id, enabled=False, cluster=cluster.id)
    disabled = replace(agent, is_enabled=False)
    assert row == Row(disabled, State.DISABLED, Cluster(cluster.id, "web", "Web Farm"), (tags[1], tags[0]))
    assert await read_row(database, agent, clock) == row
    sender = (await read_senders(database))[agent.id]
    assert (sender.is_enabled, sender.host_group) == (False, "web")
    row = await change(database, clock, agent.id)
    assert row == Row(agent, State.ONLINE)
    sender = (await read_senders(database))[agent.id]
    assert (sender.is_enabled, sender.host_group) == (True, None)
    assert [action for action, _, _ in await read_activity(database)] == ["enrolled", "disabled", "enabled"]
    async with database.read() as tx:
        revisions, total = await list_revisions(tx, ADMIN, "Agent", str(agent.id), 0, 0)
    assert (total, [each.operation for each in revisions]) == (3, ["Updated", "Updated", "Created"])
    before, after = (msgspec.json.decode(text or "") for text in (revisions[1].before_json, revisions[1].after_json))
    changed = {key: (before[key], after[key]) for key in after if before[key] != after[key]}
    assert changed == {"enabled": (True, False), "clusterId": (None, cluster.id), "tagIds": ([], sorted(tag.id for tag in tags))}


async def test_update_agent_at_once_waits_its_turn(database: Database, clock: FakeClock) -> None:
    """Hosts that are moved at the same moment do not stop each other."""
    made = await offer(database, clock.now())
    agents = [(await enroll(database, clock.now(), made.profile.id, installation(number))).agent for number in range(1, 9)]
    async with database.write() as tx:
        clusters = [await create_cluster(tx, ADMIN, f"Farm {number}", f"farm-{number}", clock.now()) for number in range(2)]
    rows = await asyncio.gather(*(change(database, clock, agent.id, cluster=clusters[place % 2].id) for place, agent in enumerate(agents)))
    assert [row.cluster and row.cluster.external_id for row in rows] == ["farm-0", "farm-1"] * 4


async def test_update_agent_to_what_it_is_changes_nothing(database: Database, clock: FakeClock) -> None:
    """Nothing is audited or told of what stays."""
    agent, _ = await settle(database, clock)
    assert await change(database, clock, agent.id) == Row(agent, State.ONLINE)
    assert await read_actions(database, "Agent") == ["Agent.Enrolled"]


async def test_update_agent_with_faults(database: Database, clock: FakeClock) -> None:
    """Every fault is named; a node that is no cluster is none, and so is what another organization has."""
    agent, _ = await settle(database, clock)
    async with database.write() as tx:
        foreign = await create_tag(tx, STRANGER, "foreign", clock.now())
    with pytest.raises(LumetryError) as failure:
        await change(database, clock, agent.id, foreign.id, 99, enabled=None, cluster=agent.node_id)
    assert list(failure.value.faults) == [
        Fault("enabled", "is required"),
        Fault("clusterId", f"cluster {agent.node_id} does not exist"),
        Fault("tagIds[0]", f"tag {foreign.id} does not exist"),
        Fault("tagIds[1]", "tag 99 does not exist"),
    ]
    with pytest.raises(LumetryError) as failure:
        await change(database, clock, agent.id, *range(1, 102))
    assert failure.value.faults[0] == Fault("tagIds", "must have at most 100 elements")
    assert await read_row(database, agent, clock) == Row(agent, State.ONLINE)


@pytest.mark.parametrize("caller", [ADMIN, STRANGER])
async def test_update_agent_that_is_unknown(database: Database, clock: FakeClock, caller: Caller) -> None:
    """An agent of another organization is as unknown as none."""
    agent, _ = await settle(database, clock)
    number = agent.id if caller is STRANGER else 99
    async with database.write() as tx:
        for verb in (
            update_agent(tx, caller, number, Change(True, None, ()), SETTINGS, clock.now()),
            revoke_agent(tx, caller, number, clock.now()),
        ):
            with pytest.raises(LumetryError) as failure:
                await verb
            assert failure.value.reason is Reason.NOT_FOUND


async def test_update_agent_whose_host_left_the_topology(database: Database, clock: FakeClock) -> None:
    """Who puts an agent into a cluster gets its host back."""
    agent, _ = await settle(database, clock)
    async with database.write() as tx:
        assert agent.node_id is not None
        await delete_node(tx, ADMIN, agent.node_id, clock.now())
        cluster = await create_cluster(tx, ADMIN, "Web Farm", "web", clock.now())
    row = await change(database, clock, agent.id, cluster=cluster.id)
    assert row.cluster == Cluster(cluster.id, "web", "Web Farm")


async def test_switch_agent_by_its_key(database: Database, clock: FakeClock) -> None:
    """The switch alone is turned; an unknown key is none."""
    agent, _ = await settle(database, clock)
    async with database.write() as tx:
        row = await switch_agent(tx, ADMIN, agent.key, is_enabled=False, defaults=SETTINGS, now=clock.now())
        with pytest.raises(LumetryError) as failure:
            await switch_agent(tx, STRANGER, agent.key, is_enabled=True, defaults=SETTINGS, now=clock.now())
    assert (row.state, failure.value.reason) == (State.DISABLED, Reason.NOT_FOUND)
    assert not (await read_senders(database))[agent.id].is_enabled


async def test_revoke_agent_for_good(database: Database, clock: FakeClock, origin_of: Callable[..., Origin]) -> None:
    """The credential is void at once, ingestion knows it no more; row and host stay. A repetition changes nothing, a change is refused."""
    agent, credential = await settle(database, clock)
    authenticator = Authenticator(database, clock)
    async with database.write() as tx:
        row = await revoke_agent(tx, ADMIN, agent.id, clock.now())
        assert {"credentials", "senders"} <= tx.wakes
    assert row == Row(replace(agent, revoke_time=clock.now()), State.REVOKED)
    with pytest.raises(LumetryError) as failure:
        await authenticator(origin_of(credential))
    assert failure.value.reason is Reason.UNAUTHENTICATED
    assert await read_senders(database) == {}
    clock.advance(hours=1)
    async with database.write() as tx:
        assert await revoke_agent(tx, ADMIN, agent.id, clock.now()) == row
        assert agent.node_id is not None
        assert agent.node_id in await find_nodes(tx, ORGANIZATION, [agent.node_id])
    with pytest.raises(LumetryError) as failure:
        await change(database, clock, agent.id, enabled=False)
    assert (failure.value.reason, failure.value.metadata["state"]) == (Reason.CONFLICT, "Revoked")
    assert await read_actions(database, "Agent") == ["Agent.Enrolled", "Agent.Revoked"]
    assert [action for action, _, _ in await read_activity(database)] == ["enrolled", "deleted"]
