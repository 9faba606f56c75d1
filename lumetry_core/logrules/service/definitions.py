"""Making, changing, reading and removing rules (contract logs 8.1, 8.4)."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import actor_name, record_audit
from lumetry_core.alerts.monitors import EntityType
from lumetry_core.alerts.service.monitors import end_for_entities, find_active_monitored
from lumetry_core.logrules.drafts import LogRuleDraft, build_rule, draft_of, merge
from lumetry_core.logrules.model import Channel, LogRule, RuleView, State
from lumetry_core.logrules.store import rules as store
from lumetry_core.logrules.store import states as state_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.topology.service.nodes import find_nodes

KIND = "LogAlertRule"
FindUnknownChannels = Callable[[Transaction, int, Sequence[Channel]], Awaitable[Collection[Channel]]]
"""Those of the channels that an organization does not have. Channels stand above rules, so whoever wires services says how to ask."""


async def knows_all(_tx: Transaction, _organization_id: int, _channels: Sequence[Channel]) -> Collection[Channel]:
    """The answer where channels are not asked about."""
    return ()


async def list_rules(tx: Transaction, organization_id: int) -> list[LogRule]:
    """All rules by number."""
    return await store.list_rules(tx, organization_id)


async def get_rule(tx: Transaction, organization_id: int, rule_id: int) -> RuleView:
    """A rule and what it is doing. Fails with NOT_FOUND."""
    rule = await require(tx, organization_id, rule_id)
    active = await find_active_monitored(tx, organization_id, EntityType.LOG_RULE, [rule_id])
    state = await state_store.find_state(tx, organization_id, rule_id)
    return RuleView(rule, active[0].id if active else None, None if state is None else state.last_fire_time)


async def create_rule(
    tx: Transaction,
    caller: Caller,
    draft: LogRuleDraft,
    now: datetime,
    find_unknown: FindUnknownChannels = knows_all,
    *,
    validate_only: bool = False,
) -> LogRule | None:
    """Makes a rule; None when it was only checked. Fails with VALIDATION_FAILED, DUPLICATE_NAME."""
    rule = await check(tx, caller.organization_id, draft, now, find_unknown)
    if validate_only:
        return None
    rule = replace(rule, created_by=None if caller.kind is None else actor_name(caller))
    number = await store.insert_rule(tx, rule)
    if number is None:
        raise duplicate(rule.name)
    await state_store.insert_state(tx, caller.organization_id, number)
    created = replace(rule, id=number)
    await record_audit(tx, caller, f"{KIND}.Created", KIND, number, now, after=audited(created))
    return created


async def update_rule(
    tx: Transaction,
    caller: Caller,
    rule_id: int,
    draft: LogRuleDraft,
    named: Collection[str],
    now: datetime,
    find_unknown: FindUnknownChannels = knows_all,
    *,
    validate_only: bool = False,
) -> LogRule | None:
    """Changes the named fields; None when they were only checked. Fails with NOT_FOUND, VALIDATION_FAILED, DUPLICATE_NAME."""
    organization_id = caller.organization_id
    before = await require(tx, organization_id, rule_id, lock=True)
    changed = merge(draft, named, draft_of(before))
    checked = await check(tx, organization_id, changed, now, find_unknown, before)
    if validate_only:
        return None
    after = replace(
        checked, id=rule_id, create_time=before.create_time, created_by=before.created_by, revision=before.revision + 1, update_time=now
    )
    if await store.find_by_name(tx, organization_id, after.name) not in (None, rule_id):
        raise duplicate(after.name)
    await store.update_rule(tx, after)
    await adapt_state(tx, before, after, now)
    await record_audit(tx, caller, f"{KIND}.Updated", KIND, rule_id, now, audited(before), audited(after))
    return after


async def adapt_state(tx: Transaction, before: LogRule, after: LogRule, now: datetime) -> None:
    """What was counted, under a changed definition; a rule that no longer watches ends its alert."""
    state = (await state_store.hold_states(tx, after.organization_id, [after.id]))[after.id]
    if not after.enabled:
        await end_for_entities(tx, after.organization_id, EntityType.LOG_RULE, [after.id], "The log alert rule was disabled", now)
        state = State(after.id, last_fire_time=state.last_fire_time)
    elif after.selection != before.selection:
        state = replace(state, times=b"")
    if state.due_time is not None and state.last_match_time is not None:
        state = replace(state, due_time=state.last_match_time + after.quiet)
    await state_store.write_states(tx, after.organization_id, [state])


async def delete_rule(tx: Transaction, caller: Caller, rule_id: int, now: datetime) -> None:
    """Removes a rule and ends its alert. Fails with NOT_FOUND."""
    organization_id = caller.organization_id
    before = await require(tx, organization_id, rule_id, lock=True)
    await state_store.hold_states(tx, organization_id, [rule_id])
    await end_for_entities(tx, organization_id, EntityType.LOG_RULE, [rule_id], "The log alert rule was deleted", now)
    await state_store.delete_state(tx, organization_id, rule_id)
    await store.delete_rule(tx, organization_id, rule_id)
    await record_audit(tx, caller, f"{KIND}.Deleted", KIND, rule_id, now, before=audited(before))


async def require(tx: Transaction, organization_id: int, rule_id: int, *, lock: bool = False) -> LogRule:
    """A rule. Fails with NOT_FOUND."""
    rule = await store.find_rule(tx, organization_id, rule_id, lock=lock)
    if rule is None:
        raise not_found("Log alert rule", rule_id)
    return rule


async def check(
    tx: Transaction,
    organization_id: int,
    draft: LogRuleDraft,
    now: datetime,
    find_unknown: FindUnknownChannels,
    before: LogRule | None = None,
) -> LogRule:
    """The rule that a draft means. Fails with VALIDATION_FAILED. A rule may keep a node or channel that is gone meanwhile."""
    faults = Faults()
    rule = build_rule(draft, faults, organization_id, now)
    node_id = rule.topology_node_id
    if node_id is not None and 1 <= node_id < 2**53 and (before is None or before.topology_node_id != node_id):
        found = await find_nodes(tx, organization_id, [node_id], hold=True)
        faults.check(node_id in found, "topology_node_id", "is no node of the topology")
    if before is None or before.channels != rule.channels:
        readable = [channel for channel in rule.channels if not isinstance(channel, str) or "\0" not in channel]
        unknown = set(await find_unknown(tx, organization_id, readable))
        for position, channel in enumerate(rule.channels):
            faults.check(channel not in unknown, f"channels[{position}]", "is no channel and no channel type")
    faults.raise_if_any()
    return rule


def duplicate(name: str) -> LumetryError:
    """The failure of a name that is taken."""
    return LumetryError(Reason.DUPLICATE_NAME, f"Another log alert rule has the name {name}.", type=KIND, name=name)


def audited(rule: LogRule) -> dict[str, object]:
    """What the audit log keeps of a rule, in the contract's words."""
    given = draft_of(rule)
    return {name: getattr(given, name) for name in given.__dataclass_fields__}
