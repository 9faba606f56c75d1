from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.access.service.history import list_revisions
from lumetry_core.collectors.service import administering as collectors
from lumetry_core.hostagents.model import Profile
from lumetry_core.hostagents.service.profiles import list_profiles
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.hostagents.fleet import ADMIN, ORGANIZATION
from tests.core.hostagents.making import add_collector, offer, read_actions

NOWHERE = "d97e2b99-81bd-43aa-823d-dc5f78cd5429"


async def test_create_profile_with_defaults(database: Database, clock: FakeClock) -> None:
    """Only a name is needed: a hundred agents within a day, by a token that is handed out once and of which only the beginning is kept."""
    made = await offer(database, clock.now(), name=" Web servers ")
    expected = Profile(
        id=made.profile.id,
        organization_id=ORGANIZATION,
        name="Web servers",
        max_enrollments=100,
        enrollment_count=0,
        expire_time=clock.now() + timedelta(hours=24),
        required_collector_id=None,
        token_prefix=made.enrollment_token[:12],
        create_time=clock.now(),
        created_by=42,
    )
    assert made.profile == expected
    assert made.enrollment_token.startswith("lmtae_")
    async with database.read() as tx:
        assert await list_profiles(tx, ORGANIZATION) == [expected]
        assert await list_profiles(tx, 8) == []
        [revision], total = await list_revisions(tx, ADMIN, "AgentEnrollmentProfile", str(made.profile.id), 0, 0)
    assert (total, revision.operation, revision.before_json) == (1, "Created", None)
    assert made.enrollment_token not in str(revision.after_json)


async def test_create_profile_for_a_relay(database: Database, clock: FakeClock) -> None:
    """The collector must exist; profiles are listed by name, ignoring case, and names may recur."""
    collector_id = await add_collector(database, clock.now())
    limits: dict[str, Any] = {"max_enrollments": 10_000, "expires_in_hours": 720, "required_collector_id": collector_id.upper()}
    strict = await offer(database, clock.now(), name="beta", **limits)
    others = [await offer(database, clock.now(), name=name, max_enrollments=1, expires_in_hours=1) for name in ("Gamma", "Alpha", "beta")]
    assert strict.profile.required_collector_id == collector_id
    assert strict.profile.expire_time == clock.now() + timedelta(days=30)
    async with database.read() as tx:
        listed = await list_profiles(tx, ORGANIZATION)
    assert listed == [others[1].profile, strict.profile, others[2].profile, others[0].profile]


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        (
            {"name": " ", "max_enrollments": 0, "expires_in_hours": 0, "required_collector_id": "x"},
            [
                Fault("name", "must have 1 to 100 printable characters"),
                Fault("maxEnrollments", "must be between 1 and 10000"),
                Fault("expiresInHours", "must be between 1 and 720"),
                Fault("requiredCollectorId", "must be a UUID"),
            ],
        ),
        (
            {"name": "n" * 101, "max_enrollments": 10_001, "expires_in_hours": 721, "required_collector_id": NOWHERE},
            [
                Fault("name", "must have 1 to 100 printable characters"),
                Fault("maxEnrollments", "must be between 1 and 10000"),
                Fault("expiresInHours", "must be between 1 and 720"),
                Fault("requiredCollectorId", "is not a collector that can relay"),
            ],
        ),
        ({"name": "a\nb"}, [Fault("name", "must have 1 to 100 printable characters")]),
    ],
)
async def test_create_profile_with_faults(database: Database, clock: FakeClock, fields: dict[str, Any], faults: list[Fault]) -> None:
    """Every fault is named, and nothing is made."""
    with pytest.raises(LumetryError) as failure:
        await offer(database, clock.now(), **fields)
    assert (failure.value.reason, list(failure.value.faults)) == (Reason.VALIDATION_FAILED, faults)
    async with database.read() as tx:
        assert await list_profiles(tx, ORGANIZATION) == []
    assert await read_actions(database, "AgentEnrollmentProfile") == []


async def test_create_profile_for_a_collector_that_cannot_relay(database: Database, clock: FakeClock) -> None:
    """A revoked collector is as unknown as one of another organization."""
    collector_id = await add_collector(database, clock.now())
    async with database.write() as tx:
        await collectors.revoke(tx, ADMIN, collector_id, clock.now())
    foreign = await add_collector(database, clock.now(), "Other")
    with pytest.raises(LumetryError, match="not valid"):
        await offer(database, clock.now(), required_collector_id=collector_id)
    with pytest.raises(LumetryError, match="not valid"):
        await offer(database, clock.now(), organization_id=8, required_collector_id=foreign)
