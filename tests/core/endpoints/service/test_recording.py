from datetime import UTC, date, datetime, timedelta

from lumetry_core.alerts.model import AlertState as LifeState
from lumetry_core.alerts.service.reading import get_alert
from lumetry_core.endpoints.model import AlertState, Status
from lumetry_core.endpoints.service import reading, recording
from lumetry_core.uptime.model import DayUptime
from tests.core.endpoints.world import ORGANIZATION, OTHER, World, result

LABELS = {"lumetry.endpoint.http": "http://shop.test/", "lumetry.endpoint.failure-threshold": "1"}


async def test_record_tells_every_check_and_every_change(world: World) -> None:
    """The seed's name is told for each check, the change only when there is one."""
    created = await world.create()
    await world.told()
    await world.check("++-")
    told = await world.told()
    assert [name for name, _ in told] == [
        "endpoint.check_result",
        "endpoint.status_changed",
        "endpoint.check_result",
        "endpoint.check_result",
        "endpoint.status_changed",
    ]
    place = {"endpoint_id": created.id, "container_name": "", "target": "http://shop.test/"}
    failed = {"response_time_ms": 12, "http_status": None, "error": "connection refused"}
    assert told[3:] == [
        ("endpoint.check_result", {**place, **failed, "success": False, "status": "down"}),
        ("endpoint.status_changed", {**place, **failed, "previous_status": "up", "new_status": "down"}),
    ]


async def test_record_opens_one_alert_and_resolves_it(world: World) -> None:
    """Three failures raise it, two successes end it; both are told once."""
    created = await world.create()
    await world.told()
    start = world.clock.now()
    await world.check("-----")
    [alert] = await world.alerts(created)
    assert (alert.alert_name, alert.severity, alert.alert_type, alert.entity_name) == (
        "Endpoint down: shop",
        "Critical",
        "consecutive_failure",
        "shop",
    )
    assert alert.trigger_reason == "HTTP http://shop.test/ failed 3 checks in a row: connection refused"
    assert alert.start_time == start + timedelta(seconds=60)
    assert alert.details == {"target": "http://shop.test/", "failures": 5, "threshold": 3, "last_error": "connection refused"}
    assert [name for name in await world.names() if name in ("endpoint.alert", "endpoint.recovery")] == ["endpoint.alert"]
    after = await world.check("++")
    assert (after.progress.status, after.progress.alert_state) == (Status.UP, AlertState.NORMAL)
    assert [name for name in await world.names() if name in ("endpoint.alert", "endpoint.recovery")] == ["endpoint.recovery"]
    async with world.database.read() as tx:
        closed = await get_alert(tx, ORGANIZATION, alert.id)
    assert (closed.state, closed.details) == (LifeState.CLOSED, {**(alert.details or {}), "successes": 2})


async def test_record_opens_the_alert_anew_after_a_person_closed_it(world: World) -> None:
    """The next failed check does, as the threshold is still reached."""
    created = await world.create()
    await world.check("---")
    [first] = await world.alerts(created)
    await world.close(first)
    assert await world.alerts(created) == []
    await world.check("-")
    [second] = await world.alerts(created)
    assert second.id != first.id


async def test_alert_of_a_label_endpoint_correlates_by_its_container(world: World) -> None:
    """So that it joins the incident of the container that fails with it."""
    [endpoint] = await world.label(LABELS)
    await world.check("-")
    [alert] = await world.alerts(endpoint)
    assert (alert.entity_name, alert.subject_type, alert.subject_id) == ("shop http://shop.test/", "container", 5)


async def test_counters_and_states_are_those_of_the_store(world: World) -> None:
    """Whoever works on finds them, as after a restart."""
    await world.create()
    await world.check("--")
    [claim] = await world.claim()
    assert claim.endpoint.progress.consecutive_failures == 2


async def test_claim_is_exclusive_until_it_ends(world: World) -> None:
    """Nobody else gets the check; when its lease is over, somebody does, and the first result is void."""
    created = await world.create()
    [first] = await world.claim()
    assert await world.claim() == []
    world.clock.advance(seconds=41)
    [second] = await world.claim()
    assert await world.record((first, result(world.clock.now(), ok=False))) == 0
    assert await world.record((second, result(world.clock.now()))) == 1
    assert (await world.read(created)).progress.status is Status.UP


async def test_release_makes_claims_due_as_planned(world: World) -> None:
    """A process that knows that it is alone needs no lease to end; what the one before began is void."""
    await world.create()
    [first] = await world.claim()
    async with world.database.write() as tx:
        assert await recording.release_claims(tx) == 1
    [second] = await world.claim()
    assert second.planned_time == first.planned_time
    assert await world.record((first, result(world.clock.now()))) == 0


async def test_next_check_is_on_the_grid(world: World) -> None:
    """However late a result comes, the interval holds."""
    await world.create()
    [claim] = await world.claim()
    world.clock.advance(seconds=7)
    await world.record((claim, result(world.clock.now())))
    async with world.database.read() as tx:
        assert await recording.find_next_due(tx) == claim.planned_time + timedelta(seconds=30)


async def test_postpone_gives_back_without_a_trace(world: World) -> None:
    """A fault of ours is no result: nothing is counted, told or stored, and the check is made again."""
    created = await world.create()
    [claim] = await world.claim()
    await world.told()
    due = world.clock.now() + timedelta(seconds=2)
    async with world.database.write() as tx:
        await recording.postpone_checks(tx, [claim], due)
        assert await recording.find_next_due(tx) == due
    after = await world.read(created)
    assert (after.progress, await world.told()) == (created.progress, [])
    assert await world.record((claim, result(world.clock.now(), ok=False))) == 0


async def test_postpone_leaves_alone_what_changed_meanwhile(world: World) -> None:
    """The change has its own check, at once."""
    created = await world.create()
    [claim] = await world.claim()
    await world.update(created, interval_seconds=60)
    async with world.database.write() as tx:
        await recording.postpone_checks(tx, [claim], world.clock.now() + timedelta(hours=1))
    assert len(await world.claim()) == 1


async def test_pull_back_after_the_clock_was_set_back(world: World) -> None:
    """Checks do not wait for the time that it was before."""
    await world.create()
    await world.check("+")
    world.clock.advance(hours=-5)
    async with world.database.write() as tx:
        assert await recording.has_strays(tx, world.clock.now())
        await recording.pull_back(tx, world.clock.now())
        assert not await recording.has_strays(tx, world.clock.now())
    assert len(await world.claim()) == 1


async def test_record_takes_many_at_once(world: World) -> None:
    """Results of one transaction stay apart, also those of the same second."""
    made = [await world.create(name=f"e{number}") for number in range(30)]
    claims = await world.claim()
    assert sorted(claim.endpoint.id for claim in claims) == [endpoint.id for endpoint in made]
    done = [(claim, result(world.clock.now(), ok=claim.endpoint.id % 3 > 0, ms=claim.endpoint.id)) for claim in claims]
    assert await world.record(*done) == 30
    async with world.database.read() as tx:
        states = await reading.find_states(tx, ORGANIZATION, [endpoint.id for endpoint in made])
        recent = await reading.list_recent(tx, ORGANIZATION)
    assert {number: state.status for number, state in states.items()} == {
        endpoint.id: "up" if endpoint.id % 3 > 0 else "down" for endpoint in made
    }
    assert recent == {endpoint.id: (endpoint.id,) for endpoint in made}


async def test_uptime_counts_checks_and_days(world: World) -> None:
    """Windows without checks have none; days hold edges from up to down; checks page newest first."""
    created = await world.create()
    assert await world.uptime(created) == {"1h": None, "24h": None, "7d": None, "30d": None, "90d": None}
    await world.check("+-++-+")
    assert await world.uptime(created) == {"1h": 66.66, "24h": 66.66, "7d": 66.66, "30d": 66.66, "90d": 66.66}
    world.clock.advance(days=3)
    await world.check("+")
    assert await world.uptime(created) == {"1h": 100.0, "24h": 100.0, "7d": 71.42, "30d": 71.42, "90d": 71.42}
    async with world.database.read() as tx:
        days = await reading.list_days(tx, ORGANIZATION, created.id, 4, world.clock.now())
        page = await reading.list_checks(tx, ORGANIZATION, created.id, None, 2, 1)
        since = await reading.list_checks(tx, ORGANIZATION, created.id, datetime(2026, 6, 4, tzinfo=UTC), 50, 0)
    assert days == [
        DayUptime(date(2026, 6, 4), 100.0, 0),
        DayUptime(date(2026, 6, 3), None, 0),
        DayUptime(date(2026, 6, 2), None, 0),
        DayUptime(date(2026, 6, 1), 66.66, 2),
    ]
    assert ([check.result.is_success for check in page.checks], page.total) == ([True, False], 7)
    assert since.total == 1


async def test_states_of_others_are_not_seen(world: World) -> None:
    """Neither states nor counts of another organization."""
    created = await world.create()
    async with world.database.read() as tx:
        assert await reading.find_states(tx, OTHER.organization_id, [created.id]) == {}
        assert await reading.list_states(tx, ORGANIZATION, [created.id, 99]) == {created.id: ("shop", "unknown")}
        assert [await reading.count_endpoints(tx, number) for number in (ORGANIZATION, OTHER.organization_id)] == [1, 0]
