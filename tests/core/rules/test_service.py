from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from lumetry_core.access.service.evaluation_version import raise_evaluation_version, read_evaluation_version
from lumetry_core.access.store.audit import audit_logs, revisions
from lumetry_core.baselines.drafts import ProfileDraft
from lumetry_core.baselines.service.profiles import create_profile, default_profile, delete_profile
from lumetry_core.baselines.store.baselines import insert_baseline
from lumetry_core.metrics.model import DataStatus
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metrics.service.references import list_references
from lumetry_core.metrics.store.catalog import metrics as metrics_table
from lumetry_core.rules import service
from lumetry_core.rules.draft import LevelDraft, RuleDraft
from lumetry_core.rules.model import (
    AlertLevel,
    BaselineState,
    Direction,
    Rule,
    RuleStatus,
    RuleSummary,
    RuleType,
    Severity,
    ThresholdMode,
)
from lumetry_core.rules.store import rules as rules_table
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.queue import claim

pytestmark = pytest.mark.usefixtures("metrics")

Build = Callable[..., RuleDraft]
CALLER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin", request_id="r-1")
OTHER = Caller(organization_id=8, kind=CredentialKind.INTERACTIVE)
BOTH = (LevelDraft(severity="Warning"), LevelDraft(severity="Critical", static_upper=95))
DYNAMIC = {"metric_key": "disk", "type": "Dynamic", "threshold_mode": "Stddev", "stddev_multiplier": 3, "static_upper": None}


def compound(draft: Build, **changes: Any) -> RuleDraft:
    """A rule with a dynamic condition on `disk` and a static one on `cpu`."""
    conditions = (draft(scope={"site": "a"}, **DYNAMIC).flat, draft().flat)
    return draft(**{"name": "Both", "conditions": conditions} | changes)


async def create(database: Database, clock: Clock, draft: RuleDraft, caller: Caller = CALLER) -> Rule:
    async with database.write() as tx:
        return await service.create(tx, caller, draft, clock.now())


async def update(database: Database, clock: Clock, rule: Rule, draft: RuleDraft) -> Rule:
    async with database.write() as tx:
        return await service.update(tx, CALLER, rule.id, draft, clock.now())


async def faults_of(database: Database, clock: Clock, draft: RuleDraft) -> tuple[Fault, ...]:
    with pytest.raises(LumetryError) as failure:
        await create(database, clock, draft)
    assert failure.value.reason is Reason.VALIDATION_FAILED
    return failure.value.faults


async def test_create_stores_a_rule(database: Database, clock: Clock, draft: Build) -> None:
    """The rule is read back whole, with level numbers and the metric's display name."""
    created = await create(database, clock, draft(levels=BOTH, scope={"site": "a"}))
    async with database.read() as tx:
        assert await service.get_rule(tx, 7, created.id) == created
    assert created.metric_display_name == "Processor use"
    assert (created.counting_epoch, created.created_by, created.create_time) == (1, 42, clock.now())
    assert created.levels == (
        AlertLevel(created.levels[0].id, Severity.WARNING),
        AlertLevel(created.levels[1].id, Severity.CRITICAL, static_upper=95),
    )
    assert created.levels[0].id < created.levels[1].id


async def test_create_is_audited(database: Database, clock: Clock, draft: Build) -> None:
    """The rule and its levels have audit rows and revisions."""
    created = await create(database, clock, draft())
    async with database.read() as tx:
        rows = (await tx.execute(select(audit_logs).order_by(audit_logs.c.id))).all()
        history = (await tx.execute(select(revisions).order_by(revisions.c.id))).all()
    level_id = created.levels[0].id
    assert [(row.action, row.entity_id, row.old_values_json) for row in rows] == [
        ("Rule.Created", str(created.id), None),
        ("RuleAlertLevel.Created", str(level_id), None),
    ]
    assert msgspec.json.decode(rows[0].new_values_json)["metricId"] == "cpu"
    assert msgspec.json.decode(rows[1].new_values_json)["triggerCount"] == 1
    assert [(row.entity_type, row.operation) for row in history] == [("Rule", "Created"), ("RuleAlertLevel", "Created")]


async def test_create_looks_up_name_and_metric(database: Database, clock: Clock, draft: Build) -> None:
    """Names are unique ignoring case; metrics exist and are evaluable; faults of both kinds come together."""
    await create(database, clock, draft())
    assert await faults_of(database, clock, draft(name="cpu HIGH", metric_key="later", window_minutes=0)) == (
        Fault("windowMinutes", "must be between 1 and 1440"),
        Fault("name", "is the name of another rule"),
        Fault("metricId", "metric later is not evaluable"),
    )
    assert await faults_of(database, clock, draft(name="b", metric_key="none")) == (Fault("metricId", "metric none does not exist"),)
    assert await faults_of(database, clock, draft(name="b", metric_key="")) == (Fault("metricId", "must not be blank"),)
    condition = draft(metric_key="none").flat
    assert await faults_of(database, clock, draft(name="b", conditions=(condition,))) == (
        Fault("conditions[0].metricId", "metric none does not exist"),
    )
    await create(database, clock, draft(), OTHER)


async def test_create_writes_nothing_when_refused(database: Database, clock: Clock, draft: Build) -> None:
    """A refused rule leaves neither row nor version."""
    await faults_of(database, clock, draft(name=""))
    async with database.read() as tx:
        assert await service.summarize(tx, 7) == RuleSummary(0, 0)
        assert await read_evaluation_version(tx, 7) == 0


async def test_update_replaces_everything(database: Database, clock: Clock, draft: Build) -> None:
    """Absent fields return to their defaults; number, creation and level numbers stay."""
    before = await create(database, clock, draft(levels=BOTH, description="x", window_minutes=9))
    clock.advance(minutes=1)
    after = await update(database, clock, before, draft(name="CPU HIGH", direction="Below", static_upper=None, static_lower=1.0))
    assert (after.id, after.name, after.direction, after.static_upper, after.static_lower, after.description, after.window_minutes) == (
        before.id,
        "CPU HIGH",
        Direction.BELOW,
        None,
        1.0,
        None,
        5,
    )
    assert (after.create_time, after.update_time, after.created_by) == (before.create_time, clock.now(), 42)
    assert after.levels == (AlertLevel(before.levels[0].id, Severity.WARNING),)


async def test_update_keeps_level_numbers_for_good(database: Database, clock: Clock, draft: Build) -> None:
    """A severity that is removed and added again gets its number back."""
    first = await create(database, clock, draft(levels=BOTH))
    await update(database, clock, first, draft())
    again = await update(database, clock, first, draft(levels=BOTH))
    assert again.levels == first.levels
    async with database.read() as tx:
        rows = await tx.execute(select(audit_logs.c.action).where(audit_logs.c.entity_type == "RuleAlertLevel").order_by(audit_logs.c.id))
        assert list(rows.scalars()) == ["RuleAlertLevel.Created"] * 2 + ["RuleAlertLevel.Removed", "RuleAlertLevel.Created"]


async def test_update_starts_counting_anew(database: Database, clock: Clock, draft: Build) -> None:
    """Strategy, scope and levels raise the epoch; names, texts and status do not."""
    rule = await create(database, clock, draft())
    changes = (
        draft(description="other"),
        draft(name="renamed"),
        draft(status="Disabled"),
        draft(static_upper=91.0),
        draft(static_upper=91.0, scope={"site": "a"}),
        draft(static_upper=91.0, scope={"site": "a"}, levels=(LevelDraft(severity="Warning", trigger_count=2),)),
        draft(metric_key="disk"),
    )
    epochs = [(await update(database, clock, rule, changed)).counting_epoch for changed in changes]
    assert epochs == [1, 1, 1, 2, 3, 4, 5]


async def test_update_hands_over_a_rule_that_left_active(database: Database, clock: Clock, draft: Build) -> None:
    """Leaving `Active` is work for evaluation, once; other changes are not."""
    rule = await create(database, clock, draft())
    await update(database, clock, rule, draft(description="other"))
    await update(database, clock, rule, draft(status="Disabled"))
    await update(database, clock, rule, draft(status="Draft"))
    async with database.write() as tx:
        items = await claim(tx, "evaluation")
    assert [(item.organization_id, item.kind, item.payload, item.create_time) for item in items] == [
        (7, "rule_left_active", {"rule_id": rule.id}, clock.now())
    ]


async def test_update_keeps_a_metric_that_stopped_being_evaluable(database: Database, clock: Clock, draft: Build) -> None:
    """A paused rule can still be changed; only a new target must be evaluable."""
    rule = await create(database, clock, draft())
    async with database.write() as tx:
        await tx.execute(metrics_table.update().values(data_status=DataStatus.STALE))
    assert (await update(database, clock, rule, draft(status="Disabled"))).status is RuleStatus.DISABLED
    with pytest.raises(LumetryError) as failure:
        await update(database, clock, rule, draft(metric_key="disk"))
    assert failure.value.faults == (Fault("metricId", "metric disk is not evaluable"),)


async def test_rules_of_another_organization_do_not_exist(database: Database, clock: Clock, draft: Build) -> None:
    """Reading and replacing fail with NOT_FOUND."""
    rule = await create(database, clock, draft(), OTHER)
    with pytest.raises(LumetryError) as failure:
        await update(database, clock, rule, draft(name=""))
    assert failure.value.reason is Reason.NOT_FOUND
    async with database.read() as tx:
        with pytest.raises(LumetryError) as failure:
            await service.get_rule(tx, 7, rule.id)
        assert failure.value.reason is Reason.NOT_FOUND
        assert await service.list_rules(tx, CALLER, "", "", 0, 0) == ([], 0)
        assert await service.active_rules(tx, 7) == []


async def test_compound_rule_is_stored(database: Database, clock: Clock, draft: Build) -> None:
    """All conditions are read back; the rule carries the display name of the first one's metric and is audited whole."""
    created = await create(database, clock, compound(draft))
    async with database.read() as tx:
        assert await service.get_rule(tx, 7, created.id) == created
        rows = await tx.execute(select(audit_logs.c.new_values_json).where(audit_logs.c.entity_type == "Rule"))
        audited = msgspec.json.decode(rows.scalar_one())
    assert created.is_compound
    assert [(one.metric_key, one.type, one.threshold_mode, one.scope) for one in created.conditions] == [
        ("disk", RuleType.DYNAMIC, ThresholdMode.STDDEV, {"site": "a"}),
        ("cpu", RuleType.STATIC, None, {}),
    ]
    assert (created.metric_key, created.metric_display_name) == ("disk", "Disk use")
    assert audited["conditions"] == [
        {
            "metricId": "disk",
            "type": "Dynamic",
            "thresholdMode": "Stddev",
            "direction": "Above",
            "tolerancePercent": None,
            "stddevMultiplier": 3,
            "staticUpper": None,
            "staticLower": None,
            "scope": {"site": "a"},
        },
        {
            "metricId": "cpu",
            "type": "Static",
            "thresholdMode": None,
            "direction": "Above",
            "tolerancePercent": None,
            "stddevMultiplier": None,
            "staticUpper": 90.0,
            "staticLower": None,
            "scope": {},
        },
    ]


async def test_create_looks_up_every_condition(database: Database, clock: Clock, draft: Build) -> None:
    """Metrics of all conditions exist and are evaluable."""
    conditions = tuple(draft(metric_key=key).flat for key in ("none", "cpu", "later", " "))
    assert await faults_of(database, clock, draft(conditions=conditions)) == (
        Fault("conditions[0].metricId", "metric none does not exist"),
        Fault("conditions[2].metricId", "metric later is not evaluable"),
        Fault("conditions[3].metricId", "must not be blank"),
    )


async def test_create_looks_up_the_baseline_profile(database: Database, clock: Clock, draft: Build) -> None:
    """A profile that the organization does not have is unknown, for static rules too."""
    assert await faults_of(database, clock, draft(baseline_profile_id=99)) == (
        Fault("baselineProfileId", "baseline profile 99 does not exist"),
    )


async def test_update_keeps_metrics_of_conditions(database: Database, clock: Clock, draft: Build) -> None:
    """A compound rule may keep metrics that stopped being evaluable, in any of its conditions."""
    rule = await create(database, clock, compound(draft))
    async with database.write() as tx:
        await tx.execute(metrics_table.update().values(data_status=DataStatus.STALE))
    disk, cpu = compound(draft).conditions
    assert (await update(database, clock, rule, compound(draft, conditions=(cpu, disk)))).metric_key == "cpu"


async def test_update_of_conditions_starts_counting_anew(database: Database, clock: Clock, draft: Build) -> None:
    """Any change of conditions or operator raises the epoch; sending the same again does not."""
    rule = await create(database, clock, compound(draft))
    disk, cpu = compound(draft).conditions
    changes = (
        compound(draft, description="other"),
        compound(draft, condition_operator="Any"),
        compound(draft, condition_operator="Any", conditions=(disk, replace(cpu, static_upper=91.0))),
        compound(draft, condition_operator="Any", conditions=(disk,)),
        draft(name="Both", flat=disk, condition_operator="Any"),
    )
    epochs = [(await update(database, clock, rule, changed)).counting_epoch for changed in changes]
    assert epochs == [1, 2, 3, 4, 4]


async def test_rule_notes_what_it_uses(database: Database, clock: Clock, draft: Build) -> None:
    """Metrics of all conditions know the rule, disabled or not, until it watches others."""

    async def uses() -> dict[str, list[tuple[str, int]]]:
        async with database.read() as tx:
            return {key: await list_references(tx, 7, key) for key in ("cpu", "disk")}

    rule = await create(database, clock, compound(draft))
    assert await uses() == {"cpu": [("Rule", rule.id)], "disk": [("Rule", rule.id)]}
    await update(database, clock, rule, compound(draft, status="Disabled"))
    assert await uses() == {"cpu": [("Rule", rule.id)], "disk": [("Rule", rule.id)]}
    await update(database, clock, rule, draft())
    assert await uses() == {"cpu": [("Rule", rule.id)], "disk": []}


async def test_rule_says_why_it_is_paused(database: Database, clock: Clock, draft: Build) -> None:
    """An active rule names those of its metrics that are not evaluable; others do not judge anyway."""

    async def switch(key: str, **values: object) -> None:
        async with database.write() as tx:
            await tx.execute(metrics_table.update().where(metrics_table.c.metric_key == key).values(**values))

    async def reason_of(rule: Rule) -> str | None:
        async with database.read() as tx:
            return (await service.get_rule(tx, 7, rule.id)).pause_reason

    rule = await create(database, clock, compound(draft))
    assert rule.pause_reason is None
    await switch("cpu", is_active=False)
    assert await reason_of(rule) == "metric cpu is INACTIVE"
    await switch("disk", data_status=DataStatus.STALE)
    assert await reason_of(rule) == "metric disk is STALE, metric cpu is INACTIVE"
    async with database.read() as tx:
        ((listed,), _) = await service.list_rules(tx, CALLER, "", "", 0, 0)
        (active,) = await service.active_rules(tx, 7)
    assert listed.pause_reason == active.pause_reason == "metric disk is STALE, metric cpu is INACTIVE"
    assert (await update(database, clock, rule, compound(draft, status="Draft"))).pause_reason is None


async def test_dynamic_rule_learns_at_first(database: Database, clock: Clock, draft: Build) -> None:
    """Until its baselines are built a rule with a dynamic condition is learning; a static one never is."""
    dynamic = await create(database, clock, draft(name="dynamic", **DYNAMIC))
    both = await create(database, clock, compound(draft))
    static = await create(database, clock, draft())
    assert [rule.baseline_state for rule in (dynamic, both, static)] == [BaselineState.LEARNING, BaselineState.LEARNING, None]


async def test_dynamic_rule_is_ready_when_its_baselines_are_built(database: Database, clock: Clock, draft: Build) -> None:
    """The baseline of every dynamic condition's metric under the rule's profile counts, wherever the rule is read."""
    async with database.write() as tx:
        profile = await create_profile(tx, CALLER, ProfileDraft(name="long"), clock.now())
        default = await default_profile(tx, 7)
        metrics = await find_metrics(tx, 7, {"disk"})
    by_default = await create(database, clock, compound(draft))
    by_profile = await create(database, clock, draft(name="long", baseline_profile_id=profile.id, **DYNAMIC))

    async def states() -> list[BaselineState | None]:
        async with database.read() as tx:
            read = [(await service.get_rule(tx, 7, rule.id)).baseline_state for rule in (by_default, by_profile)]
            listed, _ = await service.list_rules(tx, CALLER, "", "", 0, 0)
        assert [rule.baseline_state for rule in reversed(listed)] == read
        return read

    assert await states() == [BaselineState.LEARNING, BaselineState.LEARNING]
    async with database.write() as tx:
        await insert_baseline(tx, 7, default.id, metrics["disk"].id, 0, clock.now())
    assert await states() == [BaselineState.READY, BaselineState.LEARNING]
    async with database.write() as tx:
        await insert_baseline(tx, 7, profile.id, metrics["disk"].id, 0, clock.now())
    assert await states() == [BaselineState.READY, BaselineState.READY]


async def test_rule_keeps_its_profile(database: Database, clock: Clock, draft: Build) -> None:
    """A profile that a rule names cannot be deleted, even while the rule is disabled."""
    async with database.write() as tx:
        profile = await create_profile(tx, CALLER, ProfileDraft(name="long"), clock.now())
    rule = await create(database, clock, draft(baseline_profile_id=profile.id))
    await update(database, clock, rule, draft(status="Disabled", baseline_profile_id=profile.id))
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await delete_profile(tx, CALLER, profile.id, clock.now())
    assert failure.value.reason is Reason.CONFLICT
    await update(database, clock, rule, draft())
    async with database.write() as tx:
        await delete_profile(tx, CALLER, profile.id, clock.now())


async def test_search_looks_into_every_condition(database: Database, clock: Clock, draft: Build) -> None:
    """Metric keys, types and modes of all conditions match."""
    await create(database, clock, compound(draft))
    await create(database, clock, draft())

    async def names_of(search: str) -> list[str]:
        async with database.read() as tx:
            found, _ = await service.list_rules(tx, CALLER, search, "", 0, 0)
        return [rule.name for rule in found]

    assert await names_of("DISK") == ["Both"]
    assert await names_of("stdd") == ["Both"]
    assert await names_of("dynamic") == ["Both"]
    assert sorted(await names_of("static")) == ["Both", "CPU high"]
    assert await names_of("envelope") == []


async def test_rules_stored_before_conditions_are_read(database: Database, clock: Clock, draft: Build) -> None:
    """A document without conditions is a plain rule."""
    rule = await create(database, clock, draft())
    async with database.write() as tx:
        document = msgspec.json.decode((await tx.execute(select(rules_table.c.definition))).scalar_one())
        del document["conditions"]
        await tx.execute(rules_table.update().values(definition=msgspec.json.encode(document).decode()))
        assert await service.get_rule(tx, 7, rule.id) == rule


async def test_list_rules_searches_and_pages(database: Database, clock: Clock, draft: Build) -> None:
    """Search looks into name, metric key, status and type, ignoring case; pages are newest first."""
    names = ["Alpha 50%", "Béta", "gamma_x"]
    for name, metric, status in zip(names, ["cpu", "disk", "disk"], ["Active", "Active", "Draft"], strict=True):
        await create(database, clock, draft(name=name, metric_key=metric, status=status))
        clock.advance(seconds=1)

    async def names_of(search: str = "", status: str = "", page: int = 0, page_size: int = 0) -> tuple[list[str], int]:
        async with database.read() as tx:
            found, total = await service.list_rules(tx, CALLER, search, status, page, page_size)
        return [rule.name for rule in found], total

    assert await names_of() == (["gamma_x", "Béta", "Alpha 50%"], 3)
    assert await names_of("BÉTA") == (["Béta"], 1)
    assert await names_of("0%") == (["Alpha 50%"], 1)
    assert await names_of("_") == (["gamma_x"], 1)
    assert await names_of("DISK") == (["gamma_x", "Béta"], 2)
    assert await names_of("draft") == (["gamma_x"], 1)
    assert await names_of("static") == (["gamma_x", "Béta", "Alpha 50%"], 3)
    assert await names_of(status="active") == (["Béta", "Alpha 50%"], 2)
    assert await names_of(page=2, page_size=2) == (["Alpha 50%"], 3)
    assert await names_of(page=9) == ([], 3)
    async with database.read() as tx:
        assert await service.summarize(tx, 7) == RuleSummary(3, 2)
        with pytest.raises(LumetryError) as failure:
            await service.list_rules(tx, CALLER, "\0", "x", -1, 201)
    assert [fault.path for fault in failure.value.faults] == ["status", "search", "page", "pageSize"]


async def test_active_rules_carry_limits_in_force(database: Database, clock: Clock, draft: Build) -> None:
    """Levels take the rule's limits where they have none, and nothing for a side that does not count."""
    await create(database, clock, draft(name="draft", status="Draft"))
    levels = (LevelDraft(severity="Warning", recovery_upper=80), LevelDraft(severity="Critical", static_upper=95))
    stored = await create(database, clock, draft(static_lower=10.0, levels=levels))
    async with database.read() as tx:
        (found,) = await service.active_rules(tx, 7)
    assert (found.id, found.metric_display_name) == (stored.id, "Processor use")
    assert [(level.static_lower, level.static_upper, level.recovery_lower, level.recovery_upper) for level in found.levels] == [
        (None, 90.0, None, 80),
        (None, 95, None, 95),
    ]


async def test_active_rules_carry_parameters_in_force(database: Database, clock: Clock, draft: Build) -> None:
    """Levels of a dynamic rule take its parameter, recovery that of the breach; those of a compound rule are left to its conditions."""
    levels = (LevelDraft(severity="Warning", recovery_stddev_multiplier=2), LevelDraft(severity="Critical", stddev_multiplier=5))
    await create(database, clock, draft(name="dynamic", levels=levels, **DYNAMIC))
    await create(database, clock, compound(draft))
    async with database.read() as tx:
        dynamic, both = await service.active_rules(tx, 7)
    assert [(level.stddev_multiplier, level.recovery_stddev_multiplier, level.static_upper) for level in dynamic.levels] == [
        (3, 2, None),
        (5, 5, None),
    ]
    assert both.levels == (AlertLevel(both.levels[0].id, Severity.WARNING),)


async def test_evaluation_version_counts_writes(database: Database, clock: Clock, draft: Build) -> None:
    """Every rule write and every explicit bump raises the version of its organization alone."""
    rule = await create(database, clock, draft())
    await update(database, clock, rule, draft())
    async with database.write() as tx:
        await raise_evaluation_version(tx, 7)
        assert await read_evaluation_version(tx, 7, hold=True) == 3
        assert await read_evaluation_version(tx, 8) == 0
