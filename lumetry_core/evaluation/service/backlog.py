"""Tells operators of organizations whose points wait too long for their evaluation."""

from datetime import datetime, timedelta

from lumetry_core.alerts.service.system_alerts import close_system_alert, raise_system_alert
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.upkeep import list_organization_ids
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction

BACKLOG_CODE = "EvaluationBacklog"
BACKLOG_SUBJECT = "Organization"
RAISED_ABOVE = timedelta(seconds=60)
CLOSED_BELOW = timedelta(seconds=30)


async def watch_backlog(tx: Transaction, now: datetime) -> None:
    """Raises `EvaluationBacklog` for organizations whose oldest waiting batch is old, and closes it for those that have caught up.

    Jobs between attempts do not count: the fault is theirs, and they have an alert of their own.
    """
    deployment = await inbox.queue_depth(tx)
    may_be_raised = deployment.oldest_create_time is not None and now - deployment.oldest_create_time >= CLOSED_BELOW
    for organization_id in await list_organization_ids(tx):
        oldest = (await inbox.summarize_queue(tx, organization_id)).oldest_create_time if may_be_raised else None
        waited = timedelta() if oldest is None else now - oldest
        subject = str(organization_id)
        if waited > RAISED_ABOVE:
            message = f"The oldest accepted points have waited {waited // timedelta(seconds=1)} s for their evaluation."
            await raise_system_alert(tx, organization_id, BACKLOG_CODE, Severity.WARNING, message, BACKLOG_SUBJECT, subject, now)
        elif waited < CLOSED_BELOW:
            await close_system_alert(tx, organization_id, BACKLOG_CODE, BACKLOG_SUBJECT, subject, now)
