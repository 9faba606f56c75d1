from dataclasses import replace

from lumetry_core.endpoints.model import AlertState, Filter, Progress, Source, Status
from lumetry_core.endpoints.sealing import open_headers
from lumetry_core.endpoints.service import reading
from lumetry_core.endpoints.service.labels import deactivate_endpoints, pause_endpoints
from tests.core.endpoints.world import ORGANIZATION, OWNER, RULES, World, result

LABELS = {"lumetry.endpoint.http": "http://shop.test/", "lumetry.endpoint.failure-threshold": "2"}


async def test_apply_makes_what_labels_name(world: World) -> None:
    """With everything that is known of the container."""
    [endpoint] = await world.label(LABELS | {"lumetry.endpoint.http.headers": "X-Api-Key=k"})
    assert (endpoint.source, endpoint.name, endpoint.title) == (Source.LABEL, None, "shop http://shop.test/")
    assert (endpoint.owner.container_name, endpoint.owner.label_key, endpoint.owner.external_id, endpoint.owner.orchestration_group) == (
        "shop",
        "lumetry.endpoint.http",
        "c0ffee",
        "web",
    )
    assert (endpoint.config.failure_threshold, endpoint.config.headers) == (2, {"X-Api-Key": "•••"})
    assert open_headers(endpoint, RULES.vault) == {"X-Api-Key": "k"}
    assert await world.names() == ["endpoint.discovered"]


async def test_apply_again_changes_nothing(world: World) -> None:
    """A reconcile keeps counters, the check under way and its schedule."""
    labels = LABELS | {"lumetry.endpoint.http.headers": "X-Api-Key=k"}
    [before] = await world.label(labels)
    await world.check("+")
    [claim] = await world.claim()
    await world.told()
    [after] = await world.label(labels, owner=replace(OWNER, external_id="beef"))
    assert (after.id, after.owner.external_id, after.progress.consecutive_successes) == (before.id, "beef", 1)
    assert await world.told() == []
    assert await world.record((claim, result(world.clock.now()))) == 1


async def test_apply_knows_an_endpoint_by_its_label(world: World) -> None:
    """Another target starts anew, the other prefix is the same label, a label that is gone deactivates."""
    [before] = await world.label(LABELS)
    await world.check("--")
    [after] = await world.label({"maintenant.endpoint.http": "http://other.test/"})
    assert (after.id, after.owner.label_key, after.progress.status, after.progress.alert_state) == (
        before.id,
        "maintenant.endpoint.http",
        Status.UNKNOWN,
        AlertState.NORMAL,
    )
    assert await world.alerts(before) == []
    await world.told()
    assert await world.label({}) == []
    assert await world.told() == [("endpoint.removed", {"endpoint_id": before.id, "container_name": "shop", "reason": "label_removed"})]
    async with world.database.read() as tx:
        assert await reading.list_endpoints(tx, ORGANIZATION, Filter()) == []
        [kept] = await reading.list_endpoints(tx, ORGANIZATION, Filter(includes_inactive=True))
    assert (kept.id, kept.is_active) == (before.id, False)
    [revived] = await world.label(LABELS)
    assert (revived.id, revived.is_active) == (before.id, True)
    assert await world.names() == ["endpoint.discovered"]


async def test_apply_tells_targets_that_cannot_be_checked(world: World) -> None:
    """Nothing is made of them; the others are."""
    labels = {
        "lumetry.endpoint.0.http": "shop.test",
        "lumetry.endpoint.1.tcp": "169.254.169.254:80",
        "lumetry.endpoint.2.tcp": "db.test:5432",
        "lumetry.endpoint.http.expected-status": "fine",
    }
    [endpoint] = await world.label(labels)
    assert (endpoint.config.target, endpoint.config.expected_status) == ("db.test:5432", "2xx")
    told = await world.told()
    error = "target must not lead to 169.254.169.254: it is a metadata address"
    assert [data for name, data in told if name == "endpoint.config_error"] == [
        {
            "endpoint_id": None,
            "container_name": "shop",
            "label_key": "lumetry.endpoint.0.http",
            "error": "target must be an absolute http or https URL",
        },
        {"endpoint_id": None, "container_name": "shop", "label_key": "lumetry.endpoint.1.tcp", "error": error},
    ]


async def test_pause_and_start(world: World) -> None:
    """A stopped container leaves its endpoints unknown and unchecked; as it starts they are checked at once."""
    [endpoint] = await world.label(LABELS)
    await world.check("+")
    [claim] = await world.claim()
    await world.told()
    async with world.database.write() as tx:
        await pause_endpoints(tx, ORGANIZATION, [5], world.clock.now())
    paused = await world.read(endpoint)
    assert (paused.progress.status, paused.progress.last_error, paused.is_paused) == (Status.UNKNOWN, "container stopped", True)
    assert await world.names() == ["endpoint.status_changed"]
    assert await world.record((claim, result(world.clock.now(), ok=False))) == 0
    world.clock.advance(hours=1)
    assert await world.claim() == []
    await world.label(LABELS)
    assert len(await world.claim()) == 1


async def test_apply_to_a_container_that_stands_still(world: World) -> None:
    """Its endpoints are known and not checked."""
    [endpoint] = await world.label(LABELS, is_running=False)
    assert endpoint.progress == Progress(last_error="container stopped")
    assert await world.claim() == []


async def test_deactivate_resolves_alerts(world: World) -> None:
    """A container that is gone takes its endpoints along."""
    [endpoint] = await world.label(LABELS)
    await world.check("--")
    assert len(await world.alerts(endpoint)) == 1
    await world.told()
    async with world.database.write() as tx:
        await deactivate_endpoints(tx, ORGANIZATION, [5], "container_destroyed", world.clock.now())
    assert await world.alerts(endpoint) == []
    assert await world.told() == [
        ("endpoint.removed", {"endpoint_id": endpoint.id, "container_name": "shop", "reason": "container_destroyed"})
    ]
    assert await world.claim() == []
