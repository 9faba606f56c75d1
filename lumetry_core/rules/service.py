"""Writes and reads rules."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.baselines.service.profiles import claim_profile, find_profile
from lumetry_core.baselines.service.states import find_built
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metrics.service.references import refer
from lumetry_core.rules import store
from lumetry_core.rules.audit import audit_fields, audit_level
from lumetry_core.rules.choices import check_text, find_choice
from lumetry_core.rules.draft import RuleDraft
from lumetry_core.rules.model import Definition, Rule, RuleStatus, RuleSummary, resolve_level, strategy_of
from lumetry_core.rules.standing import find_baseline_state, find_pause_reason, list_baselines
from lumetry_core.rules.validation import check_rule, placed_strategies, with_levels
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.paging import read_page
from lumetry_core.runtime.queue import enqueue

DEFAULT_PAGE_SIZE = 25
EVALUATION = "evaluation"
REFERRER = "Rule"
"""What rules are called where metrics and baseline profiles note who uses them."""
KnowsProfile = Callable[[Transaction, int, int], Awaitable[bool]]
"""Whether an organization has the alerting profile of a number. Profiles stand above rules, so whoever wires services says how to ask."""


async def knows_none(_tx: Transaction, _organization_id: int, _profile_id: int) -> bool:
    """The answer where there are no alerting profiles."""
    return False


async def create(tx: Transaction, caller: Caller, draft: RuleDraft, now: datetime, knows_profile: KnowsProfile = knows_none) -> Rule:
    """Creates a rule that judges points evaluated from now on. Fails with VALIDATION_FAILED."""
    await raise_evaluation_version(tx, caller.organization_id)
    definition = await check(tx, caller, draft, None, knows_profile)
    rule_id = await store.insert_rule(tx, caller.organization_id, definition, now, caller.user_id)
    definition = await number_levels(tx, caller, rule_id, definition)
    await store.update_rule(tx, caller.organization_id, rule_id, definition, 1, now)
    await note_uses(tx, caller.organization_id, rule_id, definition)
    created = await get_rule(tx, caller.organization_id, rule_id)
    await record_audit(tx, caller, "Rule.Created", "Rule", rule_id, now, None, audit_fields(created))
    await audit_levels(tx, caller, None, created, now)
    return created


async def update(
    tx: Transaction, caller: Caller, rule_id: int, draft: RuleDraft, now: datetime, knows_profile: KnowsProfile = knows_none
) -> Rule:
    """Replaces a rule's definition; absent fields take their defaults. Fails with NOT_FOUND, VALIDATION_FAILED.

    Counting starts anew when strategy, scope or levels changed. Leaving `Active` makes evaluation close the rule's alerts.
    """
    await raise_evaluation_version(tx, caller.organization_id)
    before = await get_rule(tx, caller.organization_id, rule_id)
    definition = await number_levels(tx, caller, rule_id, await check(tx, caller, draft, before, knows_profile))
    counting_epoch = before.counting_epoch + (strategy_of(definition) != strategy_of(before))
    await store.update_rule(tx, caller.organization_id, rule_id, definition, counting_epoch, now)
    await note_uses(tx, caller.organization_id, rule_id, definition)
    after = await get_rule(tx, caller.organization_id, rule_id)
    if before.is_active and not after.is_active:
        await enqueue(tx, caller.organization_id, EVALUATION, [("rule_left_active", {"rule_id": rule_id})], now)
    await record_audit(tx, caller, "Rule.Updated", "Rule", rule_id, now, audit_fields(before), audit_fields(after))
    await audit_levels(tx, caller, before, after, now)
    return after


async def check(
    tx: Transaction, caller: Caller, draft: RuleDraft, before: Rule | None, knows_profile: KnowsProfile = knows_none
) -> Definition:
    """Checks a draft with all that must be looked up. Fails with VALIDATION_FAILED.

    Args:
        before: The rule that is replaced. It may keep metrics that stopped being evaluable, and pauses meanwhile.
    """
    faults = Faults()
    definition = check_rule(draft, faults)
    if definition.name and "\0" not in definition.name:
        other = await store.find_rule_id(tx, caller.organization_id, definition.name)
        faults.check(other is None or (before is not None and other == before.id), "name", "is the name of another rule")
    if draft.alerting_profile_id is not None:
        known = await knows_profile(tx, caller.organization_id, draft.alerting_profile_id)
        faults.check(known, "alertingProfileId", f"alerting profile {draft.alerting_profile_id} does not exist")
    if draft.baseline_profile_id is not None:
        profile = await find_profile(tx, caller.organization_id, draft.baseline_profile_id)
        faults.check(profile is not None, "baselineProfileId", f"baseline profile {draft.baseline_profile_id} does not exist")
    await check_metrics(tx, caller.organization_id, draft, before.metric_keys if before else (), faults)
    faults.raise_if_any()
    return definition


async def check_metrics(tx: Transaction, organization_id: int, draft: RuleDraft, kept: Collection[str], faults: Faults) -> None:
    """Notes metrics that do not exist, or are not evaluable and not among those kept."""
    strategies = placed_strategies(draft)
    metrics = await find_metrics(tx, organization_id, {item.metric_key for item, _ in strategies if "\0" not in item.metric_key})
    for strategy, prefix in strategies:
        key, path = strategy.metric_key, f"{prefix}metricId"
        metric = metrics.get(key)
        if not key.strip():
            faults.add(path, "must not be blank")
        elif metric is None:
            faults.add(path, f"metric {key} does not exist")
        elif key not in kept:
            faults.check(metric.is_evaluable, path, f"metric {key} is not evaluable")


async def note_uses(tx: Transaction, organization_id: int, rule_id: int, definition: Definition) -> None:
    """Notes what must not be deleted while the rule exists, whether it is active or not."""
    await refer(tx, organization_id, REFERRER, rule_id, definition.metric_keys)
    await claim_profile(tx, organization_id, REFERRER, rule_id, definition.baseline_profile_id)


async def number_levels(tx: Transaction, caller: Caller, rule_id: int, definition: Definition) -> Definition:
    """Gives each level the number that the rule's level of that severity has for good."""
    ids = await store.take_level_ids(tx, caller.organization_id, rule_id, [level.severity for level in definition.levels])
    return with_levels(definition, tuple(replace(level, id=ids[level.severity]) for level in definition.levels))


async def audit_levels(tx: Transaction, caller: Caller, before: Rule | None, after: Rule, now: datetime) -> None:
    """Keeps the history of each level that changed."""
    old = {level.id: audit_level(level) for level in before.levels} if before else {}
    new = {level.id: audit_level(level) for level in after.levels}
    for level_id in sorted(old.keys() | new.keys()):
        was, now_is = old.get(level_id), new.get(level_id)
        if was != now_is:
            verb = "Created" if was is None else "Removed" if now_is is None else "Updated"
            await record_audit(tx, caller, f"RuleAlertLevel.{verb}", "RuleAlertLevel", level_id, now, was, now_is)


async def get_rule(tx: Transaction, organization_id: int, rule_id: int) -> Rule:
    """One rule. Fails with NOT_FOUND."""
    found = await store.read_rule(tx, organization_id, rule_id)
    if found is None:
        raise not_found("Rule", rule_id)
    return (await show_present(tx, organization_id, [found]))[0]


async def list_rules(tx: Transaction, caller: Caller, search: str, status: str, page: int, page_size: int) -> tuple[list[Rule], int]:
    """A page of rules, newest first, and how many match. Fails with VALIDATION_FAILED (`page`, `pageSize`, `status`).

    Args:
        search: Part of name, metric key, status, type or threshold mode, ignoring case. Empty: all.
        status: Ignoring case. Empty: all.
        page: From 1; 0: 1.
        page_size: 0: 25.
    """
    faults = Faults()
    wanted = find_choice(RuleStatus, status, "status", faults)
    check_text(search, "search", faults)
    part = read_page(page, page_size, default_size=DEFAULT_PAGE_SIZE, faults=faults)
    faults.raise_if_any()
    found, total = await store.select_rules(tx, caller.organization_id, search.strip(), wanted, part)
    return await show_present(tx, caller.organization_id, found), total


async def find_alerted(tx: Transaction, organization_id: int, alerting_profile_id: int) -> list[int]:
    """The numbers of the rules that name an alerting profile, ascending. Rules are written after `raise_evaluation_version`."""
    return await store.select_alerted(tx, organization_id, alerting_profile_id)


async def find_alerting_profiles(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, int]:
    """The alerting profile that each of these rules names, as far as it names one."""
    return await store.select_alerting_profiles(tx, organization_id, ids)


async def summarize(tx: Transaction, organization_id: int) -> RuleSummary:
    """Counts rules without loading them."""
    return await store.count_rules(tx, organization_id)


async def active_rules(tx: Transaction, organization_id: int) -> list[Rule]:
    """All active rules by number, ascending, as evaluation needs them.

    Levels are sorted from Warning to Critical and carry the limits in force: None where the strategy has none. The level of a compound
    rule has none; each condition carries its own.
    """
    found = await store.select_active(tx, organization_id)
    resolved = [with_resolved_levels(rule) for rule in found]
    return show_metrics(resolved, await find_watched(tx, organization_id, resolved))


def with_resolved_levels(rule: Rule) -> Rule:
    """The rule with the limits of each level in force."""
    if rule.is_compound:
        return rule
    return replace(rule, levels=tuple(resolve_level(rule, level) for level in rule.levels))


async def find_watched(tx: Transaction, organization_id: int, found: Sequence[Rule]) -> dict[str, MetricInfo]:
    """The metrics that rules watch, by key, as far as they exist."""
    return await find_metrics(tx, organization_id, {key for rule in found for key in rule.metric_keys})


def show_metrics(found: Sequence[Rule], metrics: Mapping[str, MetricInfo]) -> list[Rule]:
    """Adds what the present metrics say: display names, and why rules are paused."""
    shown = []
    for rule in found:
        metric = metrics.get(rule.metric_key)
        name = metric.display_name if metric else rule.metric_display_name
        shown.append(replace(rule, metric_display_name=name, pause_reason=find_pause_reason(rule, metrics)))
    return shown


async def show_present(tx: Transaction, organization_id: int, found: Sequence[Rule]) -> list[Rule]:
    """Adds all that is told of the present: what metrics say, and how far baselines are."""
    metrics = await find_watched(tx, organization_id, found)
    shown = show_metrics(found, metrics)
    profile_ids = {rule.baseline_profile_id for rule in found if rule.dynamic_metric_keys}
    if not profile_ids:
        return shown
    profiles = {profile_id: await find_profile(tx, organization_id, profile_id) for profile_id in profile_ids}
    wanted = [list_baselines(rule, profiles.get(rule.baseline_profile_id), metrics) for rule in shown]
    built = await find_built(tx, organization_id, set().union(*wanted))
    return [replace(rule, baseline_state=find_baseline_state(rule, of_rule, built)) for rule, of_rule in zip(shown, wanted, strict=True)]
