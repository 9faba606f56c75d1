"""What a search finds, said as plainly as possible."""

import json
import re
from collections.abc import Iterator
from typing import Any

from lumetry_core.logs.model import LEVELS, Draft
from lumetry_core.logs.query import Field, FieldTerm, Query, TextTerm


def matches(entry: Draft, query: Query, project_id: str) -> bool:
    """Whether an entry of a project is found."""
    return (
        bool(1 << entry.level & query.level_mask)
        and (query.start_ns is None or (entry.time_ns or 0) >= query.start_ns)
        and (query.end_ns is None or (entry.time_ns or 0) < query.end_ns)
        and all(holds_text(entry, term) != term.is_excluded for term in query.texts)
        and all(holds_field(entry, term, project_id) != term.is_excluded for term in query.fields)
    )


def holds_text(entry: Draft, term: TextTerm) -> bool:
    """Whether any text of the entry has the words in a row."""
    size = len(term.words)
    for text in texts_of(entry):
        words = [word for run in re.findall(r"[\w.-]+", text.casefold()) if (word := run.strip(".-"))]
        for start in range(len(words) - size + 1):
            row = tuple(words[start : start + size])
            if row == term.words or (term.is_prefix and row[:-1] == term.words[:-1] and row[-1].startswith(term.words[-1])):
                return True
    return False


def texts_of(entry: Draft) -> Iterator[str]:
    """Everything that is searched."""
    yield entry.message
    if entry.error is not None:
        yield from (entry.error.type or "", entry.error.message or "", *entry.error.stack_trace)
    yield from leaves(json.loads(entry.metadata or b"{}"))


def leaves(value: Any) -> Iterator[str]:
    """The values of a document."""
    if isinstance(value, dict):
        for member in value.values():
            yield from leaves(member)
    elif isinstance(value, list):
        for element in value:
            yield from leaves(element)
    elif value is not None:
        yield value if isinstance(value, str) else json.dumps(value)


def holds_field(entry: Draft, term: FieldTerm, project_id: str) -> bool:
    """Whether the field has any of the values."""
    metadata = json.loads(entry.metadata or b"{}")
    (value, *others) = term.values
    found: list[Any]
    if term.field is Field.METADATA:
        found = [metadata[term.path]] if term.path in metadata else dig(metadata, term.path.split("."))
        return any(same(one, value) for one in found)
    if term.field is Field.LEVEL:
        return LEVELS[entry.level - 1] in term.values
    if term.field is Field.ENVIRONMENT:
        return entry.environment in (value, *others)
    if term.field is Field.PROJECT:
        return value in (entry.project_id, project_id)
    if term.field is Field.TRACE:
        return value in ((entry.traces or [None])[0], metadata.get("trace_id"), metadata.get("traceId"))
    return entry.error is not None and entry.error.type == value


def dig(document: Any, names: list[str]) -> list[Any]:
    """What stands at a path."""
    for name in names:
        if not isinstance(document, dict) or name not in document:
            return []
        document = document[name]
    return [document]


def same(found: Any, text: str) -> bool:
    """Whether a value is what a parameter says."""
    if isinstance(found, list):
        return any(same(one, text) for one in found if not isinstance(one, list))
    if isinstance(found, str):
        return found == text
    try:
        wanted = json.loads(text)
    except ValueError:
        return False
    is_number = not isinstance(found, bool) and isinstance(found, (int, float)) and not isinstance(wanted, bool)
    return (is_number and isinstance(wanted, (int, float)) and found == wanted) or (
        found is wanted and (found is None or isinstance(found, bool))
    )
