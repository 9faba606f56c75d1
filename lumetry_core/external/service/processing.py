"""Works off what was taken in: transitions through the lifecycle of their occurrences to alerts (contract lumetry 13.5).

One worker at a time works for an organization, and it holds the sources that it works for, so that the transitions of an occurrence
follow one another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from lumetry_core.alerts.service.reports import end_reported, open_reported, update_reported
from lumetry_core.external.folding import Fold, report_of
from lumetry_core.external.model import QUEUE, Source, Transition, Unmapped
from lumetry_core.external.service.health import FAILURES_IN_ROW, end_failing
from lumetry_core.external.store import definitions as definition_store
from lumetry_core.external.store import occurrences as occurrence_store
from lumetry_core.external.store import sources as source_store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.queue import WorkItem, enqueue

REPLAYED_AT_ONCE = 500


async def process(tx: Transaction, items: Sequence[WorkItem], now: datetime) -> None:
    """Works off claimed items of one organization, in their order; definitions that were registered come after all transitions.

    What belongs to a source or definition that is gone by now has no effect.
    """
    organization_id = items[0].organization_id
    deliveries: dict[int, list[Transition]] = {}
    for item in items:
        if item.kind == "transitions":
            deliveries.setdefault(item.payload["source_id"], []).extend(read_transitions(item.payload))
    sources = await source_store.read_sources(tx, organization_id, deliveries, lock=True)
    for source_id, source in sources.items():
        await process_transitions(tx, source, deliveries[source_id], now)
    for item in items:
        if item.kind == "registered":
            await replay(tx, organization_id, item.payload["definition_id"], now)
        if item.payload.get("attempts", 0) >= FAILURES_IN_ROW and "source_id" in item.payload:
            await end_failing(tx, organization_id, item.payload["source_id"], now)


def read_transitions(payload: Mapping[str, Any]) -> list[Transition]:
    """The transitions of an item."""
    return msgspec.convert(payload["transitions"], list[Transition])


async def process_transitions(tx: Transaction, source: Source, transitions: Sequence[Transition], now: datetime) -> None:
    """Takes transitions of a source, in order, through the lifecycle."""
    organization_id = source.organization_id
    keys = {(source.id, transition.definition_key) for transition in transitions}
    definitions = await definition_store.find_by_keys(tx, organization_id, keys)
    by_key = {key: definition for (_, key), definition in definitions.items()}
    identities = [transition.occurrence for transition in transitions]
    known = await occurrence_store.read_occurrences(tx, organization_id, source.id, set(identities))
    fold = Fold(source, by_key, known)
    for identity, transition in zip(identities, transitions, strict=True):
        fold.add(identity, transition)
    opened = await open_reported(tx, organization_id, list(fold.reports.values()), now)
    for identity, alert in zip(fold.reports, opened, strict=True):
        fold.occurrences[identity] = replace(fold.occurrences[identity], alert_id=alert.id)
    await update_reported(tx, organization_id, fold.retellings(), now)
    await end_reported(tx, organization_id, fold.ends(), now)
    await occurrence_store.write_occurrences(tx, organization_id, source.id, list(fold.occurrences.values()), now)
    await definition_store.add_unmapped(tx, organization_id, source.id, count_unmapped(fold.unmapped, now))
    mapped = len(transitions) - len(fold.unmapped)
    await source_store.count_processed(tx, organization_id, source.id, mapped, len(fold.unmapped))


def count_unmapped(transitions: Sequence[Transition], now: datetime) -> list[Unmapped]:
    """Transitions that nobody mapped, by definition; the newest by its own time tells the state."""
    by_key: dict[str, list[Transition]] = {}
    for transition in transitions:
        by_key.setdefault(transition.definition_key, []).append(transition)
    noted = []
    for key, of_key in by_key.items():
        newest = max(of_key, key=lambda transition: transition.occurred_ms)
        noted.append(Unmapped(key, len(of_key), newest.state, newest.severity, newest.title, now, now))
    return noted


async def replay(tx: Transaction, organization_id: int, definition_id: int, now: datetime) -> None:
    """Opens alerts for what is still firing of a definition that was mapped; a great many in several rounds."""
    definition = await definition_store.read_definition(tx, organization_id, definition_id)
    if definition is None or not definition.is_enabled:
        return
    sources = await source_store.read_sources(tx, organization_id, [definition.source_id], lock=True)
    source = sources.get(definition.source_id)
    if source is None:
        return
    waiting = await occurrence_store.list_waiting(tx, organization_id, source.id, definition.key, REPLAYED_AT_ONCE)
    reports = [report_of(source, definition, occurrence) for occurrence in waiting]
    opened = await open_reported(tx, organization_id, reports, now)
    linked = [replace(occurrence, alert_id=alert.id) for occurrence, alert in zip(waiting, opened, strict=True)]
    await occurrence_store.write_occurrences(tx, organization_id, source.id, linked, now)
    if len(waiting) == REPLAYED_AT_ONCE:
        await enqueue(tx, organization_id, QUEUE, [("registered", {"definition_id": definition_id})], now)
