import asyncio
from dataclasses import replace
from datetime import datetime

import msgspec
import pytest
from sqlalchemy import select

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.access.service.organizations import create_organization
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.baselines.drafts import ProfileDraft
from lumetry_core.baselines.model import BaselineProfile, Rebuild
from lumetry_core.baselines.service import profiles
from lumetry_core.baselines.service.rebuilds import list_rebuilds
from lumetry_core.runtime.clock import EPOCH, Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.core.baselines.building import CALLER, OTHER, add_metrics


async def create(database: Database, clock: Clock, **fields: object) -> BaselineProfile:
    async with database.write() as tx:
        return await profiles.create_profile(tx, CALLER, ProfileDraft(**{"name": "Weekly"} | fields), clock.now())


async def update(database: Database, clock: Clock, profile_id: int, **fields: object) -> BaselineProfile:
    async with database.write() as tx:
        return await profiles.update_profile(tx, CALLER, profile_id, ProfileDraft(**{"name": "Weekly"} | fields), clock.now())


async def list_all(database: Database, organization_id: int = 7) -> list[BaselineProfile]:
    async with database.read() as tx:
        return await profiles.list_profiles(tx, organization_id)


async def default_of(database: Database, organization_id: int = 7) -> BaselineProfile | None:
    async with database.read() as tx:
        return await profiles.find_profile(tx, organization_id, None)


async def settle(database: Database, now: datetime, organization_id: int = 7) -> BaselineProfile:
    async with database.write() as tx:
        await profiles.settle_default(tx, organization_id, now)
        return await profiles.default_profile(tx, organization_id)


async def failure_of(work: object) -> LumetryError:
    with pytest.raises(LumetryError) as failure:
        await work  # type: ignore[misc]
    return failure.value


async def test_find_profile_always_finds_a_default(database: Database, clock: Clock) -> None:
    """Before anything is stored the default stands in with the number 0; afterwards it is the stored one."""
    unwritten = BaselineProfile(0, 7, "Default", 28, 4, "UTC", is_default=True, create_time=EPOCH, update_time=EPOCH)
    assert await default_of(database) == unwritten
    stored = await settle(database, clock.now())
    assert stored == replace(unwritten, id=stored.id, create_time=clock.now(), update_time=clock.now())
    assert stored.id > 0
    assert await default_of(database) == stored
    async with database.read() as tx:
        assert await profiles.find_profile(tx, 7, stored.id) == stored
        assert await profiles.find_profile(tx, 7, 0) is None
        assert await profiles.find_profile(tx, 8, stored.id) is None


async def test_settle_default_stores_once(database: Database, clock: Clock) -> None:
    """Transactions at the same moment and later ones store one default between them, which is audited once as the system's."""
    await asyncio.gather(*(settle(database, clock.now()) for _ in range(8)))
    later = clock.advance(days=1)
    await settle(database, later)
    [stored] = await list_all(database)
    assert (stored.name, stored.is_default) == ("Default", True)
    async with database.read() as tx:
        rows = (await tx.execute(select(audit_logs))).all()
    assert [(row.action, row.entity_id, row.actor_user_id) for row in rows] == [("BaselineProfile.Created", str(stored.id), None)]


async def test_settle_defaults_reaches_every_organization(database: Database, clock: Clock) -> None:
    """Organizations made before there were profiles get theirs; those that have one keep it."""
    async with database.write() as tx:
        first = (await create_organization(tx, "One", clock.now())).id
        second = (await create_organization(tx, "Two", clock.now())).id
    kept = await settle(database, clock.now(), first)
    async with database.write() as tx:
        await profiles.settle_defaults(tx, clock.advance(days=1))
    assert await list_all(database, first) == [kept]
    assert [profile.is_default for profile in await list_all(database, second)] == [True]


async def test_create_profile_stores_it(database: Database, clock: Clock) -> None:
    """The profile is read back whole and stands by its name in the list, after the default that came with it."""
    created = await create(database, clock, name=" alpha ", lookback_days=7, minimum_points=2, time_zone="Europe/Berlin")
    assert created == BaselineProfile(created.id, 7, "alpha", 7, 2, "Europe/Berlin", False, clock.now(), clock.now())
    zulu = await create(database, clock, name="Zulu")
    assert (zulu.lookback_days, zulu.minimum_points, zulu.time_zone) == (28, 4, "UTC")
    assert [profile.name for profile in await list_all(database)] == ["alpha", "Default", "Zulu"]
    assert await list_all(database, 8) == []


async def test_create_profile_names_every_fault(database: Database, clock: Clock) -> None:
    """Names are unique ignoring case, in their organization alone; a refused profile leaves nothing behind."""
    await create(database, clock)
    refused = await failure_of(create(database, clock, name="WEEKLY", lookback_days=0))
    assert (refused.reason, refused.faults) == (
        Reason.VALIDATION_FAILED,
        (Fault("lookbackDays", "must be between 1 and 365"), Fault("name", "is the name of another profile")),
    )
    assert (await failure_of(create(database, clock, name="default"))).faults == (Fault("name", "is the name of another profile"),)
    assert [fault.path for fault in (await failure_of(create(database, clock, name="a\0"))).faults] == ["name"]
    async with database.write() as tx:
        await profiles.create_profile(tx, OTHER, ProfileDraft(name="Weekly"), clock.now())
    assert [profile.name for profile in await list_all(database)] == ["Default", "Weekly"]


async def test_create_profile_refused_writes_nothing(database: Database, clock: Clock) -> None:
    """Not even the default is stored, and evaluation goes on undisturbed."""
    await failure_of(create(database, clock, name=""))
    assert await list_all(database) == []
    async with database.read() as tx:
        assert await read_evaluation_version(tx, 7) == 0


async def test_default_moves(database: Database, clock: Clock) -> None:
    """There is exactly one default, whichever way it moves, and both changes are audited."""
    first = await create(database, clock, name="First", is_default=True)
    assert [profile.name for profile in await list_all(database) if profile.is_default] == ["First"]
    second = await create(database, clock, name="Second", is_default=False)
    later = clock.advance(minutes=1)
    await update(database, clock, second.id, name="Second", is_default=True)
    assert [profile.name for profile in await list_all(database) if profile.is_default] == ["Second"]
    assert (await default_of(database)) == replace(second, is_default=True, update_time=later)
    assert [(profile.name, profile.update_time) for profile in await list_all(database) if profile.id == first.id] == [("First", later)]
    async with database.read() as tx:
        rows = (await tx.execute(select(audit_logs).order_by(audit_logs.c.id))).all()
    told = [(row.action, msgspec.json.decode(row.new_values_json)) for row in rows]
    assert [(action, values["name"], values["isDefault"]) for action, values in told] == [
        ("BaselineProfile.Created", "Default", True),
        ("BaselineProfile.Updated", "Default", False),
        ("BaselineProfile.Created", "First", True),
        ("BaselineProfile.Created", "Second", False),
        ("BaselineProfile.Updated", "First", False),
        ("BaselineProfile.Updated", "Second", True),
    ]
    assert first.is_default


async def test_default_moves_when_several_take_it(database: Database, clock: Clock) -> None:
    """Profiles that become the default at the same moment leave one."""
    await asyncio.gather(*(create(database, clock, name=f"P{number}", is_default=True) for number in range(6)))
    assert sum(profile.is_default for profile in await list_all(database)) == 1


async def test_default_cannot_be_unset(database: Database, clock: Clock) -> None:
    """Only another profile can take the place of the default; leaving it out keeps it."""
    default = await settle(database, clock.now())
    refused = await failure_of(update(database, clock, default.id, name="Default", is_default=False))
    assert refused.faults == (Fault("isDefault", "must not be false for the default profile; make another one the default instead"),)
    kept = await update(database, clock, default.id, name="Plain", minimum_points=9)
    assert (kept.name, kept.minimum_points, kept.is_default) == ("Plain", 9, True)


async def test_update_profile_replaces_everything(database: Database, clock: Clock) -> None:
    """What is left out returns to its default; number and creation stay; the own name may be kept, spelt anew."""
    before = await create(database, clock, lookback_days=7, minimum_points=2, time_zone="Europe/Berlin")
    later = clock.advance(minutes=1)
    after = await update(database, clock, before.id, name="WEEKLY")
    assert after == BaselineProfile(before.id, 7, "WEEKLY", 28, 4, "UTC", False, before.create_time, later)
    refused = await failure_of(update(database, clock, before.id, name="default", time_zone="x"))
    assert [fault.path for fault in refused.faults] == ["timeZone", "name"]
    async with database.read() as tx:
        assert await profiles.get_profile(tx, 7, before.id) == after


async def test_update_profile_has_what_no_longer_fits_learned_again(database: Database, clock: Clock) -> None:
    """Another zone or a longer look-back is a request for the profile; fewer days or other points are not."""
    profile = await create(database, clock, lookback_days=28)
    for fields in ({"minimum_points": 9}, {"name": "Renamed"}, {"lookback_days": 7}):
        await update(database, clock, profile.id, **fields)
    async with database.read() as tx:
        assert await list_rebuilds(tx, 7) == []
    await update(database, clock, profile.id, lookback_days=8)
    await update(database, clock, profile.id, lookback_days=8, time_zone="Europe/Berlin")
    async with database.read() as tx:
        found = await list_rebuilds(tx, 7)
    whole = Rebuild(0, 7, profile.id, None, None, None, include_violations=False, create_time=clock.now())
    # Renaming left out the look-back, which thereby was 28 again.
    assert [replace(request, id=0) for request in found] == [whole, whole]


async def test_writes_move_the_evaluation_version(database: Database, clock: Clock) -> None:
    """Evaluation notices every change of its own organization."""
    versions = []
    profile = await create(database, clock)

    async def note() -> None:
        async with database.read() as tx:
            versions.append(await read_evaluation_version(tx, 7))

    await note()
    for fields in ({"minimum_points": 9}, {"lookback_days": 90}, {"time_zone": "Europe/Berlin"}):
        await update(database, clock, profile.id, **fields)
        await note()
    assert versions == sorted(set(versions))
    async with database.read() as tx:
        assert await read_evaluation_version(tx, 8) == 0


async def test_delete_profile_removes_it(database: Database, clock: Clock) -> None:
    """It is gone, its name is free, and the audit log tells what it was."""
    profile = await create(database, clock)
    async with database.write() as tx:
        await profiles.delete_profile(tx, CALLER, profile.id, clock.now())
    assert [each.name for each in await list_all(database)] == ["Default"]
    async with database.read() as tx:
        [row] = (await tx.execute(select(audit_logs).where(audit_logs.c.action == "BaselineProfile.Deleted"))).all()
    assert (row.entity_id, msgspec.json.decode(row.old_values_json), row.new_values_json) == (
        str(profile.id),
        {"name": "Weekly", "lookbackDays": 28, "minimumPoints": 4, "timeZone": "UTC", "isDefault": False},
        None,
    )
    again = await create(database, clock)
    assert again.id > profile.id


async def test_delete_profile_spares_the_default_and_what_is_used(database: Database, clock: Clock) -> None:
    """A profile can go once the last that refers to it has let go."""

    async def delete(profile_id: int) -> None:
        async with database.write() as tx:
            await profiles.delete_profile(tx, CALLER, profile_id, clock.now())

    async def claim(kind: str, number: int, profile_id: int | None) -> None:
        async with database.write() as tx:
            await profiles.claim_profile(tx, 7, kind, number, profile_id)

    first, second = await create(database, clock, name="First"), await create(database, clock, name="Second")
    default = await default_of(database)
    assert default is not None
    refused = await failure_of(delete(default.id))
    assert (refused.reason, refused.message) == (
        Reason.CONFLICT,
        "The default profile cannot be deleted; make another one the default first.",
    )
    for number in range(1, 7):
        await claim("Rule", number, first.id)
    await claim("MetricDefinition", 3, first.id)
    refused = await failure_of(delete(first.id))
    assert (refused.reason, refused.message, refused.metadata) == (
        Reason.CONFLICT,
        "The profile is in use by MetricDefinition 3, Rule 1, Rule 2, Rule 3, Rule 4 and 2 more.",
        {"type": "BaselineProfile", "id": str(first.id), "state": "in use"},
    )
    for number in range(2, 7):
        await claim("Rule", number, None)
    await claim("MetricDefinition", 3, second.id)
    assert (await failure_of(delete(first.id))).message == "The profile is in use by Rule 1."
    assert (await failure_of(delete(second.id))).message == "The profile is in use by MetricDefinition 3."
    await claim("Rule", 1, None)
    await claim("Rule", 1, None)
    await delete(first.id)
    assert [profile.name for profile in await list_all(database)] == ["Default", "Second"]


async def test_claim_profile_and_delete_wait_for_each_other(database: Database, clock: Clock) -> None:
    """Whichever comes second at the same moment is refused: nothing ever refers to a profile that is gone."""
    profile = await create(database, clock)

    async def delete() -> None:
        async with database.write() as tx:
            await profiles.delete_profile(tx, CALLER, profile.id, clock.now())

    async def claim() -> None:
        async with database.write() as tx:
            await profiles.claim_profile(tx, 7, "Rule", 1, profile.id)

    outcomes = await asyncio.gather(delete(), claim(), return_exceptions=True)
    [refused] = [outcome for outcome in outcomes if outcome is not None]
    assert isinstance(refused, LumetryError)
    assert refused.reason in (Reason.CONFLICT, Reason.NOT_FOUND)


async def test_profiles_of_another_organization_do_not_exist(database: Database, clock: Clock) -> None:
    """Reading, replacing, deleting, rebuilding and claiming fail with NOT_FOUND, before any fault of the body."""
    async with database.write() as tx:
        foreign = await profiles.create_profile(tx, OTHER, ProfileDraft(name="Theirs"), clock.now())
    async with database.write() as tx:
        works = (
            profiles.get_profile(tx, 7, foreign.id),
            profiles.update_profile(tx, CALLER, foreign.id, ProfileDraft(), clock.now()),
            profiles.delete_profile(tx, CALLER, foreign.id, clock.now()),
            profiles.rebuild_profile(tx, CALLER, foreign.id, "none", include_violations=False, now=clock.now()),
            profiles.claim_profile(tx, 7, "Rule", 1, foreign.id),
        )
        for work in works:
            failure = await failure_of(work)
            assert (failure.reason, failure.message) == (Reason.NOT_FOUND, f"Baseline profile {foreign.id} does not exist.")


async def test_rebuild_profile_is_a_request(database: Database, clock: Clock) -> None:
    """One metric or all, with or without what breached; unknown metrics are a fault."""
    metrics = await add_metrics(database, clock.now(), "cpu")
    await add_metrics(database, clock.now(), "theirs", organization_id=8)
    profile = await create(database, clock)
    async with database.write() as tx:
        before = await read_evaluation_version(tx, 7)
        await profiles.rebuild_profile(tx, CALLER, profile.id, None, include_violations=False, now=clock.now())
        await profiles.rebuild_profile(tx, CALLER, profile.id, "cpu", include_violations=True, now=clock.now())
        assert await read_evaluation_version(tx, 7) > before
        found = await list_rebuilds(tx, 7)
        for unknown in ("theirs", "", "\0"):
            refused = await failure_of(profiles.rebuild_profile(tx, CALLER, profile.id, unknown, include_violations=False, now=clock.now()))
            assert refused.faults == (Fault("metricId", f"metric {unknown} does not exist"),)
        [row] = (await tx.execute(select(audit_logs).where(audit_logs.c.action == "BaselineProfile.RebuildRequested").limit(1))).all()
    assert [replace(request, id=0) for request in found] == [
        Rebuild(0, 7, profile.id, None, None, None, include_violations=False, create_time=clock.now()),
        Rebuild(0, 7, profile.id, metrics["cpu"], None, None, include_violations=True, create_time=clock.now()),
    ]
    assert msgspec.json.decode(row.new_values_json) == {"name": "Weekly", "metricId": None, "includeViolations": False}
