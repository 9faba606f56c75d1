from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from lumetry_core.access.model import User
from lumetry_core.access.service.organizations import bootstrap
from lumetry_core.activity.store.items import activity_items
from lumetry_core.collectors.config import Config
from lumetry_core.collectors.model import Collector, Status
from lumetry_core.collectors.service import administering, enrolling, presence
from lumetry_core.collectors.worker import CollectorKeeper
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.collectors.labour import ORGANIZATION, add_collector
from tests.core.collectors.making import INSTALLATION, enrolling_as, make_beat, read_troubles, send
from tests.core.notices.people import add_person, read_inbox, read_told


async def settle(database: Database, clock: FakeClock) -> tuple[User, Collector]:
    """An administrator with a collector that has sent a heartbeat, and another that never has."""
    async with database.write() as tx:
        admin = await bootstrap(tx, clock.now(), "correct horse battery staple")
        assert admin is not None
        await administering.create(tx, system_caller(admin.organization_id), "Pending", clock.now())
        registered = await administering.create(tx, system_caller(admin.organization_id), "Web", clock.now())
        enrolled = await enrolling.enroll(tx, enrolling_as(registered.collector), INSTALLATION, clock.now())
    await beat(database, enrolled.collector, clock.now())
    return admin, enrolled.collector


async def beat(database: Database, collector: Collector, now: datetime) -> None:
    assert await send(database, now, collector, make_beat(now, str(uuid4()))) is not None


async def run(keeper: CollectorKeeper, clock: FakeClock, seconds: int) -> None:
    """Rounds every five seconds."""
    for _ in range(seconds // 5):
        await keeper.tick(clock.advance(seconds=5))


async def read_presence(database: Database) -> list[str]:
    async with database.read() as tx:
        found = select(activity_items.c.action).where(
            activity_items.c.kind == "collector", activity_items.c.action.in_(["online", "offline"])
        )
        return list((await tx.execute(found.order_by(activity_items.c.id))).scalars())


async def test_tick_tells_of_each_outage_once(database: Database, clock: FakeClock) -> None:
    """Three intervals without a heartbeat are told once, to those who manage the infrastructure; the next outage is told anew."""
    admin, collector = await settle(database, clock)
    viewer = await add_person(database, admin.organization_id, "viewer", "Viewer", clock.now())
    seen = clock.now()
    keepers = CollectorKeeper(database), CollectorKeeper(database)
    for keeper in keepers:
        await keeper.tick(clock.now())
    await run(keepers[0], clock, 90)
    assert await read_inbox(database, admin.organization_id, admin.id) == []
    for keeper in keepers:
        await run(keeper, clock, 50)
    [notice] = await read_inbox(database, admin.organization_id, admin.id)
    assert notice.draft == NoticeDraft(
        kind=NoticeKind.COLLECTOR_OFFLINE,
        severity=NoticeSeverity.WARNING,
        title="Collector Web is offline",
        body=f"Its last heartbeat came at {seen:%Y-%m-%dT%H:%M:%SZ}.",
        resource_type="collector",
        resource_id=collector.id,
        link="/collectors",
    )
    assert await read_troubles(database, admin.organization_id) == [("CollectorOffline", "Open")]
    await beat(database, collector, clock.now())
    assert await read_troubles(database, admin.organization_id) == [("CollectorOffline", "Closed")]
    await run(keepers[1], clock, 95)
    assert [kind for kind, _, _ in await read_told(database, admin.organization_id, admin.id)] == ["collector_offline"] * 2
    assert await read_inbox(database, admin.organization_id, viewer) == []
    assert await read_presence(database) == ["online", "offline", "online", "offline"]
    assert await read_troubles(database, admin.organization_id) == [("CollectorOffline", "Closed"), ("CollectorOffline", "Open")]


async def test_tick_after_a_pause_gives_collectors_time(database: Database, clock: FakeClock) -> None:
    """Nobody could be heard while nobody listened: after a pause the time begins anew."""
    admin, _ = await settle(database, clock)
    keeper = CollectorKeeper(database)
    clock.advance(hours=2)
    await keeper.tick(clock.now())
    await run(keeper, clock, 90)
    clock.advance(hours=1)
    await run(keeper, clock, 90)
    clock.advance(hours=-1)
    await run(keeper, clock, 90)
    assert await read_inbox(database, admin.organization_id, admin.id) == []
    await run(keeper, clock, 10)
    assert len(await read_inbox(database, admin.organization_id, admin.id)) == 1


async def test_mark_offline_after_a_heartbeat_changes_nothing(database: Database, clock: FakeClock) -> None:
    """A heartbeat that comes between the look and the notice is not overlooked."""
    admin, collector = await settle(database, clock)
    start = clock.now()
    late = clock.advance(minutes=5)
    async with database.read() as tx:
        [overdue] = await presence.find_overdue(tx, admin.organization_id, start - timedelta(minutes=1), late)
    await beat(database, collector, late)
    async with database.write() as tx:
        await presence.tell_offline(tx, admin.organization_id, [overdue], late)
    assert await read_inbox(database, admin.organization_id, admin.id) == []


@pytest.mark.parametrize(
    ("changes", "is_found"),
    [
        ({}, True),
        ({"status": Status.DUPLICATE_SUSPECTED}, True),
        ({"status": Status.REVOKED}, False),
        ({"offline_time": datetime(2026, 6, 1, 8, 0, tzinfo=UTC)}, False),
        ({"last_seen_time": None}, False),
        ({"heartbeat_interval_seconds": 31}, False),
        ({"config": Config(heartbeat_interval_seconds=31)}, False),
    ],
)
async def test_find_overdue_finds_the_silent_alone(database: Database, clock: FakeClock, changes: dict[str, Any], is_found: bool) -> None:
    """Those whose heartbeats stay away for three intervals, the one that they keep and the one wanted of them; nobody twice."""
    collector = await add_collector(database, clock.now(), **{"heartbeat_interval_seconds": 30, **changes})
    start = clock.now()
    async with database.read() as tx:
        in_time = await presence.find_overdue(tx, ORGANIZATION, start - timedelta(hours=1), clock.advance(seconds=90))
        late = await presence.find_overdue(tx, ORGANIZATION, start - timedelta(hours=1), clock.advance(milliseconds=1))
    assert (in_time, late) == ([], [collector] if is_found else [])
