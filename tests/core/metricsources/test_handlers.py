"""What collectors poll and test."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.access.vault import Vault
from lumetry_core.collectors.agent.polling.model import Item, Target
from lumetry_core.collectors.agent.polling.model import Source as Asked
from lumetry_core.collectors.service import working
from lumetry_core.collectors.work import LEASE, Outcome, Sample, SourcePayload, WorkItem, WorkKind
from lumetry_core.metricsources.drafts import ItemDraft
from lumetry_core.metricsources.handlers import UNREADABLE, PollHandler, SourceTestHandler, build_handlers
from lumetry_core.metricsources.model import PollStatus, Seen, Source, SourceTest, SourceTestStatus, Standing
from lumetry_core.metricsources.sealing import Rules
from lumetry_core.metricsources.service import scheduling, testing, upkeep
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.metricsources.building import CALLER, ORGANIZATION, OTHER, PROMETHEUS, RULES, UP, World, changed

ASKED = Asked("prometheus", Target(base_url="http://prometheus:9090"), (Item("prom.up", "up"),), "hunter2", 10.0)
PAYLOAD = SourcePayload(1, ASKED)


async def remote(world: World, **fields: Any) -> tuple[Source, WorkItem]:
    """A source of a collector, whose poll waits."""
    collector_id = await world.collector()
    source = await world.create(changed(PROMETHEUS, collector_id=collector_id, **fields))
    async with world.database.write() as tx:
        await scheduling.claim_polls(tx, {}, 1, 1, world.clock.now())
        item = await working.find_work(tx, ORGANIZATION, WorkKind.POLL, str(source.id))
    assert item is not None
    return source, item


def held(item: WorkItem, world: World) -> WorkItem:
    """The item in the hands of its collector."""
    return replace(item, leases=1, token_digest=b"x", lease_expire_time=world.clock.now() + LEASE)


async def describe(world: World, item: WorkItem, rules: Rules = RULES) -> object:
    """What the collector is told."""
    async with world.database.write() as tx:
        return await build_handlers(rules)[item.kind].describe(tx, item, world.clock.now())


async def finish(world: World, item: WorkItem, outcome: Outcome) -> None:
    """Tells what came of it."""
    async with world.database.write() as tx:
        await build_handlers(RULES)[item.kind].finish(tx, item, outcome, world.clock.now())


async def test_describe_poll_tells_all_that_is_needed(world: World) -> None:
    """The secret is in the clear, as nowhere else."""
    source, item = await remote(world)
    assert await describe(world, item) == replace(PAYLOAD, source_id=source.id)


async def test_describe_poll_of_a_source_that_is_gone(world: World) -> None:
    """Nothing is done for a source that was deleted, disabled, or given to another collector."""
    source, item = await remote(world)
    assert await describe(world, replace(item, collector_id="c0000000-0000-4000-8000-000000000009")) is None
    await world.update(source.id, changed(PROMETHEUS, collector_id=item.collector_id, is_enabled=False))
    assert await describe(world, item) is None
    await world.delete(source.id)
    assert await describe(world, item) is None


async def test_describe_poll_with_another_key(world: World) -> None:
    """A secret that this core cannot open is nothing that a collector could do anything about."""
    _, item = await remote(world)
    assert await describe(world, item, replace(RULES, vault=Vault(bytes(range(32))))) == Outcome(succeeded=False, error=UNREADABLE)


async def test_finish_poll_records_what_the_collector_reports(world: World, clock: FakeClock) -> None:
    """As if the core had polled."""
    source, item = await remote(world)
    await finish(world, held(item, world), Outcome(succeeded=True, sample_count=1))
    assert (await world.read(source.id)).standing == Standing(clock.now(), PollStatus.SUCCESS, None, clock.now(), 0)
    await finish(world, held(item, world), Outcome(succeeded=False, error="refused"))
    assert (await world.read(source.id)).standing == Standing(clock.now(), PollStatus.FAILED, "refused", clock.now(), 1)
    assert (await world.metric("prom.up")).sync_status == "FAILED"


async def test_errors_that_collectors_report_keep_the_secret(world: World) -> None:
    """Whatever a collector does about it, what it reports of polls and tests never shows what the source is asked with."""
    source, item = await remote(world)
    told = Outcome(succeeded=False, error="cannot log in with hunter2")
    await finish(world, held(item, world), told)
    assert (await world.read(source.id)).standing.error == "cannot log in with •••"
    test, item = await begin(world, source.id)
    await finish(world, held(item, world), told)
    assert (await read_test(world, test)).error == "cannot log in with •••"


async def test_finish_poll_that_no_collector_made(world: World, clock: FakeClock) -> None:
    """A collector that is away is not the source's failure."""
    source, item = await remote(world)
    await finish(world, item, Outcome(succeeded=False, error="Collector edge is offline."))
    clock.advance(seconds=120)
    await finish(world, held(replace(item), world), Outcome(succeeded=True))
    ended = replace(held(item, world), lease_expire_time=clock.now() - timedelta(seconds=1))
    await finish(world, ended, Outcome(succeeded=False, error="Collector edge took it and did not report what came of it."))
    assert (await world.read(source.id)).standing == Standing(clock.now(), PollStatus.SUCCESS, None, clock.now(), 0)


async def begin(world: World, source_id: int | None, **fields: Any) -> tuple[SourceTest, WorkItem]:
    """A test that waits for a collector."""
    async with world.database.write() as tx:
        draft = changed(PROMETHEUS, **fields) if fields else None
        _, test = await testing.begin_test(tx, CALLER, source_id, draft, RULES, world.clock.now())
        assert test is not None
        item = await working.find_work(tx, ORGANIZATION, WorkKind.SOURCE_TEST, str(test.id))
    assert item is not None
    return test, item


async def read_test(world: World, test: SourceTest) -> SourceTest:
    """How far a test is."""
    assert test.id is not None
    async with world.database.read() as tx:
        return await testing.get_test(tx, ORGANIZATION, test.id, world.clock.now())


async def test_test_by_a_collector_from_beginning_to_end(world: World, clock: FakeClock) -> None:
    """It waits, is worked on, and ends with samples; another organization does not see it."""
    source, _ = await remote(world)
    test, item = await begin(world, source.id)
    assert (test, await read_test(world, test)) == (SourceTest(id=test.id, status=SourceTestStatus.QUEUED),) * 2
    assert await describe(world, item) == replace(PAYLOAD, source_id=source.id)
    assert (await read_test(world, test)).status is SourceTestStatus.RUNNING
    sample = Sample("prom.up", clock.now(), 1.0, {"job": "a"})
    await finish(world, held(item, world), Outcome(succeeded=True, duration_ms=12, sample_count=1, samples=(sample,)))
    expected = SourceTest(
        id=test.id, status=SourceTestStatus.SUCCEEDED, duration_ms=12, samples=(Seen("prom.up", clock.now(), 1.0, {"job": "a"}),)
    )
    assert await read_test(world, test) == expected
    assert await describe(world, item) is None
    await finish(world, held(item, world), Outcome(succeeded=False, error="late"))
    assert await read_test(world, test) == expected
    async with world.database.read() as tx:
        with pytest.raises(LumetryError) as caught:
            await testing.get_test(tx, OTHER.organization_id, test.id or 0, clock.now())
    assert caught.value.reason is Reason.NOT_FOUND


async def test_test_whose_samples_name_neither_metric_nor_time(world: World, clock: FakeClock) -> None:
    """They are of the only item, and of the time of the report; of several items nobody can say whose they are."""
    source, _ = await remote(world)
    told = Outcome(succeeded=True, sample_count=1, samples=(Sample("", None, 1.0, {}),))
    test, item = await begin(world, source.id)
    await finish(world, held(item, world), told)
    assert (await read_test(world, test)).samples == (Seen("prom.up", clock.now(), 1.0, {}),)
    other = ItemDraft(metric_key="prom.down", query="down")
    test, item = await begin(world, source.id, items=(UP, other), collector_id=source.definition.collector_id)
    await finish(world, held(item, world), told)
    assert (await read_test(world, test)).samples == (Seen("", clock.now(), 1.0, {}),)


async def test_test_that_no_collector_makes_fails(world: World) -> None:
    """Whoever waits learns why."""
    source, _ = await remote(world)
    test, item = await begin(world, source.id)
    await finish(world, item, Outcome(succeeded=False, error="Collector edge is offline."))
    assert await read_test(world, test) == SourceTest(
        id=test.id, status=SourceTestStatus.FAILED, duration_ms=0, error="Collector edge is offline."
    )


async def test_candidate_of_a_collector_is_tested_with_its_own_secret(world: World) -> None:
    """It is not saved, so it has no number."""
    collector_id = await world.collector()
    _, item = await begin(world, None, collector_id=collector_id, secret="mine")
    assert await describe(world, item) == SourcePayload(0, replace(ASKED, secret="mine"))


async def test_too_many_waiting_tests_are_refused(world: World) -> None:
    """A collector that is away does not fill the table."""
    source, _ = await remote(world)
    for _ in range(testing.MAX_WAITING):
        await begin(world, source.id)
    with pytest.raises(LumetryError) as caught:
        await begin(world, source.id)
    assert caught.value.reason is Reason.OVERLOADED


async def test_tests_are_forgotten_after_an_hour(world: World, clock: FakeClock) -> None:
    """To the minute for readers, and later in the table."""
    source, _ = await remote(world)
    test, item = await begin(world, source.id)
    clock.advance(hours=1)
    with pytest.raises(LumetryError):
        await read_test(world, test)
    async with world.database.write() as tx:
        await upkeep.drop_tests(tx, ORGANIZATION, clock.advance(seconds=1))
    assert await describe(world, item) is None


def test_handlers_are_of_the_kinds_of_sources() -> None:
    """Notifications are another area's."""
    handlers = build_handlers(RULES)
    assert {kind: type(handler) for kind, handler in handlers.items()} == {
        WorkKind.POLL: PollHandler,
        WorkKind.SOURCE_TEST: SourceTestHandler,
    }
