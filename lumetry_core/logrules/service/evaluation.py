"""Counts what rules found in new blocks and moves their alerts, in the transaction that marks these as read (contract logs 8.2)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.monitors import AlertKey, Entity, EntityType, MonitorReport, MonitorSource
from lumetry_core.alerts.service.monitors import find_open, report_firing
from lumetry_core.logrules.counting import Firsts, Tally, count_found
from lumetry_core.logrules.drafts import query_of
from lumetry_core.logrules.matching import CompiledRule, Found, compile_rule
from lumetry_core.logrules.model import ALERT_TYPE, SEVERITIES, LogRule, State
from lumetry_core.logrules.store import rules as store
from lumetry_core.logrules.store import states as state_store
from lumetry_core.logrules.wording import tell_count, tell_details
from lumetry_core.logs.model import NS_PER_MS
from lumetry_core.logs.query import Field
from lumetry_core.logs.service.grouping import Grouped
from lumetry_core.logs.service.groups import link_alerts
from lumetry_core.logs.service.reading import prepare_matcher
from lumetry_core.projects.links import LinkType
from lumetry_core.projects.service.links import list_links
from lumetry_core.runtime.clock import from_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of an organization that watch, made ready."""

    rules: Sequence[CompiledRule] = ()
    revisions: Mapping[int, int] = field(default_factory=dict)

    @property
    def level_mask(self) -> int:
        """Levels of the entries that any of them may match."""
        mask = 0
        for compiled in self.rules:
            mask |= compiled.matcher.level_mask
        return mask


async def load_rules(tx: Transaction, organization_id: int, known: RuleSet) -> RuleSet:
    """The rules as they are now. Those that are known and name nothing that could have changed are not made ready again."""
    revisions = await store.list_revisions(tx, organization_id)
    if revisions == known.revisions and not any(names_others(compiled.rule) for compiled in known.rules):
        return known
    ready = {(compiled.rule.id, compiled.rule.revision): compiled for compiled in known.rules if not names_others(compiled.rule)}
    rules = []
    for rule in await store.list_enabled(tx, organization_id):
        compiled = ready.get((rule.id, rule.revision))
        if compiled is None:
            compiled = compile_rule(rule, await prepare_matcher(tx, organization_id, query_of(rule, Faults())))
        rules.append(compiled)
    return RuleSet(rules, revisions)


def names_others(rule: LogRule) -> bool:
    """Whether a rule's filters name projects or error groups, of which something may change."""
    return any(term.field in (Field.PROJECT, Field.GROUP) for term in query_of(rule, Faults()).fields)


async def count_matches(
    tx: Transaction,
    organization_id: int,
    found: Sequence[Found],
    firsts: Firsts,
    grouped: Grouped,
    now: datetime,
) -> list[Alert]:
    """Counts what rules found and opens or updates their alerts; answers those.

    Args:
        found: By rule and batch, in order of arrival.
        firsts: Of the groups that were created or reopened now, the entry that did it.
    """
    if not found:
        return []
    rules = {rule.id: rule for rule in await store.hold_rules(tx, organization_id, {each.rule_id for each in found})}
    if not rules:
        return []
    states = await state_store.hold_states(tx, organization_id, set(rules))
    alerts = await find_open(tx, organization_id, [key_of(rule_id) for rule_id in rules])
    of: dict[int, list[Found]] = defaultdict(list)
    for each in found:
        of[each.rule_id].append(each)
    tallies = [
        count_found(rule, states[rule_id], of[rule_id], grouped, firsts, is_open=key_of(rule_id) in alerts)
        for rule_id, rule in rules.items()
    ]
    counted = [tally for tally in tallies if tally is not None]
    firing = [tally for tally in counted if tally.is_firing]
    reports = [await build_report(tx, tally, alerts.get(key_of(tally.rule.id)), now) for tally in firing]
    standing = await report_firing(tx, organization_id, reports, now) if reports else []
    links = [(group_id, alert.id) for tally, alert in zip(firing, standing, strict=True) for group_id in tally.new_group_ids]
    if links:
        await link_alerts(tx, organization_id, links)
    await state_store.write_states(tx, organization_id, [settle(tally, now) for tally in counted])
    return standing


def key_of(rule_id: int) -> AlertKey:
    """The key of a rule's alert."""
    return AlertKey(MonitorSource.LOG, ALERT_TYPE, EntityType.LOG_RULE, rule_id)


def settle(tally: Tally, now: datetime) -> State:
    """What a rule remembers."""
    if not tally.is_firing:
        return replace(tally.state, last_match_time=now, due_time=None)
    fired = now if tally.opened_ns is not None else tally.state.last_fire_time
    return replace(tally.state, last_match_time=now, due_time=now + tally.rule.quiet, last_fire_time=fired)


async def build_report(tx: Transaction, tally: Tally, alert: Alert | None, now: datetime) -> MonitorReport:
    """What a rule has to say of its alert. What an open one said and is about stays."""
    rule = tally.rule
    start = now if tally.opened_ns is None else min(now, from_ms(tally.opened_ns // NS_PER_MS))
    return MonitorReport(
        source=MonitorSource.LOG,
        alert_type=ALERT_TYPE,
        entity=Entity(EntityType.LOG_RULE, rule.id, rule.name),
        severity=SEVERITIES[rule.severity],
        alert_name=rule.name,
        message=tell_count(rule, tally.peak) if alert is None else alert.trigger_reason,
        details=tell_details(rule, tally.state),
        start_time=start,
        topology_node_id=await find_node(tx, rule, tally.project_id) if alert is None else alert.topology_node_id,
        channels=rule.channels,
    )


async def find_node(tx: Transaction, rule: LogRule, project_id: str) -> int | None:
    """The node that an alert is about: the rule's, else the only one that is linked to the project of the entry that opened it."""
    if rule.topology_node_id is not None:
        return rule.topology_node_id
    linked = (await list_links(tx, rule.organization_id, project_id)).get(LinkType.TOPOLOGY_NODE, ())
    return int(linked[0]) if len(linked) == 1 else None
