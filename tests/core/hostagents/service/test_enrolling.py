import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.history import list_revisions
from lumetry_core.collectors.service import administering as collectors
from lumetry_core.hostagents.model import HostAgent, Installation, State, Transport, state_of
from lumetry_core.hostagents.service.administering import revoke_agent
from lumetry_core.hostagents.service.clusters import create_cluster
from lumetry_core.hostagents.service.enrolling import Enrollment
from lumetry_core.hostagents.service.profiles import list_profiles
from lumetry_core.hostagents.service.reading import get_agent, list_enrolled, make_row
from lumetry_core.hostagents.store.profiles import find_profile
from lumetry_core.metrics.senders import Sender
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.identifiers import visible_prefix
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.topology.draft import NodeDraft
from lumetry_core.topology.service.editing import update_node
from lumetry_core.topology.service.nodes import find_nodes
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ADMIN, ORGANIZATION
from tests.core.hostagents.making import (
    add_collector,
    enroll,
    installation,
    offer,
    read_actions,
    read_activity,
    read_senders,
    set_relay,
)
from tests.core.topology.building import Graph, push

AT_ONCE = 50


async def read_agents(database: Database, organization_id: int = ORGANIZATION) -> list[HostAgent]:
    async with database.read() as tx:
        return await list_enrolled(tx, organization_id)


async def count_admitted(database: Database, profile_id: int) -> int:
    async with database.read() as tx:
        profile = await find_profile(tx, ORGANIZATION, profile_id)
    assert profile is not None
    return profile.enrollment_count


async def cluster_of(database: Database, enrollment: Enrollment, clock: FakeClock) -> str | None:
    async with database.read() as tx:
        row = await make_row(tx, enrollment.agent, clock.now())
    return None if row.cluster is None else row.cluster.name


async def is_refused(
    database: Database, clock: FakeClock, profile_id: int, sent: Installation, *, organization_id: int = ORGANIZATION
) -> bool:
    """Whether it is, by the one answer for all that does not work."""
    try:
        await enroll(database, clock.now(), profile_id, sent, organization_id=organization_id)
    except LumetryError as error:
        return (error.reason, error.metadata, error.faults) == (Reason.UNAUTHENTICATED, {}, ())
    return False


async def test_enroll_makes_an_agent_with_a_host(database: Database, clock: FakeClock) -> None:
    """An installation becomes an agent; its host is in the topology, ingestion knows it, audit and feed tell of it."""
    made = await offer(database, clock.now())
    enrollment = await enroll(database, clock.now(), made.profile.id, installation(1, version="1.2"))
    agent = enrollment.agent
    assert agent == HostAgent(
        organization_id=ORGANIZATION,
        id=agent.id,
        key=agent.key,
        installation_id=str(UUID(int=1)),
        profile_id=made.profile.id,
        host_id="srv-1",
        hostname="web-1",
        os="linux",
        arch="x86_64",
        version="1.2",
        credential_prefix=visible_prefix(enrollment.credential),
        enroll_time=clock.now(),
        contact_time=clock.now(),
        node_id=agent.node_id,
    )
    assert await read_agents(database) == [agent]
    assert state_of(agent, clock.now()) is State.ONLINE
    assert (str(UUID(agent.key)), enrollment.credential[:5], enrollment.is_new) == (agent.key, "lmta_", True)
    async with database.read() as tx:
        assert agent.node_id is not None
        node = (await find_nodes(tx, ORGANIZATION, [agent.node_id]))[agent.node_id]
        [revision], _ = await list_revisions(tx, ADMIN, "Agent", str(agent.id), 0, 0)
    assert (node.node_type, node.external_id, node.display_name, node.source) == ("Host", "srv-1", "web-1", "agent")
    assert (revision.operation, revision.actor_name) == ("Created", f"enrollment profile {made.profile.id}")
    assert await read_senders(database) == {agent.id: Sender(ORGANIZATION, agent.id, agent.key, "srv-1")}
    assert await read_activity(database) == [("enrolled", "Agent enrolled: web-1", "srv-1")]
    assert await count_admitted(database, made.profile.id) == 1


async def test_enroll_again_keeps_the_agent_and_voids_its_credential(
    database: Database, clock: FakeClock, origin_of: Callable[..., Origin]
) -> None:
    """After a lost answer, even by a full profile: the same agent with a fresh credential, counted once."""
    made = await offer(database, clock.now(), max_enrollments=1)
    first = await enroll(database, clock.now(), made.profile.id, installation(1))
    clock.advance(minutes=1)
    second = await enroll(database, clock.now(), made.profile.id, installation(1, installation_id=str(UUID(int=1)).upper(), hostname="new"))
    assert second.agent == replace(
        first.agent, hostname="new", credential_prefix=visible_prefix(second.credential), contact_time=clock.now()
    )
    assert (second.is_new, await count_admitted(database, made.profile.id)) == (False, 1)
    authenticator = Authenticator(database, clock)
    assert (await authenticator(origin_of(second.credential))).agent_id == first.agent.id
    with pytest.raises(LumetryError) as failure:
        await authenticator(origin_of(first.credential))
    assert failure.value.reason is Reason.UNAUTHENTICATED
    assert await is_refused(database, clock, made.profile.id, installation(2))


async def test_enroll_by_another_profile_counts_nowhere(database: Database, clock: FakeClock) -> None:
    """An agent that is known is not counted by another profile; one that is full admits only its own."""
    first, second, full = [await offer(database, clock.now(), max_enrollments=limit) for limit in (5, 5, 1)]
    await enroll(database, clock.now(), full.profile.id, installation(9))
    agent = (await enroll(database, clock.now(), first.profile.id, installation(1))).agent
    again = (await enroll(database, clock.now(), second.profile.id, installation(1))).agent
    assert again.id == agent.id
    assert await is_refused(database, clock, full.profile.id, installation(1))
    counts = [await count_admitted(database, each.profile.id) for each in (first, second, full)]
    assert counts == [1, 0, 1]


async def test_enroll_at_once_never_passes_the_limit(database: Database, clock: FakeClock) -> None:
    """Fifty installations at the same time for ten places: ten get in, and as many are counted."""
    made = await offer(database, clock.now(), max_enrollments=10)
    refused = await asyncio.gather(*(is_refused(database, clock, made.profile.id, installation(number)) for number in range(AT_ONCE)))
    assert sum(not each for each in refused) == 10
    assert len(await read_agents(database)) == 10
    assert await count_admitted(database, made.profile.id) == 10


async def test_enroll_of_one_installation_at_once_makes_one_agent(database: Database, clock: FakeClock) -> None:
    """An installation that asks twice at the same time, even of two profiles, is one agent and counted once."""
    offers = [await offer(database, clock.now()) for _ in range(2)]
    asked = [enroll(database, clock.now(), offers[number % 2].profile.id, installation(1)) for number in range(8)]
    numbers = {enrollment.agent.id for enrollment in await asyncio.gather(*asked)}
    assert len(numbers) == len(await read_agents(database)) == 1
    assert sum([await count_admitted(database, each.profile.id) for each in offers]) == 1


async def test_enroll_in_another_organization_is_another_agent(database: Database, clock: FakeClock) -> None:
    """The same installation elsewhere has nothing to do with this one, and a profile of elsewhere is unknown here."""
    here, there = await offer(database, clock.now()), await offer(database, clock.now(), organization_id=8)
    own = await enroll(database, clock.now(), here.profile.id, installation(1))
    foreign = await enroll(database, clock.now(), there.profile.id, installation(1), organization_id=8)
    assert own.agent.key != foreign.agent.key
    assert (foreign.is_new, await read_agents(database), await read_agents(database, 8)) == (True, [own.agent], [foreign.agent])
    assert await is_refused(database, clock, there.profile.id, installation(2))


async def test_enroll_after_the_profile_expired(database: Database, clock: FakeClock) -> None:
    """From its expiry on a profile admits nobody, also not those it admitted."""
    made = await offer(database, clock.now(), expires_in_hours=1)
    await enroll(database, clock.advance(minutes=59), made.profile.id, installation(1))
    clock.advance(minutes=1)
    assert [await is_refused(database, clock, made.profile.id, installation(number)) for number in (1, 2)] == [True, True]
    async with database.read() as tx:
        assert [each.enrollment_count for each in await list_profiles(tx, ORGANIZATION)] == [1]


async def test_enroll_of_a_revoked_installation(database: Database, clock: FakeClock) -> None:
    """What was revoked does not come back by a token that still works."""
    made = await offer(database, clock.now())
    enrollment = await enroll(database, clock.now(), made.profile.id, installation(1))
    async with database.write() as tx:
        await revoke_agent(tx, ADMIN, enrollment.agent.id, clock.now())
    assert await is_refused(database, clock, made.profile.id, installation(1))
    assert await read_agents(database) == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"cluster": " WEB farm "}, "Web Farm"),
        ({"cluster_id": "web"}, "Web Farm"),
        ({"cluster": "twins"}, None),
        ({"cluster": "nowhere"}, None),
        ({"cluster_id": "Web"}, None),
        ({"cluster_id": "srv-9"}, None),
        ({"cluster": "web-9"}, None),
        ({}, None),
    ],
)
async def test_enroll_into_a_cluster(database: Database, clock: FakeClock, wanted: dict[str, str], expected: str | None) -> None:
    """A name in any letter case or an exact external id; what is absent, no cluster or not unique leaves the agent ungrouped."""
    async with database.write() as tx:
        for name, external_id in (("Web Farm", "web"), ("Twins", "twin-1"), ("twins", "twin-2")):
            await create_cluster(tx, ADMIN, name, external_id, clock.now())
    made = await offer(database, clock.now())
    await enroll(database, clock.now(), made.profile.id, installation(9))
    enrollment = await enroll(database, clock.now(), made.profile.id, installation(1, **wanted))
    assert await cluster_of(database, enrollment, clock) == expected
    group = "web" if expected else None
    assert (await read_senders(database))[enrollment.agent.id].host_group == group
    again = await enroll(database, clock.now(), made.profile.id, installation(1))
    assert await cluster_of(database, again, clock) == expected
    assert (await read_senders(database))[enrollment.agent.id].host_group == group


async def test_enroll_without_the_required_relay(database: Database, clock: FakeClock) -> None:
    """Only what comes through the collector of the profile gets in; a refusal names the collector and changes nothing."""
    now = clock.now()
    collector_id, other_id = await add_collector(database, now), await add_collector(database, now, "Other")
    made = await offer(database, now, required_collector_id=collector_id)
    for relay in (None, other_id, str(UUID(int=5))):
        with pytest.raises(LumetryError) as failure:
            await enroll(database, now, made.profile.id, installation(1), relay=relay)
        assert (failure.value.reason, failure.value.metadata) == (Reason.RELAY_REQUIRED, {"collector_id": collector_id})
    assert (await read_agents(database), await count_admitted(database, made.profile.id)) == ([], 0)
    agent = (await enroll(database, now, made.profile.id, installation(1), relay=collector_id)).agent
    assert (agent.transport, agent.collector_id, agent.required_collector_id) == (Transport.COLLECTOR, collector_id, collector_id)


async def test_enroll_through_a_collector_that_cannot_relay(database: Database, clock: FakeClock) -> None:
    """To name the profile's collector is not enough while it has not enrolled, is not to relay, or is revoked; then nobody gets in."""
    now = clock.now()
    pending_id = await add_collector(database, now, enrolls=False)
    silent_id = await add_collector(database, now, "Silent", relays=False)
    revoked_id = await add_collector(database, now, "Revoked")
    offers = [await offer(database, now, required_collector_id=each) for each in (pending_id, silent_id, revoked_id)]
    async with database.write() as tx:
        await collectors.revoke(tx, ADMIN, revoked_id, now)
    for made in offers:
        relay = made.profile.required_collector_id
        with pytest.raises(LumetryError) as failure:
            await enroll(database, now, made.profile.id, installation(1), relay=relay)
        assert (failure.value.reason, failure.value.metadata) == (Reason.RELAY_REQUIRED, {"collector_id": relay})
    await set_relay(database, now, silent_id, relays=True)
    agent = (await enroll(database, now, offers[1].profile.id, installation(1), relay=silent_id)).agent
    assert (agent.transport, agent.collector_id) == (Transport.COLLECTOR, silent_id)


async def test_enroll_anew_frees_an_agent_of_a_revoked_collector(database: Database, clock: FakeClock) -> None:
    """By another profile the agent comes as that one demands."""
    now = clock.now()
    collector_id = await add_collector(database, now)
    bound, free = await offer(database, now, required_collector_id=collector_id), await offer(database, now)
    agent = (await enroll(database, now, bound.profile.id, installation(1), relay=collector_id)).agent
    async with database.write() as tx:
        await collectors.revoke(tx, ADMIN, collector_id, now)
    again = (await enroll(database, now, free.profile.id, installation(1))).agent
    assert (again.id, again.required_collector_id, again.transport) == (agent.id, None, Transport.DIRECT)
    assert (await read_senders(database))[agent.id].required_collector_id is None


async def test_enroll_trims_names(database: Database, clock: FakeClock) -> None:
    """What stands around them is none of them; architecture and version may be empty."""
    made = await offer(database, clock.now())
    sent = installation(1, host_id=" srv-1 ", hostname="\tweb-1 ", arch=" ", version=" 1.2\n")
    agent = (await enroll(database, clock.now(), made.profile.id, sent)).agent
    assert (agent.host_id, agent.hostname, agent.arch, agent.version) == ("srv-1", "web-1", "", "1.2")


async def test_enroll_with_blank_names(database: Database, clock: FakeClock) -> None:
    """They are as good as none."""
    made = await offer(database, clock.now())
    with pytest.raises(LumetryError) as failure:
        await enroll(database, clock.now(), made.profile.id, installation(1, host_id=" ", hostname=" \t", os=" "))
    assert [fault.path for fault in failure.value.faults] == ["hostId", "hostname", "os"]


async def test_enroll_again_renames_the_host(database: Database, clock: FakeClock) -> None:
    """A host that is in the topology because of its agent is called as the agent says; its history tells who said so."""
    made = await offer(database, clock.now())
    await enroll(database, clock.now(), made.profile.id, installation(1))
    enrollment = await enroll(database, clock.advance(seconds=1), made.profile.id, installation(1, hostname="web-9"))
    number = enrollment.agent.node_id or 0
    async with database.read() as tx:
        node = (await find_nodes(tx, ORGANIZATION, [number]))[number]
        revisions, _ = await list_revisions(tx, ADMIN, "TopologyNode", str(number), 0, 0)
    assert (node.external_id, node.display_name, node.update_time) == ("srv-1", "web-9", clock.now())
    assert [(each.operation, each.actor_name) for each in revisions] == [
        ("Updated", f"enrollment profile {made.profile.id}"),
        ("Created", f"enrollment profile {made.profile.id}"),
    ]
    audited = await read_actions(database, "TopologyNode")
    await enroll(database, clock.advance(seconds=1), made.profile.id, installation(1, hostname="web-9"))
    assert await read_actions(database, "TopologyNode") == audited


async def test_enroll_again_leaves_names_that_others_gave(database: Database, clock: FakeClock) -> None:
    """Those of hosts that the inventory or people own, and that of the agent's own host when people have renamed it."""
    made = await offer(database, clock.now())
    graph = Graph(database, clock.now())
    await graph.apply(push(["host-1"]))
    await enroll(database, clock.now(), made.profile.id, installation(1, host_id="host-1", hostname="HOST-1"))
    enrolled = await enroll(database, clock.now(), made.profile.id, installation(2))
    renamed = enrolled.agent.node_id or 0
    async with database.write() as tx:
        await update_node(tx, ADMIN, renamed, NodeDraft(display_name="Front door", node_type="Host"), clock.now())
    await enroll(database, clock.now(), made.profile.id, installation(1, host_id="host-1", hostname="new-1"))
    await enroll(database, clock.now(), made.profile.id, installation(2, hostname="new-2"))
    ids = await graph.ids()
    async with database.read() as tx:
        nodes = await find_nodes(tx, ORGANIZATION, ids.values())
    assert (nodes[ids["host-1"]].display_name, nodes[renamed].display_name) == ("HOST-1", "Front door")


async def test_enroll_with_faults(database: Database, clock: FakeClock) -> None:
    """Every fault is named, and nothing is counted or made."""
    made = await offer(database, clock.now())
    sent = Installation("x", "", "a" * 256, "beos", "a" * 65, "v\nw", "c", "d")
    with pytest.raises(LumetryError) as failure:
        await enroll(database, clock.now(), made.profile.id, sent)
    assert (failure.value.reason, list(failure.value.faults)) == (
        Reason.VALIDATION_FAILED,
        [
            Fault("installationId", "must be a UUID"),
            Fault("hostId", "must have 1 to 128 printable characters"),
            Fault("hostname", "must have 1 to 255 printable characters"),
            Fault("os", "must be one of linux, windows"),
            Fault("arch", "must have at most 64 printable characters"),
            Fault("version", "must have at most 64 printable characters"),
            Fault("clusterId", "must not be given together with cluster"),
        ],
    )
    assert (await read_agents(database), await count_admitted(database, made.profile.id)) == ([], 0)


async def test_enroll_when_a_host_is_known_by_its_metadata(database: Database, clock: FakeClock) -> None:
    """Two agents on one host share its node."""
    made = await offer(database, clock.now())
    first = await enroll(database, clock.now(), made.profile.id, installation(1))
    second = await enroll(database, clock.advance(seconds=1), made.profile.id, installation(2, host_id="srv-1"))
    assert (first.agent.node_id, first.agent.id) == (second.agent.node_id, second.agent.id - 1)
    async with database.read() as tx:
        assert await get_agent(tx, ORGANIZATION, second.agent.id) == second.agent
    assert clock.now() - first.agent.enroll_time == timedelta(seconds=1)
