"""What a search asks for, and the grammar of its text (contract logs 5)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lumetry_core.logs.model import LEVELS, RANK_OF
from lumetry_core.logs.words import words_of
from lumetry_core.runtime.errors import Faults

MAX_Q = 512
MAX_VALUE_FILTERS = 10
MAX_PATH = 512
ALL_LEVELS = sum(1 << rank for rank in range(1, len(LEVELS) + 1))


class Field(StrEnum):
    """What a term can be about beside words; the values are their names in `q`."""

    LEVEL = "level"
    ENVIRONMENT = "environment"
    PROJECT = "project_id"
    TRACE = "trace_id"
    ERROR_TYPE = "error.type"
    GROUP = "group_id"
    METADATA = "metadata"


@dataclass(frozen=True, slots=True)
class TextTerm:
    """Words next to each other in one text; the last one a beginning only where `is_prefix`."""

    words: tuple[str, ...]
    is_prefix: bool = False
    is_excluded: bool = False


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """A field with any of the values; `path` of metadata."""

    field: Field
    values: tuple[str, ...]
    path: str = ""
    is_excluded: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """All conditions of a search, which must all hold, and its order."""

    texts: tuple[TextTerm, ...] = ()
    fields: tuple[FieldTerm, ...] = ()
    level_mask: int = ALL_LEVELS
    start_ns: int | None = None
    end_ns: int | None = None
    is_ascending: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A search as it was sent; None and empty: not given."""

    q: str = ""
    levels: Sequence[str] = ()
    min_level: str = ""
    environments: Sequence[str] = ()
    project_id: str | None = None
    trace_id: str | None = None
    group_id: int | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    metadata: Sequence[tuple[str, str]] = ()
    order: str = ""
    limit: int | None = None
    cursor: str = ""


TERM = re.compile(
    r"""(?P<minus>-?)(?:(?P<name>[A-Za-z_][\w.-]*+):(?!//|\s|\Z)(?:"(?P<quoted>[^"]*+)"?|(?P<bare>\S+))|"(?P<phrase>[^"]*+)"?|(?P<word>\S+))"""
)
NAMED = frozenset(Field) - {Field.METADATA}


def parse_text(q: str, faults: Faults) -> tuple[list[TextTerm], list[FieldTerm]]:
    """The terms of `q`. Whatever has no words and names no field asks for nothing."""
    texts: list[TextTerm] = []
    fields: list[FieldTerm] = []
    for found in TERM.finditer(q):
        is_excluded = bool(found["minus"])
        if found["name"] is not None:
            value = found["bare"] if found["quoted"] is None else found["quoted"]
            fields.append(read_field(found["name"], value, is_excluded, faults))
            continue
        text = found["word"] if found["phrase"] is None else found["phrase"]
        words = words_of(text)
        if words:
            texts.append(TextTerm(tuple(words), found["phrase"] is None and text.endswith("*"), is_excluded))
    return texts, fields


def read_field(name: str, value: str, is_excluded: bool, faults: Faults) -> FieldTerm:  # noqa: FBT001 -- part of a term
    """A term that names a field; any other name is one of metadata."""
    if name not in NAMED:
        path = name.removeprefix("metadata.")
        return FieldTerm(Field.METADATA, (value,), path, is_excluded)
    if name == Field.LEVEL:
        faults.check(value in RANK_OF, "q", f"level must be one of {', '.join(LEVELS)}")
    if name == Field.GROUP:
        faults.check(value.isascii() and value.isdigit(), "q", "group_id must be an integer")
    return FieldTerm(Field(name), (value,), is_excluded=is_excluded)


def read_query(request: Request, faults: Faults) -> Query:
    """Reads a search; notes faults under the names of the parameters."""
    faults.check(len(request.q) <= MAX_Q, "q", f"must have at most {MAX_Q} characters")
    texts, fields = parse_text(request.q[:MAX_Q], faults)
    names = f"must be one of {', '.join(LEVELS)}"
    faults.check(all(level in RANK_OF for level in request.levels), "level", names)
    faults.check(not request.min_level or request.min_level in RANK_OF, "min_level", names)
    faults.check(len(request.metadata) <= MAX_VALUE_FILTERS, "metadata", f"at most {MAX_VALUE_FILTERS} filters are allowed")
    for path, _ in request.metadata:
        faults.check(0 < len(path) <= MAX_PATH, f"metadata.{path[:MAX_PATH]}", f"must name 1 to {MAX_PATH} characters")
    faults.check(request.order in ("", "asc", "desc"), "order", "must be asc or desc")
    fields += [FieldTerm(Field.METADATA, (value,), path) for path, value in request.metadata]
    if request.environments:
        fields.append(FieldTerm(Field.ENVIRONMENT, tuple(request.environments)))
    for field, value in ((Field.PROJECT, request.project_id), (Field.TRACE, request.trace_id), (Field.GROUP, request.group_id)):
        if value is not None:
            fields.append(FieldTerm(field, (str(value),)))
    return Query(tuple(texts), tuple(fields), read_mask(request), request.start_ns, request.end_ns, request.order == "asc")


def read_mask(request: Request) -> int:
    """The levels asked for, as bits."""
    lowest = RANK_OF.get(request.min_level, 1)
    chosen = [RANK_OF[level] for level in request.levels if level in RANK_OF] or range(1, len(LEVELS) + 1)
    return sum(1 << rank for rank in set(chosen) if rank >= lowest)
