"""Records violations, joins them to alerts, and lists them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from lumetry_core.metrics.model import Integers
from lumetry_core.rules.choices import check_text, find_choice
from lumetry_core.rules.model import SEVERITIES
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.paging import read_limit
from lumetry_core.violations import store
from lumetry_core.violations.model import Attachment, EvidenceProbe, NewViolation, RunAttachment, Violation, ViolationFilter


async def record(tx: Transaction, organization_id: int, new: Sequence[NewViolation]) -> None:
    """Records breaches in bulk; one that is recorded already is left as it is.

    It is the same when rule, dimension key and time are, or metric, analysis, dimension key and tick.
    """
    await store.insert_violations(tx, organization_id, new)


async def attach(
    tx: Transaction, organization_id: int, rule_id: int, dimension_key: str | None, times: Collection[datetime], alert_id: int
) -> None:
    """Makes recorded violations of one evaluation series of a rule part of an alert."""
    await attach_all(tx, organization_id, [Attachment(rule_id, dimension_key, tuple(times), alert_id)])


async def attach_all(tx: Transaction, organization_id: int, attachments: Sequence[Attachment]) -> None:
    """Makes recorded violations part of alerts, in bulk; those that belong to one already stay there."""
    await store.set_alerts(tx, organization_id, attachments)


async def attach_runs(tx: Transaction, organization_id: int, attachments: Sequence[RunAttachment]) -> None:
    """Makes recorded violations of fleet analyses part of alerts, in bulk; those that belong to one already stay there."""
    await store.set_alerts_of_runs(tx, organization_id, attachments)


async def find_recorded(
    tx: Transaction, organization_id: int, rule_id: int, times: Collection[datetime]
) -> set[tuple[str | None, datetime]]:
    """The (dimension key, time) pairs, among `times`, at which a rule has recorded violations."""
    return await store.select_recorded(tx, organization_id, rule_id, times)


async def recent_unattached(tx: Transaction, organization_id: int, since: datetime) -> list[Violation]:
    """Violations of rules, of the time `since` and later, that carry trigger weight and belong to no alert, by time, ascending.

    They may come from earlier counting epochs of their rules.
    """
    return await store.select_unattached(tx, organization_id, since)


async def list_violations(tx: Transaction, organization_id: int, wanted: ViolationFilter) -> list[Violation]:
    """The newest violations that match, by time and then by number, both descending."""
    return await store.select_violations(tx, organization_id, wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationQuery:
    """What people ask for, unchecked. Empty texts and None keep all; limit 0 is the default."""

    metric_key: str = ""
    rule_id: int | None = None
    severity: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    dimension_key: str | None = None
    limit: int = 0


async def search_violations(tx: Transaction, caller: Caller, query: ViolationQuery) -> list[Violation]:
    """The newest violations that match all filters. Fails with VALIDATION_FAILED."""
    faults = Faults()
    wanted = ViolationFilter(
        metric_key=query.metric_key or None,
        rule_id=query.rule_id,
        severity=find_choice(SEVERITIES, query.severity, "severity", faults),
        start_time=query.start_time,
        end_time=query.end_time,
        dimension_key=query.dimension_key,
        limit=read_limit(query.limit, faults=faults),
    )
    check_text(query.metric_key, "metricId", faults)
    check_text(query.dimension_key, "dimensionKey", faults)
    if query.start_time and query.end_time:
        faults.check(query.start_time <= query.end_time, "from", "must not be after to")
    faults.raise_if_any()
    return await list_violations(tx, caller.organization_id, wanted)


async def breached_times(
    tx: Transaction, organization_id: int, metric_key: str, since: datetime, *, detectors_only: bool = False
) -> dict[str | None, Integers]:
    """The times, in ms, at which points of a metric breached anything since a time, by dimension key.

    Args:
        detectors_only: Only what fleet detectors found.
    """
    found: dict[str | None, list[int]] = {}
    for key, time_ms in await store.select_breached_times(tx, organization_id, metric_key, since, detectors_only=detectors_only):
        found.setdefault(key, []).append(time_ms)
    return {key: np.array(times, np.int64) for key, times in found.items()}


async def find_first_evidence(tx: Transaction, organization_id: int, probes: Sequence[EvidenceProbe]) -> dict[int, datetime]:
    """The time of the first violation that each probe asks for, by alert; those without any are left out.

    Args:
        probes: At most one of each alert.
    """
    return await store.select_first_times(tx, organization_id, probes)


async def drop_old(tx: Transaction, organization_id: int, before: datetime, limit: int) -> bool:
    """Deletes the oldest violations of a time before, at most so many; True when there may be more."""
    return await store.delete_before(tx, organization_id, before, limit) == limit
