from typing import Any

import pytest

from lumetry_core.endpoints.model import AlertState, Config, EndpointType, Progress, Source, Status
from lumetry_core.endpoints.sealing import open_headers
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.topology.draft import NodeDraft
from lumetry_core.topology.service.editing import create_node
from lumetry_core.topology.store.references import list_references
from tests.core.endpoints.world import CALLER, ORGANIZATION, OTHER, RULES, World, result


async def fail(action: Any) -> tuple[Reason, str, tuple[Fault, ...]]:
    with pytest.raises(LumetryError) as failure:
        await action
    return failure.value.reason, failure.value.metadata.get("code", ""), failure.value.faults


async def test_create_fills_defaults_in_and_tells(world: World) -> None:
    """A name and a target are enough; it is due at once, and told as discovered."""
    created = await world.create()
    assert await world.read(created) == created
    assert (created.source, created.name, created.progress, created.is_active) == (Source.STANDALONE, "shop", Progress(), True)
    assert created.config == Config(endpoint_type=EndpointType.HTTP, target="http://shop.test/")
    assert (created.config.interval_seconds, created.config.timeout_seconds) == (30, 10)
    assert await world.told() == [
        ("endpoint.discovered", {"endpoint_id": created.id, "container_name": "", "endpoint_type": "http", "target": "http://shop.test/"})
    ]
    assert [claim.endpoint.id for claim in await world.claim()] == [created.id]


@pytest.mark.parametrize(
    ("draft", "kind", "seconds"),
    [
        ({"target": "db.test:5432"}, EndpointType.TCP, 10),
        ({"target": "[::1]:80", "interval_seconds": 5}, EndpointType.TCP, 5),
        ({"target": "https://shop.test:8443/a?b=c", "timeout_seconds": 30}, EndpointType.HTTP, 30),
    ],
)
async def test_create_reads_the_type_from_the_target(world: World, draft: dict[str, Any], kind: EndpointType, seconds: int) -> None:
    """Without a scheme it is TCP; the timeout is ten seconds or the interval."""
    created = await world.create(**draft)
    assert (created.config.endpoint_type, created.config.timeout_seconds) == (kind, seconds)


async def test_create_names_every_fault(world: World) -> None:
    """One answer tells all that is wrong, and nothing is stored."""
    told = await fail(
        world.create(
            name=" ",
            target="ftp://shop.test/",
            endpoint_type="udp",
            interval_seconds=4,
            timeout_seconds=0,
            failure_threshold=0,
            recovery_threshold=101,
            method="BREW",
            expected_status="2xx,",
            headers={"X A": "b", "X-B": "a\r\nc", "Content-Length": "1", "X-C": "•••"},
            max_redirects=21,
            topology_node_id=99,
        )
    )
    reason, code, faults = told
    assert (reason, code) == (Reason.VALIDATION_FAILED, "")
    assert {fault.path for fault in faults} == {
        "name",
        "target",
        "endpoint_type",
        "interval",
        "timeout",
        "failure_threshold",
        "recovery_threshold",
        "method",
        "expected_status",
        "headers",
        "headers.X-B",
        "headers.Content-Length",
        "headers.X-C",
        "max_redirects",
        "topology_node_id",
    }
    assert await world.claim() == []


@pytest.mark.parametrize(
    ("draft", "message"),
    [
        ({"name": None}, "is required"),
        ({"target": None}, "is required"),
        ({"target": "shop.test"}, "must be host:port with a port between 1 and 65535"),
        ({"target": "shop.test:0"}, "must be host:port with a port between 1 and 65535"),
        ({"target": "shop.test:65536"}, "must be host:port with a port between 1 and 65535"),
        ({"target": "a b:80"}, "must be host:port with a port between 1 and 65535"),
        ({"target": "http://shop.test/", "endpoint_type": "tcp"}, "must be host:port with a port between 1 and 65535"),
        ({"target": "shop.test:80", "endpoint_type": "http"}, "must be an absolute http or https URL"),
        ({"target": "http://user:word@shop.test/"}, "must not hold a user name or password"),
        ({"target": "http://" + "a" * 2048}, "must have at most 2048 characters"),
        ({"interval_seconds": 86_401}, "must be between 5 s and 86400 s"),
        ({"timeout_seconds": 31}, "must be between 1 s and the interval"),
        ({"name": "a" * 256}, "must have between 1 and 255 characters"),
    ],
)
async def test_create_refuses(world: World, draft: dict[str, Any], message: str) -> None:
    """Each limit of the contract."""
    reason, code, faults = await fail(world.create(**draft))
    assert (reason, code, [fault.message for fault in faults]) == (Reason.VALIDATION_FAILED, "", [message])


@pytest.mark.parametrize("target", ["http://169.254.169.254/", "http://2852039166/", "[fd00:ec2::23]:80", "198.18.0.1:80"])
async def test_create_refuses_forbidden_targets_by_their_code(world: World, target: str) -> None:
    """When nothing else is wrong, the code says so."""
    reason, code, [fault] = await fail(world.create(target=target))
    assert (reason, code, fault.path) == (Reason.VALIDATION_FAILED, "url_not_allowed", "target")


async def test_names_are_unique_in_an_organization_ignoring_case(world: World) -> None:
    """Another organization may use the same name."""
    first = await world.create()
    second = await world.create(name="other")
    assert (await fail(world.create(name="SHOP")))[0] is Reason.DUPLICATE_NAME
    assert (await fail(world.update(second, name="Shop")))[0] is Reason.DUPLICATE_NAME
    assert (await world.update(first, name="SHOP")).name == "SHOP"
    assert (await world.create(OTHER)).organization_id == 8


async def test_secret_headers_are_sealed_masked_and_kept(world: World) -> None:
    """Values of secret headers are shown to nobody; `•••` keeps them, another value replaces them, absence keeps all."""
    headers = {"Authorization": "Bearer x", "X-Api-Key": "k", "X-Shop": "1"}
    created = await world.create(headers=headers)
    assert created.config.headers == {"Authorization": "•••", "X-Api-Key": "•••", "X-Shop": "1"}
    assert open_headers(created, RULES.vault) == headers
    assert created.sealed is not None
    assert b"Bearer" not in created.sealed
    kept = await world.update(created, headers={"authorization": "•••", "X-Api-Key": "n"})
    assert open_headers(kept, RULES.vault) == {"authorization": "Bearer x", "X-Api-Key": "n"}
    assert open_headers(await world.update(created, interval_seconds=60), RULES.vault) == {"authorization": "Bearer x", "X-Api-Key": "n"}
    assert (await world.update(created, headers={})).sealed is None


async def test_update_keeps_what_is_not_sent(world: World) -> None:
    """Only the interval changes; the check is due at once and the change told with the whole endpoint."""
    created = await world.create(expected_status="200", max_redirects=0, tls_verify=False)
    await world.check("+")
    await world.told()
    changed = await world.update(created, interval_seconds=60)
    assert changed.config == Config(
        endpoint_type=EndpointType.HTTP,
        target="http://shop.test/",
        interval_seconds=60,
        expected_status="200",
        max_redirects=0,
        tls_verify=False,
    )
    assert (changed.progress.status, changed.progress.consecutive_successes) == (Status.UP, 1)
    [(name, data)] = await world.told()
    assert (name, data["config"]["interval"], data["status"], data["name"]) == ("endpoint.updated", "1m", "up", "shop")
    assert len(await world.claim()) == 1


@pytest.mark.parametrize(
    "draft", [{"target": "http://other.test/"}, {"method": "HEAD"}, {"expected_status": "204"}, {"target": "shop.test:80"}]
)
async def test_update_to_another_check_starts_anew(world: World, draft: dict[str, Any]) -> None:
    """What was found says nothing of it: counters and status are reset and the alert ends."""
    created = await world.create()
    await world.check("---")
    assert len(await world.alerts(created)) == 1
    changed = await world.update(created, **draft)
    progress = (await world.read(changed)).progress
    assert (progress.status, progress.alert_state, progress.consecutive_failures) == (Status.UNKNOWN, AlertState.NORMAL, 0)
    assert await world.alerts(created) == []


async def test_update_voids_the_check_under_way(world: World) -> None:
    """A result of the check as it was counts no more."""
    created = await world.create()
    [claim] = await world.claim()
    await world.update(created, target="http://other.test/")
    assert await world.record((claim, result(world.clock.now(), ok=False))) == 0
    assert (await world.read(created)).progress == Progress()


async def test_delete_ends_alerts_and_tells(world: World) -> None:
    """Nothing of it is left to see, and a check under way counts no more."""
    created = await world.create()
    await world.check("---")
    [claim] = await world.claim()
    await world.told()
    await world.delete(created)
    assert await world.alerts(created) == []
    assert await world.told() == [("endpoint.removed", {"endpoint_id": created.id, "container_name": "", "reason": "deleted"})]
    assert (await fail(world.read(created)))[0] is Reason.NOT_FOUND
    assert await world.record((claim, result(world.clock.now(), ok=False))) == 0


async def test_others_see_nothing(world: World) -> None:
    """An endpoint of another organization does not exist."""
    created = await world.create()
    for action in (world.read(created, OTHER), world.update(created, OTHER, name="x"), world.delete(created, OTHER)):
        assert (await fail(action))[0] is Reason.NOT_FOUND


async def test_label_endpoints_are_not_written_by_people(world: World) -> None:
    """Their label owns them."""
    [endpoint] = await world.label({"lumetry.endpoint.http": "http://shop.test/"})
    for action in (world.update(endpoint, name="x"), world.delete(endpoint)):
        assert (await fail(action))[:2] == (Reason.CONFLICT, "not_standalone")


async def test_topology_node_is_referred_to(world: World) -> None:
    """A node that an endpoint names cannot be deleted; null takes it away, absence keeps it."""
    async with world.database.write() as tx:
        draft = NodeDraft(external_id="shop", node_type="Component", display_name="Shop")
        node = await create_node(tx, CALLER, draft, world.clock.now())
    created = await world.create(topology_node_id=node.id)

    async def references() -> list[tuple[str, int]]:
        async with world.database.read() as tx:
            return await list_references(tx, ORGANIZATION, node.id)

    assert (created.topology_node_id, await references()) == (node.id, [("Endpoint", created.id)])
    assert (await world.update(created, interval_seconds=60)).topology_node_id == node.id
    assert (await world.update(created, clears_topology_node=True)).topology_node_id is None
    assert await references() == []
