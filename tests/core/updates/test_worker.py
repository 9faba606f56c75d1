from datetime import timedelta

import pytest

from lumetry_core.alerts.model import AlertState
from lumetry_core.alerts.service.handling import close
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.updates.checking import Inquiry
from lumetry_core.updates.model import Counts, Outcome, Scan, ScanStatus, Target
from lumetry_core.updates.service import choices, scans
from lumetry_core.updates.service.reading import read_schedule, summarize
from lumetry_core.updates.store import findings as finding_store
from tests.conftest import FakeClock
from tests.core.updates.building import World, seen
from tests.registry_double import digest_of


async def test_find_newer_versions(world: World) -> None:
    """A scan compares every running container with its registry, tells what it found, and opens one alert for each."""
    world.registry.push("acme/api", "1.0.0", "1.1.0", "2.0.0-rc1", "latest")
    world.registry.push("acme/db", "16.1-alpine", "16.4-alpine", "17.0")
    ids = await world.run(
        seen("api", world.image("acme/api:1.0.0")),
        seen("db", world.image("acme/db:16.1-alpine")),
        seen("old", world.image("acme/db:16.1-alpine"), state="exited"),
    )
    scan = await world.scan()
    now = world.clock.now()
    assert scan == Scan(scan.id, world.caller.organization_id, ScanStatus.COMPLETED, now, now, 2, 2, 0)
    assert await world.found() == [("api", "1.0.0", "1.1.0", "minor"), ("db", "16.1-alpine", "16.4-alpine", "minor")]
    [shown, _] = await world.updates()
    assert shown.update.latest_digest == digest_of("acme/api:1.1.0")
    assert world.pauses == [1.0]
    [alert, _] = await world.alerts()
    assert (alert.alert_type, alert.entity_id, alert.severity, alert.alert_name) == (
        "update_available",
        ids["api"],
        "Info",
        "Update available: api",
    )
    image = world.image("acme/api")
    assert alert.details == {
        "container_id": f"id-api-{image}:1.0.0",
        "image": image,
        "current_tag": "1.0.0",
        "latest_tag": "1.1.0",
        "update_type": "minor",
        "risk_score": 50,
    }
    events = await world.events()
    assert [kind for kind, _ in events] == ["update.scan_started", "update.detected", "update.detected", "update.scan_completed"]
    assert events[0][1] == {"scan_id": scan.id, "started_at": spell_time(now)}
    assert events[1][1] == {
        **alert.details,
        "container_name": "api",
        "update_command": f"docker pull {image}:1.1.0  # then create the container api anew from it",
        "rollback_command": f"docker pull {image}:1.0.0  # then create the container api anew from it",
    }
    assert events[3][1] == {"scan_id": scan.id, "containers_scanned": 2, "updates_found": 2, "errors": 0}


async def test_find_the_same_again(world: World) -> None:
    """What was found before is neither told nor found anew; a newer tag replaces it in the same alert."""
    world.registry.push("acme/api", "1.0.0", "1.1.0")
    await world.run(seen("api", world.image("acme/api:1.0.0")))
    await world.scan()
    [first] = await world.updates()
    world.clock.advance(hours=1)
    await world.scan()
    assert await world.updates() == [first]
    world.registry.push("acme/api", "2.0.0")
    await world.scan()
    assert await world.found() == [("api", "1.0.0", "2.0.0", "major")]
    [alert] = await world.alerts()
    assert alert.details is not None
    assert (alert.details["latest_tag"], alert.details["risk_score"]) == ("2.0.0", 85)
    assert [data["latest_tag"] for kind, data in await world.events() if kind == "update.detected"] == ["1.1.0", "2.0.0"]


async def test_resolve_when_the_latest_runs(world: World) -> None:
    """A container that was created anew from the latest image is at once not listed, and the next scan ends its alert."""
    world.registry.push("acme/api", "1.0.0", "1.1.0")
    ids = await world.run(seen("api", world.image("acme/api:1.0.0")))
    await world.scan()
    assert await world.run(seen("api", world.image("acme/api:1.1.0"))) == ids
    assert await world.found() == []
    await world.scan()
    assert await world.alerts() == []
    async with world.database.read() as tx:
        [row] = await finding_store.list_of_container(tx, world.caller.organization_id, ids["api"])
        assert (row.resolve_time, await summarize(tx, world.caller.organization_id)) == (world.clock.now(), Counts(up_to_date=1))


async def test_compare_digests(world: World) -> None:
    """A tag that means something else now is an update; what runs is known from the host, else from the first scan."""
    world.registry.push("acme/api", "stable", "1.0")
    known = digest_of("acme/api:stable")
    await world.run(
        seen("known", world.image("acme/api:stable"), digest=known),
        seen("unknown", world.image("acme/api:stable")),
        seen("behind", world.image("acme/api:1.0"), digest=digest_of("older")),
    )
    await world.scan()
    assert await world.found() == [("behind", "1.0", "1.0", "digest_only")]
    world.registry.push("acme/api", "stable", content="newer")
    await world.scan()
    assert await world.found() == [
        ("behind", "1.0", "1.0", "digest_only"),
        ("known", "stable", "stable", "digest_only"),
        ("unknown", "stable", "stable", "digest_only"),
    ]
    shown = {each.target.name: each.update for each in await world.updates()}
    assert (shown["unknown"].current_digest, shown["unknown"].latest_digest) == (known, digest_of("newer"))
    world.registry.push("acme/api", "stable", content="newest")
    await world.scan()
    assert [data["latest_tag"] for kind, data in await world.events() if kind == "update.detected"] == ["1.0"] + ["stable"] * 4


async def test_obey_labels(world: World) -> None:
    """Labels switch updates off, narrow and redirect them, and choose which of them alert."""
    world.registry.push("acme/api", "1.0.0", "1.0.5", "1.9.0", "2.0.0", "edge")
    image = world.image("acme/api:1.0.0")
    await world.run(
        seen("a-off", image, enabled="false"),
        seen("b-pinned", image, pin="true"),
        seen("c-no-major", image, ignore_major="true"),
        seen("d-within", image, track="1.0"),
        seen("e-quiet", image, alert_on="patch"),
        seen("f-elsewhere", "other.invalid/acme/api:1.0.0", registry=world.registry.host),
        seen("g-digest", image, digest_only="true", digest=digest_of("older")),
        seen("h-edge", image, track="edge", digest=digest_of("older")),
        seen("i-narrow", image, **{"tag-include": "1.*", "tag-exclude": "*.9.*"}),
    )
    await world.scan()
    assert await world.found() == [
        ("c-no-major", "1.0.0", "1.9.0", "minor"),
        ("d-within", "1.0.0", "1.0.5", "patch"),
        ("e-quiet", "1.0.0", "2.0.0", "major"),
        ("f-elsewhere", "1.0.0", "2.0.0", "major"),
        ("g-digest", "1.0.0", "1.0.0", "digest_only"),
        ("h-edge", "1.0.0", "edge", "unknown"),
        ("i-narrow", "1.0.0", "1.0.5", "patch"),
    ]
    assert {alert.entity_name for alert in await world.alerts()} == {
        "c-no-major",
        "d-within",
        "f-elsewhere",
        "g-digest",
        "h-edge",
        "i-narrow",
    }


async def test_count_refusals(world: World) -> None:
    """A registry that refuses counts as an error and changes nothing; one that has had enough is left alone for the rest of the scan."""
    world.registry.push("acme/api", "1.0.0", "1.1.0")
    world.registry.push("acme/web", "1.0.0", "1.1.0")
    await world.run(seen("api", world.image("acme/api:1.0.0")), seen("web", world.image("acme/web:1.0.0")))
    await world.scan()
    found, alerts = await world.found(), await world.alerts()
    world.registry.requests.clear()
    world.registry.faults["acme/api"] = (429, {"Retry-After": "60"})
    scan = await world.scan()
    assert (scan.status, scan.scanned_count, scan.found_count, scan.error_count) == (ScanStatus.COMPLETED, 2, 0, 2)
    assert len(world.registry.requests) == 1
    assert (await world.found(), await world.alerts()) == (found, alerts)


async def test_stay_closed_until_something_newer(world: World) -> None:
    """After a person closed the alert the same tag opens none; a newer one does."""
    world.registry.push("acme/api", "1.0.0", "1.1.0")
    await world.run(seen("api", world.image("acme/api:1.0.0")))
    await world.scan()
    [alert] = await world.alerts()
    async with world.database.write() as tx:
        closed = await close(tx, world.caller, alert.id, "not now", world.clock.now())
    assert closed.state is AlertState.CLOSED
    world.clock.advance(minutes=5)
    await world.scan()
    assert await world.alerts() == []
    world.registry.push("acme/api", "1.2.0")
    await world.scan()
    assert [(each.details or {})["latest_tag"] for each in await world.alerts()] == ["1.2.0"]


async def test_end_with_pins_exclusions_and_containers(world: World) -> None:
    """A pin keeps the update and ends its alert; an exclusion and the end of a container end both."""
    world.registry.push("acme/api", "1.0.0", "1.1.0")
    image = world.image("acme/api:1.0.0")
    await world.run(seen("gone", image), seen("kept", image), seen("other", image))
    await world.scan()
    async with world.database.write() as tx:
        await choices.pin_container(tx, world.caller, f"id-kept-{image}", "tested only with this", world.clock.now())
    await world.run(seen("kept", image), seen("other", image))
    assert [alert.entity_name for alert in await world.alerts()] == ["other"]
    assert [(each.target.name, each.status) for each in await world.updates()] == [("kept", "pinned"), ("other", "available")]
    async with world.database.write() as tx:
        await choices.create_exclusion(tx, world.caller, "*/acme/api", "image", world.clock.now())
    assert await world.alerts() == []
    assert [each.target.name for each in await world.updates()] == ["kept"]
    scan = await world.scan()
    assert scan.scanned_count == 0
    async with world.database.write() as tx:
        await choices.unpin_container(tx, world.caller, f"id-kept-{image}", world.clock.now())
        [exclusion] = await choices.list_exclusions(tx, world.caller.organization_id)
        await choices.delete_exclusion(tx, world.caller, exclusion.id, world.clock.now())
    await world.scan()
    assert sorted(alert.entity_name or "" for alert in await world.alerts()) == ["kept", "other"]


async def test_pin_while_a_scan_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a scan found for a container that was pinned meanwhile is not recorded."""
    world.registry.push("acme/api", "1.0.0", "1.1.0")
    image = world.image("acme/api:1.0.0")
    await world.run(seen("api", image))
    ask = Inquiry.ask

    async def pin_and_ask(inquiry: Inquiry, target: Target, baseline_digest: str | None) -> Outcome:
        async with world.database.write() as tx:
            await choices.pin_container(tx, world.caller, target.external_id, None, world.clock.now())
        return await ask(inquiry, target, baseline_digest)

    monkeypatch.setattr(Inquiry, "ask", pin_and_ask)
    scan = await world.scan()
    assert (scan.found_count, await world.found(), await world.alerts()) == (1, [], [])


async def test_scan_when_it_is_time(world: World, clock: FakeClock) -> None:
    """The first scan is half a minute after the start, the next a day later; the plan survives a restart."""
    world.registry.push("acme/api", "1.0.0")
    await world.run(seen("api", world.image("acme/api:1.0.0")))
    assert not await world.scanner.tick(clock.now())
    assert not await world.scanner.tick(clock.advance(seconds=29))
    assert await world.scanner.tick(clock.advance(seconds=1))
    assert not await world.scanner.tick(clock.advance(hours=23))
    later = world.make_scanner("worker-2")
    assert not await later.tick(clock.advance(minutes=59))
    assert await later.tick(clock.advance(minutes=1))
    async with world.database.read() as tx:
        schedule = await read_schedule(tx, world.caller.organization_id)
    assert (schedule.last_complete_time, schedule.next_time) == (clock.now(), clock.now() + timedelta(hours=24))


async def test_scan_soon_what_was_missed(world: World, clock: FakeClock) -> None:
    """A scan that was due while nothing ran is made up for half a minute after the start."""
    world.registry.push("acme/api", "1.0.0")
    await world.run(seen("api", world.image("acme/api:1.0.0")))
    await world.scanner.tick(clock.now())
    later = world.make_scanner("worker-2")
    assert not await later.tick(clock.advance(days=3))
    assert await later.tick(clock.advance(seconds=30))


async def test_scan_nothing_without_a_runtime(world: World, clock: FakeClock) -> None:
    """While no runtime is connected, or another process watches it, nothing is scanned."""
    world.registry.push("acme/api", "1.0.0")
    await world.run(seen("api", world.image("acme/api:1.0.0")))
    await world.scanner.tick(clock.now())
    world.link.watch(is_watching=False)
    assert not await world.scanner.tick(clock.advance(minutes=5))
    world.link.watch(is_watching=True)
    assert await world.scanner.tick(clock.now())


async def test_fail_interrupted_scans(world: World, clock: FakeClock, database: Database) -> None:
    """A scan whose process was killed is marked failed: at the next start, and where several run when its lease is over."""
    world.registry.push("acme/api", "1.0.0")
    await world.run(seen("api", world.image("acme/api:1.0.0")))
    async with database.write() as tx:
        scan = await scans.start_scan(tx, world.caller, clock.now())
        await scans.take_scan(tx, "worker-0", clock.now())
    if database.is_postgresql:
        await world.scanner.tick(clock.now())
        assert (await world.read_scan(scan.id)).status is ScanStatus.RUNNING
        clock.advance(minutes=5)
    await world.scanner.tick(clock.now())
    assert await world.read_scan(scan.id) == Scan(scan.id, world.caller.organization_id, ScanStatus.FAILED, scan.start_time, clock.now())
    assert (await world.scan()).status is ScanStatus.COMPLETED


async def test_start_one_scan_at_a_time(world: World) -> None:
    """While a scan runs no other is started; another organization's may."""
    async with world.database.write() as tx:
        await scans.start_scan(tx, world.caller, world.clock.now())
    with pytest.raises(LumetryError) as caught:
        async with world.database.write() as tx:
            await scans.start_scan(tx, world.caller, world.clock.now())
    assert caught.value.metadata["code"] == "scan_in_progress"
    async with world.database.write() as tx:
        await scans.start_scan(tx, world.stranger, world.clock.now())


async def test_drop_what_is_old(world: World, clock: FakeClock) -> None:
    """Resolved updates and old scans go after a month; the newest scan stays."""
    world.registry.push("acme/api", "1.0.0", "1.1.0")
    ids = await world.run(seen("api", world.image("acme/api:1.0.0")))
    first = await world.scan()
    await world.run(seen("api", world.image("acme/api:1.1.0")))
    second = await world.scan()
    world.link.watch(is_watching=False)
    await world.scanner.tick(clock.advance(days=31))
    async with world.database.read() as tx:
        assert await finding_store.list_of_container(tx, world.caller.organization_id, ids["api"]) == []
    with pytest.raises(LumetryError):
        await world.read_scan(first.id)
    assert (await world.read_scan(second.id)).status is ScanStatus.COMPLETED
