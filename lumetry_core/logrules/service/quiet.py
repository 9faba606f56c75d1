"""Ending alerts of rules that have become quiet (contract logs 8.2)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from lumetry_core.alerts.monitors import EntityType, MonitorRecovery, MonitorSource
from lumetry_core.alerts.service.monitors import report_recovery
from lumetry_core.logrules.model import ALERT_TYPE
from lumetry_core.logrules.store import rules as store
from lumetry_core.logrules.store import states as state_store
from lumetry_core.logrules.wording import tell_quiet
from lumetry_core.runtime.database import Transaction

MAX_DUE = 500


async def list_due(tx: Transaction, now: datetime) -> dict[int, list[int]]:
    """Rules whose alerts may be over, by organization."""
    due = await state_store.list_due(tx, now, MAX_DUE)
    return {organization_id: [rule_id for _, rule_id in members] for organization_id, members in groupby(due, itemgetter(0))}


async def end_quiet(tx: Transaction, organization_id: int, rule_ids: Sequence[int], now: datetime) -> None:
    """Ends the alerts of those that are still quiet."""
    rules = {rule.id: rule for rule in await store.hold_rules(tx, organization_id, rule_ids)}
    states = await state_store.hold_states(tx, organization_id, rule_ids)
    quiet = [state for state in states.values() if state.due_time is not None and state.due_time <= now]
    recoveries = [
        MonitorRecovery(
            source=MonitorSource.LOG,
            alert_type=ALERT_TYPE,
            entity_type=EntityType.LOG_RULE,
            entity_id=state.rule_id,
            end_time=now,
            message=tell_quiet(rules[state.rule_id]) if state.rule_id in rules else "",
        )
        for state in quiet
    ]
    await report_recovery(tx, organization_id, recoveries, now)
    await state_store.write_states(tx, organization_id, [replace(state, due_time=None, count=0, group_ids=()) for state in quiet])
