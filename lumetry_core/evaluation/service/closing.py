"""Closes the alerts of rules that are no longer evaluated (contract lumetry 7.5)."""

from collections.abc import Iterable

import structlog

from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.alerts.service import transitions
from lumetry_core.rules import service as rules
from lumetry_core.rules.model import RuleStatus
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.queue import WorkItem

log = structlog.get_logger(__name__)

QUEUE = "evaluation"
RULE_LEFT_ACTIVE = "rule_left_active"


async def close_left(tx: Transaction, items: Iterable[WorkItem]) -> None:
    """Closes, at the time of the change, the open alerts of the rules named by work items of one organization."""
    for item in items:
        if item.kind != RULE_LEFT_ACTIVE:
            log.error("unknown work", queue=QUEUE, kind=item.kind)
            continue
        # States that evaluation holds may know the rule's alerts as active, if it became active again meanwhile.
        await raise_evaluation_version(tx, item.organization_id)
        rule = await rules.get_rule(tx, item.organization_id, item.payload["rule_id"])
        status = RuleStatus.DISABLED if rule.is_active else rule.status
        await transitions.close_for_rule(tx, item.organization_id, rule.id, rule.name, status, item.create_time)
