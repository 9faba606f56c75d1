import msgspec
import pytest

from lumetry_core.feed.registry import EVENT_TYPES, INCIDENT_TYPES, find_unproduced
from lumetry_core.feed.service import ALL, EVERY_ORGANIZATION, hand_over, subscribe, tell, unsubscribe
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import read_after
from lumetry_core.runtime.queue import claim, complete
from tests.conftest import FakeClock

DELETED = ("heartbeat.deleted", {"heartbeat_id": 4})
RECOVERED = ("heartbeat.recovery", {"heartbeat_id": 4, "name": "backup"})


async def items(database: Database, queue: str) -> list[tuple[int, str, object]]:
    """What a queue holds, which is then taken."""
    found = []
    async with database.write() as tx:
        while claimed := await claim(tx, queue):
            found += [(item.organization_id, item.kind, item.payload) for item in claimed]
            await complete(tx, claimed)
    return found


async def test_tell_writes_events_in_order(database: Database, clock: FakeClock) -> None:
    """With the data and the time; without subscribers nothing else happens."""
    async with database.write() as tx:
        await tell(tx, 7, [DELETED, RECOVERED], clock.now())
        await tell(tx, 7, [], clock.now())
    async with database.read() as tx:
        events = await read_after(tx, 7, 0, ["monitoring"], 10)
    assert [(event.kind, msgspec.msgpack.decode(event.subject)) for event in events] == [
        ("heartbeat.deleted", {"heartbeat_id": 4, "timestamp": "2026-06-01T08:00:00Z"}),
        ("heartbeat.recovery", {"heartbeat_id": 4, "name": "backup", "timestamp": "2026-06-01T08:00:00Z"}),
    ]
    assert await items(database, "webhooks") == []


@pytest.mark.parametrize("data", [{}, {"heartbeat_id": 4, "name": "backup"}])
async def test_tell_refuses_data_with_other_keys(database: Database, clock: FakeClock, data: dict[str, object]) -> None:
    """Whoever tells an event tells all of it, as it is documented."""
    async with database.write() as tx:
        with pytest.raises(TypeError, match="has the keys"):
            await tell(tx, 7, [("heartbeat.deleted", data)], clock.now())


async def test_subscribers_get_what_they_want_once(database: Database, clock: FakeClock) -> None:
    """One item for each queue and event, however many subjects want it; others' organizations are theirs."""
    async with database.write() as tx:
        await subscribe(tx, 7, "webhooks", 1, {"heartbeat.deleted"})
        await subscribe(tx, 7, "webhooks", 2, {ALL})
        await subscribe(tx, EVERY_ORGANIZATION, "statuspages", "page", {"heartbeat.deleted"})
        await tell(tx, 7, [DELETED, RECOVERED], clock.now())
        await tell(tx, 8, [DELETED], clock.now())
        await hand_over(tx, 7, [("incident.opened", {"incident_id": 5})], clock.now())
    deleted = {"data": {"heartbeat_id": 4}, "time": "2026-06-01T08:00:00Z"}
    recovered = {"data": {"heartbeat_id": 4, "name": "backup"}, "time": "2026-06-01T08:00:00Z"}
    assert await items(database, "webhooks") == [
        (7, "heartbeat.deleted", deleted),
        (7, "heartbeat.recovery", recovered),
        (7, "incident.opened", {"incident_id": 5}),
    ]
    assert await items(database, "statuspages") == [(7, "heartbeat.deleted", deleted), (8, "heartbeat.deleted", deleted)]


async def test_subscriptions_are_replaced_and_end(database: Database, clock: FakeClock) -> None:
    """What is not wanted any more is not queued."""
    async with database.write() as tx:
        await subscribe(tx, 7, "webhooks", 1, {"heartbeat.deleted"})
        await subscribe(tx, 7, "webhooks", 1, {"heartbeat.recovery"})
        await tell(tx, 7, [DELETED], clock.now())
        await unsubscribe(tx, 7, "webhooks", 1)
        await tell(tx, 7, [RECOVERED], clock.now())
    assert await items(database, "webhooks") == []


def test_unproduced_types_are_found() -> None:
    """Both ways: documented but told by nobody, and told but not documented."""
    assert find_unproduced({*EVENT_TYPES, *INCIDENT_TYPES}) == (set(), set())
    assert find_unproduced({*EVENT_TYPES, *INCIDENT_TYPES, "x.y"} - {"alert.fired"}) == ({"alert.fired"}, {"x.y"})
