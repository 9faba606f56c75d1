from collections.abc import Callable

import msgspec
import pytest
from sqlalchemy import select

from lumetry_core.access.service.evaluation_version import raise_evaluation_version, read_evaluation_version
from lumetry_core.access.store.audit import audit_logs, revisions
from lumetry_core.metrics.model import DataStatus
from lumetry_core.metrics.store.catalog import metrics as metrics_table
from lumetry_core.rules import service
from lumetry_core.rules.draft import LevelDraft, RuleDraft
from lumetry_core.rules.model import AlertLevel, Direction, Rule, RuleStatus, RuleSummary, Severity
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


async def test_evaluation_version_counts_writes(database: Database, clock: Clock, draft: Build) -> None:
    """Every rule write and every explicit bump raises the version of its organization alone."""
    rule = await create(database, clock, draft())
    await update(database, clock, rule, draft())
    async with database.write() as tx:
        await raise_evaluation_version(tx, 7)
        assert await read_evaluation_version(tx, 7, hold=True) == 3
        assert await read_evaluation_version(tx, 8) == 0
