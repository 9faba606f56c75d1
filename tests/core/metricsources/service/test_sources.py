"""Writing sources, and what that does to the catalog."""

from dataclasses import replace

import pytest

from lumetry_core.access.service.history import list_revisions
from lumetry_core.alerts.service.system_alerts import raise_system_alert
from lumetry_core.collectors.service import administering, working
from lumetry_core.collectors.work import WorkKind
from lumetry_core.metrics.managed import SyncStatus
from lumetry_core.metrics.service import definitions
from lumetry_core.metrics.service.managed import note_sync
from lumetry_core.metricsources.drafts import ItemDraft
from lumetry_core.metricsources.model import ENTITY, FAILING, Standing
from lumetry_core.metricsources.sealing import unseal
from lumetry_core.metricsources.service import scheduling, sources
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.metricsources.building import CALLER, ORGANIZATION, OTHER, POSTGRES, PROMETHEUS, UP, VAULT, World, changed


def faults_of(caught: pytest.ExceptionInfo[LumetryError]) -> dict[str, str]:
    """What was wrong, by path."""
    return {fault.path: fault.message for fault in caught.value.faults}


async def test_create_stores_a_source(world: World) -> None:
    """It has not been polled, and its secret lies sealed."""
    created = await world.create()
    assert created == await world.read(created.id)
    assert created.definition.name == "Prometheus"
    assert created.standing == Standing()
    assert (created.create_time, created.update_time) == (world.clock.now(), world.clock.now())
    assert unseal(VAULT, ORGANIZATION, created.sealed) == "hunter2"


async def test_create_defines_missing_metrics(world: World) -> None:
    """They are the product's, of the source's type, and wait for the first poll; label columns are their dimensions."""
    await world.create(POSTGRES)
    made = await world.metric("orders.open")
    assert (made.management_mode, made.catalog_source, made.unit) == ("LUMETRY_MANAGED", "postgres", "1")
    assert (made.data_status, made.sync_status, made.is_evaluable) == ("PENDING", "PENDING", False)
    assert (made.multidimensional, made.dimension_keys) == (True, ("shop",))
    assert (made.last_sync_time, made.last_ingest_time) == (None, None)


async def test_create_leaves_defined_metrics_as_they_are(world: World) -> None:
    """A metric that others push may be polled as well; only how fresh it is changes."""
    await world.create()
    before = await world.metric("prom.up")
    async with world.database.write() as tx:
        await note_sync(tx, ORGANIZATION, ["prom.up"], SyncStatus.SYNCED)
    await world.create(changed(POSTGRES, items=(replace(UP, unit="%"),)))
    assert await world.metric("prom.up") == replace(before, sync_status="PENDING")


async def test_create_refuses_a_name_that_is_taken(world: World, clock: FakeClock) -> None:
    """Names are unique in an organization, ignoring case; another organization may have the same."""
    await world.create()
    with pytest.raises(LumetryError) as caught:
        await world.create(changed(POSTGRES, name="PROMETHEUS "))
    assert faults_of(caught) == {"name": "is the name of another metric source"}
    assert (await world.create(PROMETHEUS, OTHER)).organization_id == OTHER.organization_id


async def test_create_refuses_collectors_that_cannot_poll(world: World, clock: FakeClock) -> None:
    """One that does not exist, one of another organization, a revoked one; faults of the rest are told with it."""
    known = await world.collector()
    revoked = await world.collector("gone")
    async with world.database.write() as tx:
        await administering.revoke(tx, CALLER, revoked, clock.now())
    for collector_id, caller, message in (
        ("c0000000-0000-4000-8000-000000000009", CALLER, "is no collector of this organization"),
        ("nonsense", CALLER, "is no collector of this organization"),
        (known, OTHER, "is no collector of this organization"),
        (revoked, CALLER, "is a revoked collector"),
    ):
        with pytest.raises(LumetryError) as caught:
            await world.create(changed(PROMETHEUS, collector_id=collector_id, name=""), caller)
        assert faults_of(caught) == {"name": "must have between 1 and 200 characters", "collectorId": message}
    assert (await world.create(changed(PROMETHEUS, collector_id=known.upper()))).definition.collector_id == known


async def test_get_of_another_organization_finds_nothing(world: World) -> None:
    """Sources belong to one organization."""
    created = await world.create()
    async with world.database.read() as tx:
        assert await sources.list_sources(tx, OTHER.organization_id) == []
        with pytest.raises(LumetryError) as caught:
            await sources.get_source(tx, OTHER.organization_id, created.id)
    assert caught.value.reason is Reason.NOT_FOUND


async def test_list_is_by_name(world: World) -> None:
    """Ignoring case."""
    for name in ("b", "A", "c"):
        await world.create(changed(PROMETHEUS, name=name))
    async with world.database.read() as tx:
        assert [each.definition.name for each in await sources.list_sources(tx, ORGANIZATION)] == ["A", "b", "c"]


async def test_update_without_secret_keeps_it(world: World, clock: FakeClock) -> None:
    """Everything else is replaced, absent fields by their defaults; what is under way counts no more."""
    created = await world.create(changed(PROMETHEUS, poll_interval_seconds=300))
    clock.advance(minutes=1)
    after = await world.update(created.id, changed(PROMETHEUS, name="New", secret=None))
    assert (after.definition.name, after.definition.poll_interval_seconds) == ("New", 60)
    assert (after.sealed, after.epoch) == (created.sealed, created.epoch + 1)
    assert (after.create_time, after.update_time) == (created.create_time, clock.now())


async def test_update_with_an_empty_secret_forgets_it(world: World) -> None:
    """What is not needed any more is not kept."""
    created = await world.create()
    assert (await world.update(created.id, changed(PROMETHEUS, secret=""))).sealed is None


async def test_update_does_not_send_a_stored_secret_to_another_place(world: World) -> None:
    """Whoever may change sources learns no secret by having it sent to a host of theirs."""
    created = await world.create()
    elsewhere = changed(PROMETHEUS, config=replace(PROMETHEUS.config, base_url="http://evil.example:9090"))
    with pytest.raises(LumetryError) as caught:
        await world.update(created.id, changed(elsewhere, secret=None))
    assert faults_of(caught) == {"secret": sources.ELSEWHERE}
    assert await world.read(created.id) == created
    assert unseal(VAULT, ORGANIZATION, (await world.update(created.id, changed(elsewhere, secret="other"))).sealed) == "other"
    assert (await world.update(created.id, changed(PROMETHEUS, secret=""))).sealed is None
    assert (await world.update(created.id, changed(elsewhere, secret=None))).definition.target.base_url == "http://evil.example:9090"


async def test_update_lets_go_of_metrics(world: World) -> None:
    """A metric that no source polls any more is as fresh as one can be; one that another polls is not touched."""
    both = (UP, ItemDraft(metric_key="prom.load", query="load"))
    first = await world.create(changed(PROMETHEUS, items=both))
    await world.create(changed(PROMETHEUS, name="Second"))
    await world.update(first.id, changed(PROMETHEUS, items=(ItemDraft(metric_key="prom.new", query="new"),)))
    statuses = [(await world.metric(key)).sync_status for key in ("prom.up", "prom.load", "prom.new")]
    assert statuses == ["PENDING", "SYNCED", "PENDING"]


async def test_definition_of_a_polled_metric_cannot_be_removed(world: World, clock: FakeClock) -> None:
    """The refusal names the source (contract 5.6); without the source it can be."""
    created = await world.create()
    metric = await world.metric("prom.up")

    async def claim_profile(*_: object) -> None:
        return None

    async def remove() -> None:
        async with world.database.write() as tx:
            await definitions.remove(tx, CALLER, metric.id, claim_profile, clock.now())

    with pytest.raises(LumetryError) as caught:
        await remove()
    assert (caught.value.reason, caught.value.message) == (
        Reason.CONFLICT,
        f"Metric prom.up cannot be deleted while it is used by Metric source {created.id}.",
    )
    await world.delete(created.id)
    await remove()


async def test_disabling_ends_polls_and_what_was_told(world: World, clock: FakeClock) -> None:
    """Nothing is due, the system alert is closed, a poll that waits for a collector is taken back."""
    collector_id = await world.collector()
    created = await world.create(changed(PROMETHEUS, collector_id=collector_id))
    async with world.database.write() as tx:
        await raise_system_alert(tx, ORGANIZATION, FAILING, Severity.WARNING, "x", ENTITY, str(created.id), clock.now())
        await scheduling.claim_polls(tx, {}, 1, 1, clock.advance(seconds=5))
        assert await working.find_work(tx, ORGANIZATION, WorkKind.POLL, str(created.id)) is not None
    await world.update(created.id, changed(PROMETHEUS, collector_id=collector_id, is_enabled=False))
    async with world.database.read() as tx:
        assert await working.find_work(tx, ORGANIZATION, WorkKind.POLL, str(created.id)) is None
        assert await scheduling.find_next_due(tx) is None
    assert [alert.state for alert in await world.system_alerts()] == ["Closed"]


async def test_delete_leaves_definitions_and_nothing_else(world: World, clock: FakeClock) -> None:
    """Metrics and points stay."""
    created = await world.create()
    clock.advance(seconds=1)
    await world.delete(created.id)
    with pytest.raises(LumetryError) as caught:
        await world.read(created.id)
    assert caught.value.reason is Reason.NOT_FOUND
    assert (await world.metric("prom.up")).sync_status == "SYNCED"
    async with world.database.read() as tx:
        assert await scheduling.find_next_due(tx) is None


async def test_history_shows_no_secret(world: World, clock: FakeClock) -> None:
    """Every change is kept, and of the secret only that it changed."""
    created = await world.create()
    await world.update(created.id, changed(PROMETHEUS, secret="hunter3"))
    await world.delete(created.id)
    caller = replace(CALLER, permissions=frozenset({Permission.VIEW_AUDIT_LOGS}))
    async with world.database.read() as tx:
        revisions, _ = await list_revisions(tx, caller, ENTITY, str(created.id), 1, 25)
    assert sorted(each.operation for each in revisions) == ["Created", "Removed", "Updated"]
    texts = [text for each in revisions for text in (each.before_json, each.after_json) if text]
    assert not [text for text in texts if "hunter" in text]
    assert [text for text in texts if '"hasSecret":true' in text]
