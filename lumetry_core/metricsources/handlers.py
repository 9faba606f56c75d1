"""What collectors are told of the polls and tests that they make, and what becomes of what they report."""

from collections.abc import Mapping
from datetime import datetime

import structlog

from lumetry_core.access.vault import VaultError
from lumetry_core.collectors.agent.polling.wording import hide
from lumetry_core.collectors.work import (
    Outcome,
    SourcePayload,
    WorkHandler,
    WorkItem,
    WorkKind,
    is_held,
)
from lumetry_core.metricsources.judging import PollResult
from lumetry_core.metricsources.model import MAX_TEST_SAMPLES, Seen, SourceTest, SourceTestStatus
from lumetry_core.metricsources.sealing import Candidate, Rules, unseal
from lumetry_core.metricsources.service import recording, sources, testing
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, Reason

log = structlog.get_logger(__name__)

UNREADABLE = "The stored secret cannot be opened with the key of this core; send it anew."


class PollHandler:
    """Polls by collectors. Their subject is the source's number."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def describe(self, tx: Transaction, item: WorkItem, now: datetime) -> SourcePayload | Outcome | None:
        """See `WorkHandler`."""
        try:
            source = await sources.get_source(tx, item.organization_id, int(item.subject))
        except LumetryError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            return None
        definition = source.definition
        if definition.collector_id != item.collector_id or not definition.is_enabled:
            return None
        try:
            secret = unseal(self._rules.vault, item.organization_id, source.sealed)
        except VaultError:
            return Outcome(succeeded=False, error=UNREADABLE)
        return SourcePayload(source.id, definition.asked(secret))

    async def finish(self, tx: Transaction, item: WorkItem, outcome: Outcome, now: datetime) -> None:
        """See `WorkHandler`. What no collector reports says nothing of the source."""
        if not is_held(item, now):
            log.info("a metric source was not polled", source_id=int(item.subject), cause=outcome.error)
            return
        error = "" if outcome.succeeded else await self._hide(tx, item, outcome.error) or "the collector could not poll it"
        await recording.record_remote_poll(tx, item.organization_id, int(item.subject), item.collector_id, PollResult(error), now)

    async def _hide(self, tx: Transaction, item: WorkItem, error: str) -> str:
        """An error without the source's secret, whatever the collector did about it."""
        source = await sources.find_source(tx, item.organization_id, int(item.subject))
        try:
            secret = "" if source is None else unseal(self._rules.vault, item.organization_id, source.sealed)
        except VaultError:
            return error
        return error if source is None else hide(error, source.definition.asked(secret))


class SourceTestHandler:
    """Tests by collectors. Their subject is the test's number."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def describe(self, tx: Transaction, item: WorkItem, now: datetime) -> SourcePayload | Outcome | None:
        """See `WorkHandler`."""
        try:
            candidate = await testing.start_test(tx, item.organization_id, int(item.subject), self._rules)
        except VaultError:
            return Outcome(succeeded=False, error=UNREADABLE)
        return None if candidate is None else SourcePayload(candidate.source_id, candidate.definition.asked(candidate.secret))

    async def finish(self, tx: Transaction, item: WorkItem, outcome: Outcome, now: datetime) -> None:
        """See `WorkHandler`."""
        candidate = await self._read(tx, item)
        keys = set() if candidate is None else {each.metric_key for each in candidate.definition.items}
        only = keys.pop() if len(keys) == 1 else ""
        # Collectors may tell no more of a sample than its labels and value.
        samples = [
            Seen(each.metric_key or only, each.time or now, each.value, dict(each.labels)) for each in outcome.samples[:MAX_TEST_SAMPLES]
        ]
        error = outcome.error if candidate is None else hide(outcome.error, candidate.definition.asked(candidate.secret))
        test = SourceTest(
            id=int(item.subject),
            status=SourceTestStatus.SUCCEEDED if outcome.succeeded else SourceTestStatus.FAILED,
            duration_ms=outcome.duration_ms,
            samples=tuple(samples),
            error=None if outcome.succeeded else error or "the collector could not ask it",
        )
        await testing.end_test(tx, item.organization_id, test)

    async def _read(self, tx: Transaction, item: WorkItem) -> Candidate | None:
        """What was tested; None when that cannot be known any more."""
        try:
            return await testing.find_candidate(tx, item.organization_id, int(item.subject), self._rules)
        except VaultError:
            return None


def build_handlers(rules: Rules) -> Mapping[WorkKind, WorkHandler]:
    """The handlers of the kinds of work that sources make."""
    return {WorkKind.POLL: PollHandler(rules), WorkKind.SOURCE_TEST: SourceTestHandler(rules)}
