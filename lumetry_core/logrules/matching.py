"""Which entries of unpacked blocks rules match. Runs beside the event loop.

The type of an error is read once for all rules, and only for entries that pass everything else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lumetry_core.logrules.model import LogRule
from lumetry_core.logs.columns import Batch, error_decode
from lumetry_core.logs.matching import Matcher
from lumetry_core.logs.model import NS_PER_MS

MINUTE_NS = 60_000 * NS_PER_MS
LATE_NS = 60 * MINUTE_NS
"""By how much an entry may be older than its arrival, if the window is no longer."""
TypeTest = Callable[[str | None], bool]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule made ready."""

    rule: LogRule
    matcher: Matcher
    has_type: TypeTest | None
    patience_ns: int
    """By how much an entry may be older than its arrival."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Entries of a batch that a rule matches, in order of arrival."""

    rule_id: int
    batch: Batch
    positions: Sequence[int]


def compile_rule(rule: LogRule, matcher: Matcher) -> CompiledRule:
    """Makes a rule ready. `matcher` is of its filters, but for the type of the error."""
    width = (rule.time_window_minutes or 0) * MINUTE_NS
    return CompiledRule(rule, matcher, None if rule.error_type is None else type_test(rule.error_type), max(width, LATE_NS))


def type_test(pattern: str) -> TypeTest:
    """Compares exactly or, with `*`, as a glob; takes time in proportion to the text whatever the pattern."""
    if "*" not in pattern:
        return lambda text: text == pattern
    first, *inner, last = pattern.split("*")

    def has(text: str | None) -> bool:
        if text is None or len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
            return False
        at, end = len(first), len(text) - len(last)
        for part in inner:
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return has


def find_matches(rules: Sequence[CompiledRule], batches: Sequence[Batch]) -> list[Found]:
    """What the rules match, by batch in order of arrival; entries that came too late are left out."""
    found = []
    for batch in batches:
        types: dict[int, str | None] = {}
        ages = np.array([], np.int64)
        levels = sum(1 << level for level in set(batch.columns.levels))
        for compiled in rules:
            if not compiled.matcher.level_mask & levels:
                continue
            positions = compiled.matcher.find(batch)
            if positions and compiled.has_type is not None:
                positions = [position for position in positions if compiled.has_type(type_at(batch, position, types))]
            if not positions:
                continue
            if not len(ages):
                ages = ages_of(batch)
            chosen = np.asarray(positions)
            on_time = chosen[ages[chosen] <= compiled.patience_ns]
            if len(on_time):
                found.append(Found(compiled.rule.id, batch, on_time.tolist()))
    return found


def type_at(batch: Batch, position: int, known: dict[int, str | None]) -> str | None:
    """The type of an entry's error."""
    if position not in known:
        packed = batch.columns.errors[position]
        known[position] = error_decode(packed).type if packed else None
    return known[position]


def ages_of(batch: Batch) -> NDArray[np.int64]:
    """By how much each entry is older than its arrival, in nanoseconds."""
    return receive_ms_of(batch) * NS_PER_MS - batch.times


def receive_ms_of(batch: Batch) -> NDArray[np.int64]:
    """When entries arrived."""
    return (batch.highs >> np.uint64(16)).astype(np.int64)
