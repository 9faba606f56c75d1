import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from lumetry_core.certificates.checking import CertificateChecker
from lumetry_core.certificates.model import LEASE, Presented, Status
from lumetry_core.certificates.service.scheduling import claim_due
from lumetry_core.certificates.trust import TrustStore
from lumetry_core.certificates.worker import CertificateScheduler
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock
from tests.core.certificates.authority import issue, issue_self_signed, make_root, serving
from tests.core.certificates.building import World, present


async def test_check_when_due(world: World, clock: FakeClock) -> None:
    """A monitor whose first check never came is checked when its claim has run out, and then in its interval."""
    await world.create()
    world.checker.presented["example.org"] = present()
    await world.work()
    assert world.checker.asked == []
    clock.advance(seconds=60)
    await world.work()
    assert world.checker.asked == ["example.org:443"]
    clock.advance(hours=11)
    await world.work()
    assert len(world.checker.asked) == 1
    clock.advance(hours=1)
    await world.work()
    assert len(world.checker.asked) == 2


async def test_check_ten_at_a_time(world: World, clock: FakeClock) -> None:
    """Ten at a time, whatever their number; one that hangs holds up nobody else."""
    for number in range(25):
        await world.create(f"host-{number}.example")
    clock.advance(minutes=1)
    release, under_way, most = asyncio.Event(), 0, 0

    async def check(hostname: str, port: int) -> Presented:
        nonlocal under_way, most
        world.checker.asked.append(hostname)
        under_way += 1
        most = max(most, under_way)
        if hostname == "host-0.example":
            await release.wait()
        await asyncio.sleep(0)
        under_way -= 1
        return present(name=hostname)

    world.checker.check = check  # type: ignore[method-assign]
    for _ in range(40):
        await world.worker.tick(clock.now())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert (most, len(world.checker.asked)) == (10, 25)
    statuses = [monitor.status for monitor in await world.monitors()]
    assert (statuses.count(Status.VALID), statuses.count(Status.UNKNOWN)) == (24, 1)
    release.set()
    await world.work()
    assert {monitor.status for monitor in await world.monitors()} == {Status.VALID}


async def test_two_workers_share(world: World, clock: FakeClock, wakeups: Wakeups) -> None:
    """What one has claimed the other leaves; a claim that nobody gives back runs out, and its late result is dropped."""
    monitor = await world.create()
    clock.advance(minutes=1)
    async with world.database.write() as tx:
        [lost] = await claim_due(tx, 10, clock.now())
    assert (lost.id, lost.epoch, lost.next_check_time) == (monitor.id, 1, clock.now() + LEASE)
    other = CertificateScheduler(world.database, world.checker, wakeups, 30)
    await other.tick(clock.now())
    await other.settle()
    assert world.checker.asked == []
    clock.advance(minutes=1)
    await world.work()
    [check] = await world.checks(monitor.id)
    assert check.error_message == "connection refused"


async def test_fault_of_ours_is_none_of_theirs(world: World, clock: FakeClock) -> None:
    """A check that fails by our own fault changes nothing, and is made again."""
    monitor = await world.look(await world.create(), present())
    clock.advance(hours=12)

    async def check(hostname: str, port: int) -> Presented:
        raise RuntimeError("a bug")

    original, world.checker.check = world.checker.check, check  # type: ignore[method-assign]
    await world.work()
    assert (await world.get(monitor.id)).monitor.status is Status.VALID
    world.checker.check = original  # type: ignore[method-assign]
    world.checker.presented["example.org"] = present(days=90)
    clock.advance(minutes=1)
    await world.work()
    assert (await world.get(monitor.id)).monitor.last_check_time == clock.now()


async def test_give_up_at_end(world: World, clock: FakeClock) -> None:
    """What is under way when the process ends is left to the next one."""
    await world.create()
    clock.advance(minutes=1)

    async def check(hostname: str, port: int) -> Presented:
        await asyncio.Event().wait()
        return Presented()

    world.checker.check = check  # type: ignore[method-assign]
    await world.worker.tick(clock.now())
    await world.worker.close()
    [monitor] = await world.monitors()
    assert (monitor.status, monitor.next_check_time) == (Status.UNKNOWN, clock.now() + timedelta(minutes=1))


@pytest.fixture
def real(world: World, clock: FakeClock, tmp_path: Path, wakeups: Wakeups) -> World:
    """A world whose checks go to real servers, and trust the test root."""
    path = tmp_path / "roots.pem"
    path.write_bytes(make_root().pem)
    checker = CertificateChecker(PRIVATE_TOO, TrustStore(str(path)), clock, timeout_seconds=5)
    world.worker = CertificateScheduler(world.database, checker, wakeups, 30)
    return world


async def test_life_of_certificate(real: World, clock: FakeClock) -> None:
    """Fine, expiring today, expired, self-signed, for another host, without intermediate, renewed: each is seen on a real server."""
    async with serving(issue("localhost", days=60)) as server:
        monitor = await real.create("localhost", port=server.port)

        async def check() -> tuple[str, list[str], str | None]:
            clock.advance(hours=12)
            await real.worker.tick(clock.now())
            await real.worker.settle()
            await real.worker.tick(clock.now())
            listed = await real.get(monitor.id)
            types = [each.partition(":")[0] for each in await real.active()]
            return listed.monitor.status.value, types, listed.latest.chain_error if listed.latest else None

        untrusted = "untrusted root or missing intermediate"
        assert await check() == ("valid", [], None)
        server.present(issue("localhost", days=1.25))
        assert await check() == ("expiring", ["expiring"], None)
        assert await check() == ("expired", ["expiring", "expired", "chain_invalid"], "expired chain certificate")
        server.present(issue("localhost", days=60))
        assert await check() == ("valid", [], None)
        server.present(issue_self_signed("localhost", days=60))
        assert await check() == ("valid", ["chain_invalid"], untrusted)
        server.present(issue("other.example", days=60))
        assert await check() == ("valid", ["hostname_mismatch"], None)
        server.present(issue("localhost", days=60), links=0)
        assert await check() == ("valid", ["chain_invalid"], untrusted)
        server.present(issue("localhost", days=60))
        assert await check() == ("valid", [], None)
    clock.advance(hours=1)
    assert await check() == ("error", [], None)
