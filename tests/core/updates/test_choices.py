import pytest

from lumetry_core.access.store.audit import select_logs
from lumetry_core.access.trail import AuditFilter
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.paging import Page
from lumetry_core.updates.model import Exclusion, PatternType, Pin
from lumetry_core.updates.service import choices
from tests.core.updates.building import World, seen
from tests.registry_double import digest_of


async def test_pin_by_any_name(world: World) -> None:
    """A container is named by its runtime's id or its own number; pinning again replaces the reason and keeps the time."""
    image = world.image("acme/api:1.0")
    ids = await world.run(seen("api", image, digest=digest_of("x")))
    now = world.clock.now()
    async with world.database.write() as tx:
        first, target = await choices.pin_container(tx, world.caller, f"id-api-{image}", " because ", now)
        second, _ = await choices.pin_container(tx, world.caller, str(ids["api"]), None, world.clock.advance(hours=1))
    assert first == Pin(ids["api"], "1.0", digest_of("x"), "because", now)
    assert (second.reason, second.pin_time) == (None, now)
    told = {"container_id": target.external_id, "container_name": "api", "pinned_tag": "1.0"}
    assert await world.events() == [("update.pinned", told | {"reason": "because"}), ("update.pinned", told | {"reason": None})]


async def test_unpin_twice(world: World) -> None:
    """Ending a pin that is not there changes and tells nothing."""
    ids = await world.run(seen("api", "nginx:1"))
    async with world.database.write() as tx:
        await choices.pin_container(tx, world.caller, str(ids["api"]), None, world.clock.now())
        await choices.unpin_container(tx, world.caller, str(ids["api"]), world.clock.now())
        await choices.unpin_container(tx, world.caller, str(ids["api"]), world.clock.now())
    assert [kind for kind, _ in await world.events()] == ["update.pinned", "update.unpinned"]


async def test_refuse_unknown_containers(world: World) -> None:
    """An unknown container, and one of another organization, is not there."""
    ids = await world.run(seen("api", "nginx:1"))
    own, foreign = ("none", "9" * 40), (str(ids["api"]), "id-api-nginx:1")
    for caller, name in (*((world.caller, name) for name in own), *((world.stranger, name) for name in foreign)):
        with pytest.raises(LumetryError) as caught:
            async with world.database.write() as tx:
                await choices.pin_container(tx, caller, name, None, world.clock.now())
        assert caught.value.reason is Reason.NOT_FOUND


async def test_refuse_a_long_reason(world: World) -> None:
    """A reason of more than 500 characters is refused, before anything is looked for."""
    with pytest.raises(LumetryError) as caught:
        async with world.database.write() as tx:
            await choices.pin_container(tx, world.caller, "none", "x" * 501, world.clock.now())
    assert caught.value.faults == (Fault("reason", "must have at most 500 characters"),)


async def test_exclude_once(world: World) -> None:
    """An exclusion is stored as it is given; the same again is a conflict, the same pattern of another type is not."""
    now = world.clock.now()
    async with world.database.write() as tx:
        first = await choices.create_exclusion(tx, world.caller, "postgres*", "image", now)
        second = await choices.create_exclusion(tx, world.caller, "postgres*", "tag", now)
        await choices.create_exclusion(tx, world.stranger, "postgres*", "tag", now)
    with pytest.raises(LumetryError) as caught:
        async with world.database.write() as tx:
            await choices.create_exclusion(tx, world.caller, "postgres*", "tag", now)
    assert (caught.value.reason, caught.value.metadata["code"]) == (Reason.CONFLICT, "duplicate_exclusion")
    async with world.database.read() as tx:
        listed = await choices.list_exclusions(tx, world.caller.organization_id)
    assert listed == [
        Exclusion(first.id, "postgres*", PatternType.IMAGE, now),
        Exclusion(second.id, "postgres*", PatternType.TAG, now),
    ]


@pytest.mark.parametrize(
    ("pattern", "kind", "code", "paths"),
    [
        ("", "image", "invalid_pattern", ["pattern"]),
        ("[a", "tag", "invalid_pattern", ["pattern"]),
        ("x" * 256, "tag", "invalid_pattern", ["pattern"]),
        ("a", "Image", "invalid_type", ["pattern_type"]),
        ("", "", "invalid_pattern", ["pattern", "pattern_type"]),
    ],
)
async def test_refuse_bad_exclusions(world: World, pattern: str, kind: str, code: str, paths: list[str]) -> None:
    """Everything that is wrong with an exclusion is named, under the code of the first."""
    with pytest.raises(LumetryError) as caught:
        async with world.database.write() as tx:
            await choices.create_exclusion(tx, world.caller, pattern, kind, world.clock.now())
    assert (caught.value.reason, caught.value.metadata["code"]) == (Reason.VALIDATION_FAILED, code)
    assert [fault.path for fault in caught.value.faults] == paths


async def test_delete_an_exclusion(world: World) -> None:
    """An exclusion is removed once; a stranger's is not there."""
    async with world.database.write() as tx:
        made = await choices.create_exclusion(tx, world.caller, "a*", "image", world.clock.now())
    for caller, is_there in ((world.stranger, False), (world.caller, True), (world.caller, False)):
        async with world.database.write() as tx:
            if is_there:
                await choices.delete_exclusion(tx, caller, made.id, world.clock.now())
                continue
            with pytest.raises(LumetryError) as caught:
                await choices.delete_exclusion(tx, caller, made.id, world.clock.now())
            assert caught.value.reason is Reason.NOT_FOUND


async def test_audit_choices(world: World) -> None:
    """Pins and exclusions are written down with what they say."""
    ids = await world.run(seen("api", "nginx:1"))
    async with world.database.write() as tx:
        await choices.pin_container(tx, world.caller, str(ids["api"]), "why", world.clock.now())
        await choices.unpin_container(tx, world.caller, str(ids["api"]), world.clock.now())
        made = await choices.create_exclusion(tx, world.caller, "a*", "image", world.clock.now())
        await choices.delete_exclusion(tx, world.caller, made.id, world.clock.now())
    assert await actions(world) == [
        "UpdateExclusion.Created",
        "UpdateExclusion.Deleted",
        "UpdatePin.Created",
        "UpdatePin.Deleted",
    ]


async def actions(world: World) -> list[str]:
    """The area's audited actions."""
    async with world.database.read() as tx:
        entries, _ = await select_logs(tx, world.caller.organization_id, AuditFilter(), Page(1, 100))
    return sorted(each.entry.action for each in entries if each.entry.action.startswith("Update"))
