from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.alerts.decisions import Transition as Told
from lumetry_core.alerts.model import Alert, AlertState, CloseCause, SourceKind
from lumetry_core.alerts.service.handling import acknowledge, close
from lumetry_core.alerts.service.reading import explain
from lumetry_core.external.drafts import DefinitionDraft, SourceDraft
from lumetry_core.external.model import TransitionState, Unmapped
from lumetry_core.external.service.definitions import delete_definition, update_definition
from lumetry_core.external.service.sources import delete_source, get_source, list_unmapped, update_source
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.external.building import AT_TIME, CALLER, World, transition

RESOLVED = TransitionState.RESOLVED


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


async def counts(world: World) -> tuple[int, int, float | None]:
    """Mapped, unmapped and coverage of the source."""
    async with world.database.read() as tx:
        source, _ = await get_source(tx, 7, world.source.id)
    return source.mapped_count, source.unmapped_count, source.coverage_percent


async def unmapped(world: World) -> list[Unmapped]:
    async with world.database.read() as tx:
        return await list_unmapped(tx, CALLER, world.source.id, 0)


async def update(world: World, definition_id: int, **changes: Any) -> None:
    draft = DefinitionDraft(**{"node_id": world.node_id} | changes)
    async with world.database.write() as tx:
        await update_definition(tx, CALLER, definition_id, draft, world.clock.now())


async def test_first_firing_opens_the_alert(world: World, clock: FakeClock) -> None:
    """With the context of the node and everything that tells where it came from."""
    definition = await world.define()
    firing = transition(severity="HIGH", title="Disk is full", description="99 %", labels={"a": "b"}, instance_key="host-1", minutes=-5)
    assert await world.report(firing) == [
        Alert(
            id=1,
            organization_id=7,
            rule_id=None,
            rule_epoch=0,
            metric_key=None,
            metric_display_name=None,
            dimension_key=None,
            alert_name="Disk is full",
            source_kind=SourceKind.EXTERNAL,
            state=AlertState.OPEN,
            severity=Severity.CRITICAL,
            alert_level_id=None,
            trigger_reason="External source reported Firing",
            violation_count=0,
            start_time=AT_TIME - minutes(5),
            end_time=None,
            acknowledge_time=None,
            incident_id=None,
            incident_eligibility=None,
            watch_start_time=None,
            last_resolved_incident_id=None,
            first_violation_time=None,
            last_not_clear_time=None,
            close_cause=None,
            create_time=clock.now(),
            update_time=clock.now(),
            related_ci_id=world.node_id,
            related_ci_name="Host 1",
            topology_node_id=world.node_id,
            title="Disk is full",
            description="99 %",
            labels={"a": "b"},
            external_source_id=world.source.id,
            external_source_name="Alarms",
            external_definition_id=definition.id,
            external_definition_key="disk",
            external_instance_key="host-1",
            external_occurrence_key="o-1",
        )
    ]
    assert await counts(world) == (1, 0, 100.0)


async def test_alert_without_title_bears_the_name_of_its_definition(world: World) -> None:
    """Or its key, when the definition has no name."""
    await world.define()
    await world.define(key="cpu", display_name=None)
    opened = await world.report(transition(), transition(definition_key="cpu"))
    assert [(alert.alert_name, alert.title) for alert in opened] == [("Disk space", None), ("cpu", None)]


async def test_later_firing_retells_and_raises_but_never_lowers(world: World, clock: FakeClock) -> None:
    """Severity only rises; what a later Firing leaves out stays; the start stays."""
    await world.define()
    [before] = await world.report(transition(title="A", description="first", severity="low"))
    clock.advance(minutes=1)
    [risen] = await world.report(transition(minutes=1, title="B", severity="high"))
    assert risen == replace(
        before, severity=Severity.CRITICAL, title="B", alert_name="B", escalate_time=clock.now(), update_time=clock.now()
    )
    clock.advance(minutes=1)
    assert await world.report(transition(minutes=2, severity="low")) == [risen]
    async with world.database.read() as tx:
        raised = await explain(tx, CALLER, before.id, "escalate")
    assert [(gate.gate.value, gate.reason) for gate in raised.gates[:3]] == [
        ("Rule", "Definition 'Disk space' of source 'Alarms' is mapped and enabled"),
        ("TriggerWindow", "External source reported Firing as Critical"),
        ("Hysteresis", "The open alert rises from Warning to Critical"),
    ]


async def test_older_firing_tells_nothing_new(world: World) -> None:
    """A Firing that comes late fills what is not told, and raises the severity."""
    await world.define()
    await world.report(transition(minutes=5, title="new"))
    [alert] = await world.report(transition(minutes=1, title="old", description="told before", severity="high"))
    assert (alert.title, alert.description, alert.severity) == ("new", "told before", Severity.CRITICAL)


async def test_resolved_closes_the_alert(world: World, clock: FakeClock) -> None:
    """At the time of the transition; a Firing after it is ignored, a recurrence is another alert."""
    definition = await world.define()
    [opened] = await world.report(transition())
    clock.advance(minutes=10)
    [closed] = await world.report(transition(RESOLVED, minutes=8))
    assert closed == replace(
        opened,
        state=AlertState.CLOSED,
        end_time=AT_TIME + minutes(8),
        close_cause=CloseCause.SOURCE_RESOLVED,
        update_time=clock.now(),
    )
    assert await world.report(transition(minutes=9), transition(RESOLVED, minutes=9.5)) == [closed]
    [_, again] = await world.report(transition(minutes=20, occurrence_key="o-2"))
    assert (again.state, again.external_occurrence_key) == (AlertState.OPEN, "o-2")
    async with world.database.read() as tx:
        told = await explain(tx, CALLER, opened.id, Told.CLOSE)
    assert [(gate.verdict.value, gate.reason) for gate in told.gates[:3]] == [
        ("Passed", "Source 'Alarms' reported Resolved"),
        ("NotApplicable", "Closing needs no trigger"),
        ("NotApplicable", "Recovery is the source's to tell and needs no quiet period"),
    ]
    assert told.gates[0].record is not None
    assert told.gates[0].record.id == str(definition.id)


async def test_resolved_before_its_start_ends_at_the_start(world: World) -> None:
    """A source whose clock is wrong makes no alert of negative length."""
    await world.define()
    [alert] = await world.report(transition(), transition(RESOLVED, minutes=-3))
    assert (alert.start_time, alert.end_time) == (AT_TIME, AT_TIME)


async def test_firing_after_resolved_opens_nothing(world: World) -> None:
    """Whichever comes first: Resolved is the end of its occurrence."""
    await world.define()
    assert await world.report(transition(RESOLVED, minutes=5)) == []
    assert await world.report(transition(), transition(minutes=6)) == []
    assert await counts(world) == (3, 0, 100.0)


async def test_instances_have_occurrences_of_their_own(world: World) -> None:
    """The same occurrence key at two instances is two alarms."""
    await world.define()
    await world.report(transition(instance_key="a"), transition(instance_key="b"))
    alerts = await world.report(transition(RESOLVED, minutes=1, instance_key="a"))
    assert [(alert.external_instance_key, alert.state) for alert in alerts] == [("a", AlertState.CLOSED), ("b", AlertState.OPEN)]


async def test_unmapped_transitions_are_kept_and_replayed(world: World, clock: FakeClock) -> None:
    """They make no alert; registration opens what is still firing, as it was told last."""
    started = clock.now()
    await world.report(transition(severity="low", title="A"), transition(occurrence_key="o-2"))
    clock.advance(minutes=5)
    assert (
        await world.report(transition(RESOLVED, minutes=2, occurrence_key="o-2"), transition(minutes=3, title="B", severity="High")) == []
    )
    assert await unmapped(world) == [Unmapped("disk", 4, TransitionState.FIRING, "High", "B", started, clock.now())]
    assert await counts(world) == (0, 4, 0.0)
    await world.define()
    await world.work()
    [alert] = await world.alerts()
    assert (alert.title, alert.severity, alert.start_time) == ("B", Severity.CRITICAL, AT_TIME + minutes(3))
    assert await unmapped(world) == []
    [closed] = await world.report(transition(RESOLVED, minutes=6))
    assert closed.state is AlertState.CLOSED
    assert await counts(world) == (1, 4, 20.0)


async def test_disabled_definition_counts_as_unmapped(world: World) -> None:
    """Its open alerts still end with Resolved; enabling it replays."""
    definition = await world.define()
    await world.report(transition())
    await update(world, definition.id, is_enabled=False)
    await world.report(transition(RESOLVED, minutes=1), transition(minutes=2, occurrence_key="o-2"))
    assert [alert.state for alert in await world.alerts()] == [AlertState.CLOSED]
    assert await counts(world) == (1, 2, 33.3)
    await update(world, definition.id)
    await world.work()
    assert [alert.state for alert in await world.alerts()] == [AlertState.CLOSED, AlertState.OPEN]


async def test_deleted_definition_leaves_its_alerts_alone(world: World) -> None:
    """Until their source resolves them."""
    definition = await world.define()
    [opened] = await world.report(transition())
    async with world.database.write() as tx:
        await delete_definition(tx, CALLER, definition.id, world.clock.now())
    assert await world.report(transition(minutes=1, title="later")) == [opened]
    [closed] = await world.report(transition(RESOLVED, minutes=2))
    assert closed.close_cause is CloseCause.SOURCE_RESOLVED


async def test_deleted_source_closes_its_alerts(world: World, clock: FakeClock) -> None:
    """What it delivered and is not worked off yet has no effect any more."""
    await world.define()
    await world.report(transition(), transition(occurrence_key="o-2"), transition(RESOLVED, minutes=1))
    await world.deliver(transition(occurrence_key="o-3"))
    clock.advance(minutes=30)
    async with world.database.write() as tx:
        await delete_source(tx, CALLER, world.source.id, clock.now())
    await world.work()
    assert [(alert.close_cause, alert.end_time) for alert in await world.alerts()] == [
        (CloseCause.SOURCE_RESOLVED, AT_TIME + minutes(1)),
        (CloseCause.SOURCE_REMOVED, clock.now()),
    ]


async def test_new_severity_mapping_counts_from_then_on(world: World, clock: FakeClock) -> None:
    """Also for an alert that is open."""
    await world.define()
    await world.report(transition(severity="page"))
    async with world.database.write() as tx:
        await update_source(tx, CALLER, world.source.id, SourceDraft(name="Alarms", severity_mapping={"PAGE": "Critical"}), clock.now())
    [alert] = await world.report(transition(minutes=1, severity="page"))
    assert alert.severity is Severity.CRITICAL


async def test_people_acknowledge_but_do_not_close(world: World) -> None:
    """Recovery is the source's."""
    await world.define()
    [alert] = await world.report(transition())
    async with world.database.write() as tx:
        taken = await acknowledge(tx, CALLER, alert.id, "mine", world.clock.now())
    assert taken.state is AlertState.ACKNOWLEDGED
    with pytest.raises(LumetryError) as failure:
        async with world.database.write() as tx:
            await close(tx, CALLER, alert.id, "", world.clock.now())
    assert failure.value.reason is Reason.CONFLICT
    [closed] = await world.report(transition(RESOLVED, minutes=1))
    assert closed.state is AlertState.CLOSED


async def test_whole_cycles_in_one_request_touch_each_alert_once(world: World) -> None:
    """Open, raise, retell and close, whatever their number."""
    await world.define()
    cycle = [
        transition(title="A"),
        transition(minutes=1, severity="High", title="B"),
        transition(minutes=2, title="C"),
        transition(RESOLVED, minutes=3),
    ]
    [alert] = await world.report(*cycle)
    assert (alert.title, alert.severity, alert.state, alert.end_time) == ("C", Severity.CRITICAL, AlertState.CLOSED, AT_TIME + minutes(3))


async def test_sources_do_not_share_anything(world: World, database: Database, clock: FakeClock) -> None:
    """The same keys at another source, or in another organization, are others."""
    await world.define()
    other = World(database, clock)
    await other.build(replace(CALLER, organization_id=8))
    assert await other.report(transition()) == []
    assert len(await world.report(transition())) == 1
