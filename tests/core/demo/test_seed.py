import stat
from pathlib import Path
from uuid import uuid4

import pytest

from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.access.service.organizations import bootstrap
from lumetry_core.collectors.agent.state import Credential, State
from lumetry_core.collectors.model import Collector, Installation, Status
from lumetry_core.collectors.service.administering import list_collectors
from lumetry_core.collectors.service.enrolling import enroll
from lumetry_core.demo.seed import collector_folder, seed, token_file
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin


@pytest.fixture
async def organization_id(database: Database, clock: Clock) -> int:
    """A deployment's first organization, with its first user."""
    async with database.write() as tx:
        user = await bootstrap(tx, clock.now(), "correct horse battery")
    assert user is not None
    return user.organization_id


async def authenticate(database: Database, clock: Clock, secret: str) -> Caller:
    return await Authenticator(database, clock)(Origin("request", None, None, secret))


async def collectors(database: Database, organization_id: int) -> list[Collector]:
    async with database.read() as tx:
        return await list_collectors(tx, organization_id)


async def enroll_here(database: Database, clock: Clock, token: str, data_dir: Path) -> None:
    """What the collector does with its token."""
    caller = await authenticate(database, clock, token)
    async with database.write() as tx:
        enrollment = await enroll(tx, caller, Installation(str(uuid4()), "here", "", ()), clock.now())
    state = State(collector_folder(data_dir))
    state.save_credential(Credential(enrollment.collector.id, enrollment.credential, 30, ""))
    state.close()


async def test_seed_gives_tokens_that_work(database: Database, clock: Clock, tmp_path: Path, organization_id: int) -> None:
    """The API token may do whatever its owner may, the other one enrolls; only the operator can read the file."""
    seeded = await seed(database, clock, tmp_path)
    user = await authenticate(database, clock, seeded.api_token)
    assert (user.organization_id, user.user_name, user.permissions) == (organization_id, "admin", frozenset(Permission))
    assert token_file(tmp_path).read_text() == seeded.api_token + "\n"
    assert stat.S_IMODE(token_file(tmp_path).stat().st_mode) == 0o600
    assert seeded.enrollment_token is not None
    [collector] = await collectors(database, organization_id)
    caller = await authenticate(database, clock, seeded.enrollment_token)
    assert (caller.kind, caller.collector_id) == (CredentialKind.COLLECTOR_ENROLLMENT, collector.id)
    assert (collector.name, collector.status) == ("this host", Status.PENDING)


async def test_seed_again_before_enrollment_renews_the_token(
    database: Database, clock: Clock, tmp_path: Path, organization_id: int
) -> None:
    """A demo that was stopped too early goes on with the same collector, even days later."""
    first = await seed(database, clock, tmp_path)
    clock.advance(days=3)
    second = await seed(database, clock, tmp_path)
    assert second.api_token == first.api_token
    assert second.enrollment_token not in (None, first.enrollment_token)
    assert [collector.name for collector in await collectors(database, organization_id)] == ["this host"]


async def test_seed_again_after_enrollment_needs_no_token(database: Database, clock: Clock, tmp_path: Path, organization_id: int) -> None:
    """A collector that has its credential keeps it."""
    first = await seed(database, clock, tmp_path)
    assert first.enrollment_token is not None
    await enroll_here(database, clock, first.enrollment_token, tmp_path)
    second = await seed(database, clock, tmp_path)
    assert (second.api_token, second.enrollment_token) == (first.api_token, None)
    assert len(await collectors(database, organization_id)) == 1


async def test_seed_without_the_state_directory_makes_another_collector(
    database: Database, clock: Clock, tmp_path: Path, organization_id: int
) -> None:
    """A collector whose credential is gone cannot enroll again, so another takes its place."""
    first = await seed(database, clock, tmp_path)
    assert first.enrollment_token is not None
    await enroll_here(database, clock, first.enrollment_token, tmp_path)
    (collector_folder(tmp_path) / "credential.json").unlink()
    second = await seed(database, clock, tmp_path)
    assert second.enrollment_token is not None
    assert [(collector.name, collector.status) for collector in await collectors(database, organization_id)] == [
        ("this host", Status.ACTIVE),
        ("this host 2", Status.PENDING),
    ]


async def test_seed_with_another_database_makes_new_tokens(database: Database, clock: Clock, tmp_path: Path, organization_id: int) -> None:
    """Files of an earlier database do not count."""
    token_file(tmp_path).write_text("lmt_" + "0" * 48 + "\n")
    state = State(collector_folder(tmp_path))
    state.save_credential(Credential(str(uuid4()), "lmtc_old", 30, ""))
    state.close()
    seeded = await seed(database, clock, tmp_path)
    assert (await authenticate(database, clock, seeded.api_token)).user_name == "admin"
    assert seeded.enrollment_token is not None


async def test_seed_without_a_first_user_fails(database: Database, clock: Clock, tmp_path: Path) -> None:
    """The deployment must have been set up before."""
    with pytest.raises(LumetryError) as caught:
        await seed(database, clock, tmp_path)
    assert caught.value.reason is Reason.NOT_FOUND
