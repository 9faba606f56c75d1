import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from lumetry_core.access.service.settings import update_settings
from lumetry_core.access.settings import SettingsChange
from lumetry_core.collectors.service import administering as collectors
from lumetry_core.hostagents.drafts import Change, check_beat
from lumetry_core.hostagents.model import HostAgent, Pack, State, Transport, state_of
from lumetry_core.hostagents.packs import choose_packs
from lumetry_core.hostagents.service.administering import revoke_agent, update_agent
from lumetry_core.hostagents.service.beating import Answer, BeatAppender, Submission, record_beats
from lumetry_core.hostagents.service.clusters import create_cluster
from lumetry_core.hostagents.service.reading import get_agent
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ADMIN, ORGANIZATION, of_agent
from tests.core.hostagents.making import (
    BEAT,
    SETTINGS,
    add_collector,
    enroll,
    installation,
    offer,
    read_actions,
    read_activity,
    read_senders,
    send,
    set_relay,
)


async def settle(database: Database, clock: FakeClock, count: int = 1, **profile: Any) -> list[HostAgent]:
    made = await offer(database, clock.now(), **profile)
    relay = made.profile.required_collector_id
    return [(await enroll(database, clock.now(), made.profile.id, installation(number + 1), relay=relay)).agent for number in range(count)]


async def read(database: Database, agent: HostAgent) -> HostAgent:
    async with database.read() as tx:
        return await get_agent(tx, agent.organization_id, agent.id)


async def test_record_beats_notes_what_agents_say(database: Database, clock: FakeClock) -> None:
    """Many in one transaction; each is told what is wanted of it. Nothing is audited, the first one is news."""
    agents = await settle(database, clock, 2)
    audited = await read_actions(database, "Agent")
    now = clock.advance(seconds=5)
    beat = replace(BEAT, version="2.0", packs=(Pack("host.linux", 1),), detected_software=("nginx",))
    told = await send(database, now, agents, beat)
    answer = Answer(now, True, 1, choose_packs({}, "linux", ["nginx"]), {}, 2000)
    assert told == [answer, answer]
    for agent in agents:
        stored = await read(database, agent)
        assert stored == replace(
            agent,
            version="2.0",
            last_seen_time=now,
            contact_time=now,
            queue_depth=3,
            dropped_count=1,
            series_count=42,
            series_dropped=2,
            packs=(Pack("host.linux", 1),),
            detected_software=("nginx",),
            config=stored.config,
        )
    assert await read_actions(database, "Agent") == audited
    assert await send(database, clock.advance(seconds=60), agents, beat) == [replace(answer, server_time=clock.now())] * 2
    online = [("online", f"Agent on web-{number} is online", f"srv-{number}") for number in (1, 2)]
    assert (await read_activity(database))[2:] == online


async def test_record_beats_twice_of_one_agent(database: Database, clock: FakeClock) -> None:
    """What waited together counts in its order, and is news once."""
    [agent] = await settle(database, clock)
    submissions = [Submission(of_agent(agent.id), replace(BEAT, queue_depth=depth)) for depth in (9, 4)]
    appender = BeatAppender(database, clock, SETTINGS)
    asked = [asyncio.create_task(appender.append(submission)) for submission in submissions]
    running = asyncio.create_task(appender.run())
    answers = await asyncio.gather(*asked)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert [answer.config_revision for answer in answers] == [1, 1]
    assert (await read(database, agent)).queue_depth == 4
    assert [action for action, _, _ in await read_activity(database)] == ["enrolled", "online"]
    with pytest.raises(LumetryError) as failure:
        await appender.append(submissions[0])
    assert failure.value.reason is Reason.STORE_UNAVAILABLE


async def test_record_beats_when_what_is_wanted_changes(database: Database, clock: FakeClock) -> None:
    """The revision moves with packs, labels and the limit of series, and with nothing else; ingestion hears of both."""
    [agent] = await settle(database, clock)
    revisions = []

    async def beat(**fields: object) -> Answer:
        [answer] = await send(database, clock.advance(seconds=60), [agent], replace(BEAT, **fields))  # type: ignore[arg-type]
        assert isinstance(answer, Answer)
        revisions.append(answer.config_revision)
        return answer

    await beat()
    await beat(queue_depth=7)
    await beat(detected_software=("postgres",))
    async with database.write() as tx:
        cluster = await create_cluster(tx, ADMIN, "Web", "web", clock.now())
        await update_agent(tx, ADMIN, agent.id, Change(True, cluster.id, ()), SETTINGS, clock.now())
    assert (await beat(detected_software=("postgres",))).labels == {"host.group": "web"}
    async with database.write() as tx:
        await update_settings(tx, ADMIN, SettingsChange({"agents_max_series": 500}), SETTINGS, clock.now())
    assert (await beat(detected_software=("postgres",))).max_series == 500
    sender = (await read_senders(database))[agent.id]
    assert (sender.max_series, sender.host_group) == (500, "web")
    async with database.write() as tx:
        await update_agent(tx, ADMIN, agent.id, Change(False, cluster.id, ()), SETTINGS, clock.now())
    assert not (await beat(detected_software=("postgres",))).is_enabled
    assert revisions == [1, 1, 2, 3, 4, 4]
    assert state_of(await read(database, agent), clock.now()) is State.DISABLED


async def test_record_beats_through_a_relay(database: Database, clock: FakeClock) -> None:
    """What the call shows counts, not what the agent says; a collector that is unknown or cannot relay relays nothing."""
    [agent] = await settle(database, clock)
    collector_id = await add_collector(database, clock.now())
    for relay, transport, shown in (
        (collector_id.upper(), Transport.COLLECTOR, collector_id),
        (None, Transport.DIRECT, None),
        ("d97e2b99-81bd-43aa-823d-dc5f78cd5429", Transport.DIRECT, None),
    ):
        await send(database, clock.now(), [agent], replace(BEAT, transport="Collector"), relay)
        stored = await read(database, agent)
        assert (stored.transport, stored.collector_id) == (transport, shown)
    for number, other in enumerate(({"enrolls": False}, {"relays": False})):
        other_id = await add_collector(database, clock.now(), f"Other {number}", **other)
        await send(database, clock.now(), [agent], BEAT, other_id)
        assert (await read(database, agent)).transport is Transport.DIRECT
    async with database.write() as tx:
        await collectors.revoke(tx, ADMIN, collector_id, clock.now())
    await send(database, clock.now(), [agent], BEAT, collector_id)
    assert (await read(database, agent)).transport is Transport.DIRECT


async def test_record_beats_through_a_required_relay_that_is_switched_off(database: Database, clock: FakeClock) -> None:
    """The agent is refused until its collector relays again."""
    collector_id = await add_collector(database, clock.now())
    [agent] = await settle(database, clock, 1, required_collector_id=collector_id)
    told = []
    for relays in (False, True):
        await set_relay(database, clock.now(), collector_id, relays=relays)
        told += await send(database, clock.now(), [agent], BEAT, collector_id)
    assert isinstance(told[0], LumetryError)
    assert told[0].reason is Reason.RELAY_REQUIRED
    assert isinstance(told[1], Answer)


async def test_record_beats_with_faults(database: Database, clock: FakeClock) -> None:
    """Who is refused anyway hears that and nothing of the faults; the faults of one are nothing to the others."""
    collector_id = await add_collector(database, clock.now())
    [bound] = await settle(database, clock, 1, required_collector_id=collector_id)
    made = await offer(database, clock.now())
    agents = [(await enroll(database, clock.now(), made.profile.id, installation(number))).agent for number in (2, 3)]
    faults = Faults()
    check_beat(replace(BEAT, queue_depth=-1), faults)
    callers = [of_agent(bound.id), of_agent(99), of_agent(agents[0].id)]
    submissions = [*(Submission(caller, BEAT, faults) for caller in callers), Submission(of_agent(agents[1].id), BEAT)]
    async with database.write() as tx:
        told = await record_beats(tx, submissions, SETTINGS, clock.now())
    reasons = [answer.reason if isinstance(answer, LumetryError) else None for answer in told]
    assert reasons == [Reason.RELAY_REQUIRED, Reason.UNAUTHENTICATED, Reason.VALIDATION_FAILED, None]
    assert [(await read(database, agent)).last_seen_time for agent in agents] == [None, clock.now()]


async def test_record_beats_that_are_refused(database: Database, clock: FakeClock) -> None:
    """A revoked agent, one that is unknown, one of another organization and one that bypasses its relay; the others are noted."""
    collector_id = await add_collector(database, clock.now())
    bound = (await settle(database, clock, 1, required_collector_id=collector_id))[0]
    made = await offer(database, clock.now())
    agents = [(await enroll(database, clock.now(), made.profile.id, installation(number))).agent for number in (2, 3)]
    async with database.write() as tx:
        await revoke_agent(tx, ADMIN, agents[0].id, clock.now())
    strange = [replace(agents[1], id=99), replace(agents[1], organization_id=8)]
    told = await send(database, clock.advance(seconds=60), [bound, *agents, *strange])
    reasons = [answer.reason if isinstance(answer, LumetryError) else None for answer in told]
    unknown = Reason.UNAUTHENTICATED
    assert reasons == [Reason.RELAY_REQUIRED, unknown, None, unknown, unknown]
    assert isinstance(told[0], LumetryError)
    assert told[0].metadata == {"collector_id": collector_id}
    assert (await read(database, bound)).last_seen_time is None
    assert (await read(database, agents[1])).last_seen_time == clock.now()
    [answer] = await send(database, clock.now(), [bound], BEAT, collector_id)
    assert isinstance(answer, Answer)


async def test_append_of_a_refused_beat_fails(database: Database, clock: FakeClock) -> None:
    """Who is refused hears why, though the others of the group are committed."""
    [agent] = await settle(database, clock)
    appender = BeatAppender(database, clock, SETTINGS)
    running = asyncio.create_task(appender.run())
    good, bad = await asyncio.gather(
        *(appender.append(Submission(of_agent(number, ORGANIZATION), BEAT)) for number in (agent.id, 99)), return_exceptions=True
    )
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert isinstance(good, Answer)
    assert isinstance(bad, LumetryError)
    assert bad.reason is Reason.UNAUTHENTICATED
