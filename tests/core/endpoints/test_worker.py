import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lumetry_core.certificates.model import Presented
from lumetry_core.certificates.service.reading import list_monitors
from lumetry_core.endpoints.attempt import OursError
from lumetry_core.endpoints.model import Endpoint, Status
from lumetry_core.endpoints.sightings import Sightings
from lumetry_core.endpoints.worker import CertificateWatcher, EndpointChecker
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.clock import SystemClock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.events import channel
from lumetry_core.runtime.queue import Wakeups
from tests.core.endpoints.serving import OK, answering, listening, make_certificate
from tests.core.endpoints.world import ORGANIZATION, RULES, World

WAIT_SECONDS = 20


@asynccontextmanager
async def checking(world: World, wakeups: Wakeups) -> AsyncIterator[tuple[EndpointChecker, Sightings]]:
    """The worker at work, by the clock of the machine."""
    world.clock = SystemClock()
    sightings = Sightings(asyncio.get_running_loop().time)
    checker = EndpointChecker(world.database, world.clock, wakeups, RULES.vault, PRIVATE_TOO, "1", sightings, lambda: 0.0)
    task = asyncio.ensure_future(checker.run())
    try:
        yield checker, sightings
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def seen(world: World, wakeups: Wakeups, endpoint: Endpoint, status: Status = Status.UP) -> Endpoint:
    """The endpoint once it has a status; whatever is recorded of an organization is told."""
    with wakeups.subscribe(channel(ORGANIZATION)) as told:
        async with asyncio.timeout(WAIT_SECONDS):
            while (found := await world.read(endpoint)).progress.status is not status:
                await told.wait(WAIT_SECONDS)
    return found


async def test_worker_checks_new_endpoints_at_once(world: World, wakeups: Wakeups) -> None:
    """Without waiting for a round."""
    async with listening(answering(OK)) as port, checking(world, wakeups):
        endpoint = await world.create(target=f"http://127.0.0.1:{port}/")
        found = await seen(world, wakeups, endpoint)
    assert (found.progress.status, found.progress.last_http_status, len(found.progress.recent_ms)) == (Status.UP, 200, 1)
    assert found.progress.last_check_time is not None
    assert (found.progress.last_check_time - endpoint.first_seen_time).total_seconds() < 2


async def test_worker_that_ends_leaves_no_result(world: World, wakeups: Wakeups) -> None:
    """A check under way at the end counts for nothing, and the next worker makes it at once."""
    asked = asyncio.Event()

    async def keep_waiting(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        asked.set()

    async with listening(keep_waiting) as port:
        async with checking(world, wakeups):
            endpoint = await world.create(target=f"http://127.0.0.1:{port}/")
            async with asyncio.timeout(WAIT_SECONDS):
                await asked.wait()
        assert (await world.read(endpoint)).progress == endpoint.progress


async def test_worker_repeats_what_failed_for_a_fault_of_ours(world: World, wakeups: Wakeups, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is recorded until a check has a result."""
    monkeypatch.setattr("lumetry_core.endpoints.worker.RETRY", timedelta(0))
    async with listening(answering(OK)) as port, checking(world, wakeups) as (checker, _):
        right, faults = checker._checker.check, [OursError("no socket"), OursError("no socket")]

        async def check(*arguments: Any) -> Any:
            if faults:
                raise faults.pop()
            return await right(*arguments)

        monkeypatch.setattr(checker._checker, "check", check)
        endpoint = await world.create(target=f"http://127.0.0.1:{port}/")
        found = await seen(world, wakeups, endpoint)
    assert (found.progress.status, found.progress.consecutive_successes, found.progress.consecutive_failures) == (Status.UP, 1, 0)


async def test_worker_keeps_results_while_the_store_is_away(world: World, wakeups: Wakeups, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are recorded when it is back."""
    async with listening(answering(OK)) as port, checking(world, wakeups) as (checker, _):
        right, faults = checker._record, [1, 1, 1]

        async def record(batch: Any) -> float:
            if faults:
                faults.pop()
                raise LumetryError(Reason.STORE_UNAVAILABLE, "away")
            return await right(batch)

        monkeypatch.setattr(checker, "_record", record)
        endpoint = await world.create(target=f"http://127.0.0.1:{port}/")
        found = await seen(world, wakeups, endpoint)
    assert (found.progress.status, faults) == (Status.UP, [])


async def test_two_workers_check_once(world: World, wakeups: Wakeups, database: Database) -> None:
    """Cores that share a store share its checks."""
    if not database.is_postgresql:
        pytest.skip("one core alone has a store on SQLite")
    heads: list[bytes] = []
    async with listening(answering(OK, seen=heads)) as port, checking(world, wakeups), checking(world, Wakeups()):
        made = [await world.create(name=f"e{number}", target=f"http://127.0.0.1:{port}/{number}") for number in range(20)]
        for endpoint in made:
            await seen(world, wakeups, endpoint)
    assert len(heads) == 20


async def test_watcher_feeds_certificates(world: World, wakeups: Wakeups, tmp_path: Path) -> None:
    """What an HTTPS check saw becomes a certificate that is watched, also when it is not trusted."""
    server, _, der = make_certificate(tmp_path, names=("127.0.0.1",))
    looked: list[tuple[str, int]] = []

    async def look(hostname: str, port: int) -> Presented:
        looked.append((hostname, port))
        return Presented((der,))

    async with listening(answering(OK), server) as port, checking(world, wakeups) as (_, sightings):
        watcher = asyncio.ensure_future(CertificateWatcher(world.database, world.clock, sightings, look).run())
        await world.create(target=f"https://127.0.0.1:{port}/")
        found: list[Any] = []
        with wakeups.subscribe(channel(ORGANIZATION)) as told:
            async with asyncio.timeout(WAIT_SECONDS):
                while not found:
                    await told.wait(WAIT_SECONDS)
                    async with world.database.read() as tx:
                        found = await list_monitors(tx, ORGANIZATION, "", "")
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
    assert looked == [("127.0.0.1", port)]
