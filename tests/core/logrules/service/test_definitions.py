from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from lumetry_core.logrules.drafts import LogRuleDraft
from lumetry_core.logrules.model import Channel, LogRule, Trigger
from lumetry_core.logrules.service import definitions
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.core.logrules.world import World


async def refuse(world: World, **fields: Any) -> dict[str, str]:
    """What is wrong with a rule, by path."""
    with pytest.raises(LumetryError) as failed:
        await world.create(**fields)
    assert failed.value.reason is Reason.VALIDATION_FAILED
    return {fault.path: fault.message for fault in failed.value.faults}


async def test_create_rule_with_defaults(world: World) -> None:
    """Only a name is needed; the quiet time follows the window."""
    rule = await world.create("  Payments ")
    now = world.clock.now()
    assert rule == LogRule(
        id=rule.id, organization_id=world.caller.organization_id, name="Payments", create_time=now, update_time=now, created_by="ann"
    )
    assert (rule.threshold, rule.effective_quiet_minutes) == (1, 15)
    assert (await world.create("other", time_window_minutes=60)).effective_quiet_minutes == 60


async def test_create_rule_names_every_fault(world: World) -> None:
    """All that is wrong is named at once, and nothing is stored."""
    wrong = await refuse(
        world,
        name="",
        error_type="x" * 513,
        severity="info",
        count_threshold=1_000_001,
        time_window_minutes=1441,
        channels=(0, " ", 2**53),
        trigger="never",
        min_level="bad",
        environment="a\0",
        project_id="p" * 129,
        q="level:nix",
        quiet_minutes=0,
        topology_node_id=99,
    )
    assert wrong == {
        "rule_name": "is required",
        "error_type": "must have at most 512 characters",
        "severity": "must be one of warning, critical",
        "count_threshold": "must be between 1 and 1000000",
        "time_window_minutes": "must be between 1 and 1440",
        "channels[0]": "must be the id of a channel, its name or a channel type",
        "channels[1]": "must be the id of a channel, its name or a channel type",
        "channels[2]": "must be the id of a channel, its name or a channel type",
        "trigger": "must be one of match, new_group, regression",
        "min_level": "must be one of debug, info, warn, error, fatal, panic",
        "environment": "must not contain NUL characters",
        "project_id": "must have at most 128 characters",
        "q": "level must be one of debug, info, warn, error, fatal, panic",
        "quiet_minutes": "must be between 1 and 10080",
        "topology_node_id": "is no node of the topology",
    }
    assert await refuse(world, count_threshold=2) == {"time_window_minutes": "is required when count_threshold is greater than 1"}
    async with world.database.read() as tx:
        assert await definitions.list_rules(tx, world.caller.organization_id) == []


async def test_create_rule_asks_for_channels(world: World) -> None:
    """Whoever knows channels is asked for those that are named."""

    async def find_unknown(_tx: Transaction, organization_id: int, channels: Sequence[Channel]) -> Collection[Channel]:
        assert (organization_id, channels) == (world.caller.organization_id, [7, "ops"])
        return {"ops"}

    draft = LogRuleDraft(rule_name="r", channels=(7, "ops"))
    with pytest.raises(LumetryError) as failed:
        async with world.database.write() as tx:
            await definitions.create_rule(tx, world.caller, draft, world.clock.now(), find_unknown)
    assert failed.value.faults == (Fault("channels[1]", "is no channel and no channel type"),)


async def test_rule_names_are_unique_without_regard_to_case(world: World) -> None:
    """Neither a new rule nor a changed one takes another one's name; its own it keeps."""
    first, second = await world.create("Payments"), await world.create("Other")
    for attempt in (world.create("PAYMENTS"), world.update(second.id, rule_name="payments")):
        with pytest.raises(LumetryError) as failed:
            await attempt
        assert failed.value.reason is Reason.DUPLICATE_NAME
    assert (await world.update(first.id, rule_name="PAYMENTS")).name == "PAYMENTS"


async def test_update_rule_changes_what_is_named(world: World) -> None:
    """The rest stays; what is named without a value gets its default."""
    rule = await world.create(count_threshold=2, time_window_minutes=5, trigger="new_group", channels=("ops",), severity="critical")
    world.clock.advance(minutes=1)
    changed = await world.update(rule.id, count_threshold=None, trigger=None, quiet_minutes=3)
    expected = replace(
        rule, count_threshold=None, trigger=Trigger.MATCH, quiet_minutes=3, revision=rule.revision + 1, update_time=world.clock.now()
    )
    assert changed == expected
    async with world.database.read() as tx:
        assert (await definitions.get_rule(tx, world.caller.organization_id, rule.id)).rule == expected
    with pytest.raises(LumetryError) as failed:
        await world.update(rule.id, count_threshold=2, time_window_minutes=None)
    assert [fault.path for fault in failed.value.faults] == ["time_window_minutes"]


async def test_rules_of_other_organizations_do_not_exist(world: World) -> None:
    """Nobody reads, changes or removes another organization's rule."""
    rule = await world.create()
    world.caller = replace(world.caller, organization_id=world.caller.organization_id + 1)
    for attempt in (world.update(rule.id, q="x"), world.delete(rule.id)):
        with pytest.raises(LumetryError) as failed:
            await attempt
        assert failed.value.reason is Reason.NOT_FOUND
    async with world.database.read() as tx:
        assert await definitions.list_rules(tx, world.caller.organization_id) == []


async def test_get_rule_tells_what_it_is_doing(world: World) -> None:
    """Its open alert, and when it last fired."""
    rule = await world.create()
    await world.tell(world.failure())
    [alert] = await world.alerts()
    async with world.database.read() as tx:
        view = await definitions.get_rule(tx, world.caller.organization_id, rule.id)
    assert (view.rule, view.open_alert_id, view.last_fire_time) == (rule, alert.id, world.clock.now())
