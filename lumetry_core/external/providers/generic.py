"""The product's own body: one event, or several under `events`."""

from collections.abc import Mapping
from typing import Any

from lumetry_core.external.model import Transition, TransitionState
from lumetry_core.external.providers.reading import (
    MAX_DESCRIPTION,
    MAX_TITLE,
    read_key,
    read_list,
    read_object,
    read_text,
    read_texts,
    read_time,
    read_word,
)
from lumetry_core.runtime.errors import Faults

STATES = {state.value: state for state in TransitionState}


def read_generic(data: Mapping[str, Any], faults: Faults) -> list[Transition]:
    """The transitions of a body."""
    if data.get("events") is None:
        return [read_event(data, "", faults)]
    events = read_list(data, "events", faults)
    return [read_event(read_object(raw, f"events[{number}]", faults), f"events[{number}]", faults) for number, raw in enumerate(events)]


def read_event(event: Mapping[str, Any], place: str, faults: Faults) -> Transition:
    """One transition. Annotations are checked, but nothing of them is kept."""
    read_texts(event, "annotations", place, faults)
    return Transition(
        definition_key=read_key(event, "definitionKey", place, faults) or "",
        instance_key=read_key(event, "instanceKey", place, faults, needed=False),
        occurrence_key=read_key(event, "occurrenceKey", place, faults) or "",
        event_id=read_key(event, "providerEventId", place, faults, needed=False),
        state=read_word(event, "state", STATES, place, faults) or TransitionState.FIRING,
        severity=read_text(event, "severity", place, faults),
        title=read_text(event, "title", place, faults, MAX_TITLE) or None,
        description=read_text(event, "description", place, faults, MAX_DESCRIPTION) or None,
        occurred_ms=read_time(event, "occurredAt", place, faults),
        labels=read_texts(event, "labels", place, faults),
    )
