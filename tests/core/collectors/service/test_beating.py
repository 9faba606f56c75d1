"""Taking heartbeats in: `lumetry_core.collectors.service.beating` and what it tells."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lumetry_core.access.service.credentials import issue_collector_credential
from lumetry_core.access.store.credentials import list_live_locked
from lumetry_core.collectors.config import Config
from lumetry_core.collectors.model import ApplyStatus, Collector, Status, is_online
from lumetry_core.collectors.service import administering
from lumetry_core.collectors.service.beating import Arrival, check_heartbeat, record_heartbeats
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, Faults, LumetryError
from tests.conftest import FakeClock
from tests.core.collectors.making import (
    ADMIN,
    FIRST,
    ORGANIZATION,
    SECOND,
    THIRD,
    collecting_as,
    create,
    make_beat,
    read,
    read_activity,
    read_troubles,
    send,
    settle,
)


async def configure(database: Database, clock: FakeClock, collector: Collector, interval: int = 20) -> Collector:
    async with database.write() as tx:
        wanted = Config(heartbeat_interval_seconds=interval)
        return await administering.update_config(tx, ADMIN, collector.id, wanted, clock.now())


async def test_heartbeat_is_stored(database: Database, clock: FakeClock) -> None:
    """What the heartbeat tells is what lists show."""
    collector = await settle(database, clock)
    now = clock.advance(seconds=30)
    after = await send(database, now, collector, make_beat(now, send_time=now - timedelta(seconds=2)))
    assert after == replace(
        collector,
        last_seen_time=now,
        queue_depth=10,
        dropped_count=3,
        clock_skew_ms=-2000,
        config_revision_applied=1,
        config_apply_status=ApplyStatus.APPLIED,
        instance_id=FIRST,
        instance_time=now,
    )
    assert await read(database, collector) == after


async def test_heartbeats_that_change_little_and_much_are_stored_whole(database: Database, clock: FakeClock) -> None:
    """One with new figures alone, one of a new version, and two of one collector whose second says what is stored already."""
    steady, updated, hasty = [await settle(database, clock, name) for name in ("Steady", "Updated", "Hasty")]
    for collector in (steady, updated, hasty):
        await send(database, clock.now(), collector, make_beat(clock.now()))
    now = clock.advance(seconds=30)
    beats = [
        (steady, make_beat(now, queue_depth=4)),
        (updated, make_beat(now, version="0.2.0", queue_depth=5)),
        (hasty, make_beat(now, version="0.2.0")),
        (hasty, make_beat(now, queue_depth=6)),
    ]
    async with database.write() as tx:
        arrivals = [Arrival(collecting_as(collector), beat, now) for collector, beat in beats]
        outcomes = await record_heartbeats(tx, arrivals, now)
    assert [await read(database, collector) for collector in (steady, updated, hasty)] == [outcomes[0], outcomes[1], outcomes[3]]
    told = [(after.version, after.queue_depth, after.last_seen_time) for after in outcomes if after is not None]
    assert told == [("0.1.0", 4, now), ("0.2.0", 5, now), ("0.2.0", 10, now), ("0.1.0", 6, now)]


async def test_heartbeats_of_a_group_are_judged_in_order(database: Database, clock: FakeClock) -> None:
    """Several collectors, organizations and heartbeats of one collector share a transaction; who may not report is told so."""
    web, mail = await settle(database, clock), await settle(database, clock, "Mail")
    pending = (await create(database, clock, "Pending")).collector
    stranger = replace(web, organization_id=8)
    now = clock.now()
    arrivals = [
        Arrival(collecting_as(web), make_beat(now, queue_depth=1), now),
        Arrival(collecting_as(pending), make_beat(now), now),
        Arrival(collecting_as(mail), make_beat(now), now),
        Arrival(collecting_as(stranger), make_beat(now), now),
        Arrival(collecting_as(web), make_beat(now, queue_depth=2), now),
    ]
    async with database.write() as tx:
        outcomes = await record_heartbeats(tx, arrivals, now)
    assert [None if outcome is None else (outcome.name, outcome.queue_depth) for outcome in outcomes] == [
        ("Web", 1),
        None,
        ("Mail", 10),
        None,
        ("Web", 2),
    ]
    assert await read(database, web) == outcomes[4]
    assert await read(database, pending) == pending
    assert sorted(await read_activity(database))[-2:] == [("online", "Collector Mail is online"), ("online", "Collector Web is online")]


async def test_heartbeat_that_is_stored_late_does_not_turn_back_time(database: Database, clock: FakeClock) -> None:
    """Of two processes the slower one does not make a collector look older."""
    collector = await settle(database, clock)
    now = clock.advance(seconds=30)
    await send(database, now, collector, make_beat(now))
    after = await send(database, now - timedelta(seconds=5), collector, make_beat(now))
    assert after is not None
    assert after.last_seen_time == now


def test_check_heartbeat_names_every_fault(clock: FakeClock) -> None:
    """All faults come in one answer."""
    faults = Faults()
    wrong = make_beat(
        clock.now(),
        "1",
        queue_depth=-1,
        dropped_count=-1,
        config_revision_applied=-1,
        config_apply_status="no",
        config_apply_error="x" * 1001,
    )
    check_heartbeat(wrong, faults)
    with pytest.raises(LumetryError) as caught:
        faults.raise_if_any()
    assert caught.value.faults == (
        Fault("instanceId", "must be a UUID"),
        Fault("queueDepth", "must not be negative"),
        Fault("droppedCount", "must not be negative"),
        Fault("configRevisionApplied", "must not be negative"),
        Fault("configApplyStatus", "must be applied or rejected"),
        Fault("configApplyError", "must have at most 1000 characters"),
    )


def test_check_heartbeat_makes_errors_storable(clock: FakeClock) -> None:
    """What a collector says of a fault may have several lines."""
    assert check_heartbeat(make_beat(clock.now(), config_apply_error="a\nb\0"), Faults()).config_apply_error == "a\ufffdb\ufffd"


async def test_heartbeat_acknowledges_a_configuration(database: Database, clock: FakeClock) -> None:
    """The last revision applied or rejected is kept and told once; a heartbeat that reports none changes nothing."""
    collector = await settle(database, clock)
    now = clock.now()
    await send(database, now, collector, make_beat(now))
    await configure(database, clock, collector)

    def acknowledgement(found: Collector | None) -> tuple[object, ...]:
        assert found is not None
        return found.config_revision, found.config_revision_applied, found.config_apply_status, found.config_apply_error

    rejected = make_beat(now, config_revision_applied=2, config_apply_status="rejected", config_apply_error="port 4319 is taken")
    for _ in range(2):
        found = await send(database, now, collector, rejected)
        assert acknowledgement(found) == (2, 2, ApplyStatus.REJECTED, "port 4319 is taken")
    found = await send(database, now, collector, make_beat(now, config_revision_applied=0))
    assert acknowledgement(found) == (2, 2, ApplyStatus.REJECTED, "port 4319 is taken")
    await configure(database, clock, collector)
    found = await send(database, now, collector, make_beat(now, config_revision_applied=3))
    assert acknowledgement(found) == (3, 3, ApplyStatus.APPLIED, "")
    assert (await read_activity(database))[-3:] == [
        ("online", "Collector Web is online"),
        ("config_rejected", "Collector Web rejected configuration 2"),
        ("config_applied", "Collector Web applied configuration 3"),
    ]


async def test_heartbeat_interval_changes_when_the_collector_keeps_the_new_one(database: Database, clock: FakeClock) -> None:
    """A shorter interval makes nobody offline who does not know of it, a longer one gives time at once."""
    collector = await settle(database, clock)
    now = clock.now()
    await send(database, now, collector, make_beat(now))
    await configure(database, clock, collector, 10)
    assert is_online(await read(database, collector), now + timedelta(seconds=90))
    await send(database, now, collector, make_beat(now, config_revision_applied=2))
    assert is_online(await read(database, collector), now + timedelta(seconds=30))
    assert not is_online(await read(database, collector), now + timedelta(seconds=31))
    await configure(database, clock, collector, 300)
    assert is_online(await read(database, collector), now + timedelta(seconds=900))


async def test_heartbeat_notes_the_credential_in_use(database: Database, clock: FakeClock) -> None:
    """Its age is that of the credential that the collector uses, not that of the newest one issued."""
    collector = await settle(database, clock)
    issued = clock.now()
    async with database.write() as tx:
        [old] = await list_live_locked(tx, ORGANIZATION, collector.id, issued)
        await issue_collector_credential(tx, ORGANIZATION, collector.id, clock.advance(days=90))
        [_, new] = await list_live_locked(tx, ORGANIZATION, collector.id, clock.now())
    now = clock.now()
    after = await send(database, now, collector, make_beat(now), old.id)
    assert after is not None
    assert (after.credential_id, after.credential_time) == (old.id, issued)
    after = await send(database, now, collector, make_beat(now), new.id)
    assert after is not None
    assert (after.credential_id, after.credential_time) == (new.id, now)


@pytest.mark.parametrize("instances", [(FIRST, SECOND), (FIRST, SECOND, THIRD)], ids=["two", "three"])
async def test_heartbeats_of_clones_raise_an_alert_until_one_is_alone(
    database: Database, clock: FakeClock, instances: tuple[str, ...]
) -> None:
    """Instances that take turns are suspected once and told of once, whatever they say of the configuration."""
    collector = await settle(database, clock)
    await configure(database, clock, collector, 30)
    for _ in range(3):
        for revision, instance_id in enumerate(instances):
            now = clock.advance(seconds=10)
            after = await send(database, now, collector, make_beat(now, instance_id, config_revision_applied=1 + revision))
    assert after is not None
    assert after.status is Status.DUPLICATE_SUSPECTED
    assert await read_troubles(database) == [("CollectorDuplicateSuspected", "Open")]
    for _ in range(19):
        now = clock.advance(seconds=30)
        after = await send(database, now, collector, make_beat(now, instances[-1]))
        assert after is not None
        assert after.status is Status.DUPLICATE_SUSPECTED
    now = clock.advance(seconds=30)
    after = await send(database, now, collector, make_beat(now, instances[-1]))
    assert after == await read(database, collector)
    assert after.status is Status.ACTIVE
    assert await read_troubles(database) == [("CollectorDuplicateSuspected", "Closed")]
    assert len(await read_activity(database)) <= 2 + len(instances)


async def test_heartbeat_of_a_revoked_collector_is_refused(database: Database, clock: FakeClock) -> None:
    """Nothing of it is kept."""
    collector = await settle(database, clock)
    async with database.write() as tx:
        after = await administering.revoke(tx, ADMIN, collector.id, clock.now())
    assert await send(database, clock.now(), collector, make_beat(clock.now())) is None
    assert await read(database, collector) == after
