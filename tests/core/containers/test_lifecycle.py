from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.containers.engine import EngineEvent, Inspected
from lumetry_core.containers.lifecycle import apply_event, apply_sighting, discover, moment_of, plan_reconcile, state_of, transition_between
from lumetry_core.containers.model import Container, ContainerState, Health
from lumetry_core.rules.model import Severity

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
SHOP = Inspected(external_id="a1", name="shop", image="shop:1", image_id="sha256:1", state="running", start_time=NOW)


def known(seen: Inspected = SHOP, number: int = 1) -> Container:
    """The record of a container."""
    return replace(discover(7, seen, NOW), id=number)


def event(action: str, **fields: object) -> EngineEvent:
    """Something that happened a second later."""
    return replace(EngineEvent(action, "a1", "shop", NOW + timedelta(seconds=1)), **fields)  # type: ignore[arg-type]


def state_after(container: Container, *events: EngineEvent, oom_killed: bool = False) -> ContainerState:
    for each in events:
        container = apply_event(container, each, None, oom_killed=oom_killed, time=each.time)
    return container.state


@pytest.mark.parametrize(
    ("exit_code", "oom_killed", "state"),
    [
        (0, False, ContainerState.COMPLETED),
        (137, False, ContainerState.COMPLETED),
        (143, False, ContainerState.COMPLETED),
        (1, False, ContainerState.EXITED),
        (139, False, ContainerState.EXITED),
        (None, False, ContainerState.EXITED),
        (137, True, ContainerState.EXITED),
        (0, True, ContainerState.EXITED),
    ],
)
def test_end_with_exit_code(exit_code: int | None, oom_killed: bool, state: ContainerState) -> None:
    """Codes 0, 137 and 143 complete, unless memory ran out; an end seen in a look at it counts like one that was told."""
    died = event("die", exit_code=exit_code)
    assert state_after(known(), died, oom_killed=oom_killed) is state
    assert state_after(known(), died, event("stop"), oom_killed=oom_killed) is state
    assert state_of(replace(SHOP, state="exited", exit_code=exit_code, oom_killed=oom_killed)) is state


def test_map_events() -> None:
    """Start, pause, unpause and stop say what a container does; others change nothing."""
    container = known()
    assert state_after(container, event("pause")) is ContainerState.PAUSED
    assert state_after(container, event("pause"), event("unpause")) is ContainerState.RUNNING
    assert state_after(container, event("stop")) is ContainerState.EXITED
    assert state_after(container, event("stop"), event("start")) is ContainerState.RUNNING
    assert state_after(container, event("exec_start"), event("attach")) is ContainerState.RUNNING


def test_take_end_and_new_start() -> None:
    """An end keeps code and cause; the next start forgets them and begins with the health of its check."""
    checked = known(replace(SHOP, health="unhealthy", has_health_check=True))
    ended = apply_event(checked, event("die", exit_code=137), None, oom_killed=True, time=NOW)
    assert (ended.state, ended.exit_code, ended.oom_killed, ended.health) == (ContainerState.EXITED, 137, True, Health.UNHEALTHY)
    started = apply_event(ended, event("start"), None, oom_killed=False, time=NOW)
    assert (started.state, started.exit_code, started.oom_killed, started.health) == (ContainerState.RUNNING, None, False, Health.STARTING)


def test_set_health() -> None:
    """Health events set the health and leave the state and its time alone."""
    after = apply_event(known(), event("health_status", health="unhealthy"), None, oom_killed=False, time=NOW + timedelta(seconds=9))
    assert after == replace(known(), health=Health.UNHEALTHY, has_health_check=True)


def test_believe_clock_of_engine() -> None:
    """The engine's time counts where it can be true; else the present does."""
    container, now = known(), NOW + timedelta(minutes=1)
    assert moment_of(event("die"), container, now) == NOW + timedelta(seconds=1)
    for told in (now + timedelta(seconds=1), NOW - timedelta(seconds=1), now - timedelta(hours=1)):
        assert moment_of(event("die", time=told), container, now) == now


def test_read_labels() -> None:
    """Labels group, name severity, threshold, channels; a faulty one leaves its default."""
    labels = {
        "lumetry.group": "web",
        "maintenant.group": "other",
        "maintenant.alert.severity": "critical",
        "lumetry.alert.restart_threshold": "0",
        "lumetry.alert.channels": "ops, night ,",
        "com.docker.compose.project": "store",
        "com.docker.compose.service": "shop",
    }
    container = known(replace(SHOP, labels=labels))
    assert container == replace(
        known(),
        custom_group="web",
        alert_severity=Severity.CRITICAL,
        restart_threshold=3,
        alert_channels="ops, night ,",
        orchestration_group="store",
        orchestration_unit="shop",
        labels=labels,
    )
    assert container.channel_names == ("ops", "night")
    assert container.node_names == ("container:shop", "compose:store/shop")
    assert known(replace(SHOP, labels={"maintenant.ignore": "1"})).is_ignored


def test_plan_redeploy() -> None:
    """A container under the name of one that is gone is the same record, whether that was archived before or not."""
    again = replace(SHOP, external_id="b2", image="shop:2")
    assert plan_reconcile([known()], [again]).known == [(known(), again)]
    archived = replace(known(), archive_time=NOW)
    plan = plan_reconcile([archived], [again])
    assert (plan.new, plan.known, plan.vanished) == ([], [(archived, again)], [])
    back = apply_sighting(archived, again, NOW + timedelta(hours=1))
    assert (back.id, back.external_id, back.image, back.archive_time) == (1, "b2", "shop:2", None)
    transition = transition_between(archived, back, NOW + timedelta(hours=1), None)
    assert transition is not None
    assert transition.absent_since == NOW


def test_plan_same_name_in_other_project() -> None:
    """The name alone is not the identity: group and unit are part of it."""
    other = replace(SHOP, external_id="b2", labels={"com.docker.compose.project": "other"})
    plan = plan_reconcile([known()], [other])
    assert (plan.new, plan.known, plan.vanished) == ([other], [], [known()])


def test_plan_rename_onto_archived_name() -> None:
    """A tool that replaces a container gives the new one its name last: then the record of the name goes on."""
    archived = replace(known(), archive_time=NOW)
    provisional = known(replace(SHOP, external_id="b2", name="a1_shop"), 2)
    renamed = replace(SHOP, external_id="b2")
    plan = plan_reconcile([archived, provisional], [renamed])
    assert (plan.new, plan.known, plan.vanished) == ([], [(archived, renamed)], [provisional])


names = st.sampled_from(["shop", "cart", "mail"])
steps = st.lists(st.tuples(st.sampled_from(["run", "remove", "die", "start", "rename", "pause"]), names, st.integers(0, 2)), max_size=30)


@given(steps)
@settings(max_examples=200, deadline=None)
def test_reconcile_after_anything(story: list[tuple[str, str, int]]) -> None:
    """After any story one look brings the records to what there is, one for each container; a second look changes nothing."""
    there: dict[str, Inspected] = {}
    records: list[Container] = []
    made = 0
    for action, name, code in story:
        mine = next((each for each in there.values() if each.name == name), None)
        if action == "run" and mine is None:
            made += 1
            there[f"c{made}"] = replace(SHOP, external_id=f"c{made}", name=name)
        elif mine is not None:
            match action:
                case "remove":
                    del there[mine.external_id]
                case "die":
                    there[mine.external_id] = replace(mine, state="exited", exit_code=code)
                case "start":
                    there[mine.external_id] = replace(mine, state="running", exit_code=None)
                case "pause":
                    there[mine.external_id] = replace(mine, state="paused")
                case "rename" if not any(each.name == "new" for each in there.values()):
                    there[mine.external_id] = replace(mine, name="new")
        if code:
            records = look(records, list(there.values()))
    records = look(records, list(there.values()))
    present = [record for record in records if not record.is_archived]
    assert {(each.external_id, each.name): each.state for each in present} == {
        (each.external_id, each.name): state_of(each) for each in there.values()
    }
    assert len({record.id for record in records}) == len(records)
    assert look(records, list(there.values())) == records


def look(records: list[Container], seen: list[Inspected]) -> list[Container]:
    """The records after a reconcile."""
    plan = plan_reconcile(records, seen)
    after = {record.id: record for record in records}
    after |= {record.id: replace(record, archive_time=NOW) for record in plan.vanished}
    after |= {record.id: apply_sighting(record, each, NOW) for record, each in plan.known}
    for each in plan.new:
        number = len(after) + 1
        after[number] = replace(discover(7, each, NOW), id=number)
    return list(after.values())
