"""Fills a database with alerts through the verbs that evaluation uses, with no server running."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.alerts.model import Closing, Opening, Trigger
from lumetry_core.alerts.service.transitions import close_by_recovery, open_alerts
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Database

ALERTS_PER_TRANSACTION = 1000
MEMBERS_PER_RULE = 10
ALERTS_PER_BURST = 100
"""Neighbouring alerts concern one metric, so that correlation makes about one incident of so many alerts."""


async def first_organization(database: Database) -> int:
    """The organization that every deployment starts with."""
    async with database.read() as tx:
        return (await list_organization_ids(tx))[0]


def make_openings(count: int, metric_count: int, start: datetime, spacing: timedelta, first_rule: int = 1) -> list[Opening]:
    """Openings of distinct rules and members in order of time, in bursts over the metrics in turn."""
    openings = []
    for number in range(count):
        metric = number // ALERTS_PER_BURST % metric_count
        rule, member = number // MEMBERS_PER_RULE + first_rule, number % MEMBERS_PER_RULE
        moment = start + number * spacing
        openings.append(
            Opening(
                rule_id=rule,
                rule_name=f"Bench rule {rule}",
                rule_epoch=1,
                alert_name=f"Bench metric {metric} is too high",
                metric_key=f"bench_metric_{metric:05d}",
                metric_display_name=f"Bench metric {metric}",
                dimension_key=f"host=host-{member:02d}|region=eu-west-1",
                start_time=moment,
                severity=Severity.CRITICAL if number % 5 == 0 else Severity.WARNING,
                alert_level_id=rule,
                trigger=Trigger(count=11, needed=11, window_minutes=10),
                first_violation_time=moment - timedelta(minutes=9),
                last_not_clear_time=moment,
            )
        )
    return openings


async def store_alerts(database: Database, organization_id: int, openings: Sequence[Opening], now: datetime) -> list[int]:
    """Opens alerts and gives their numbers, in order."""
    ids: list[int] = []
    for first in range(0, len(openings), ALERTS_PER_TRANSACTION):
        async with database.write() as tx:
            opened = await open_alerts(tx, organization_id, openings[first : first + ALERTS_PER_TRANSACTION], now)
        ids += [alert.id for alert in opened]
    return ids


async def recover_alerts(database: Database, organization_id: int, ids: Sequence[int], openings: Sequence[Opening], now: datetime) -> None:
    """Closes alerts by recovery, an hour after they opened.

    Args:
        ids: Numbers of the alerts that the openings made, in their order.
    """
    closings = [
        Closing(alert_id, opening.rule_id, opening.rule_name, opening.start_time + timedelta(hours=1), opening.start_time, 5)
        for alert_id, opening in zip(ids, openings, strict=True)
    ]
    for first in range(0, len(closings), ALERTS_PER_TRANSACTION):
        async with database.write() as tx:
            await close_by_recovery(tx, organization_id, closings[first : first + ALERTS_PER_TRANSACTION], now)
