"""What callers send of a budget, and its checks (contract workspace 8)."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from lumetry_core.billing.model import FACTS, Meter, Mode, Period
from lumetry_core.runtime.errors import Faults

MAX_BUDGETS = 50
MAX_NAME = 120
MAX_LIMIT = 9_000_000_000_000_000
MAX_THRESHOLDS = 5
USUAL_THRESHOLDS = (80, 100)

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDraft:
    """A budget as it was sent; None: not sent."""

    id: str | None = None
    name: str | None = None
    meter: str | None = None
    period: str | None = None
    limit: int | None = None
    mode: str | None = None
    project_id: str | None = None
    thresholds: tuple[int, ...] | None = None
    is_active: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetValues:
    """A budget whose fields are right."""

    id: str | None
    name: str
    meter: Meter
    period: Period
    limit: int
    mode: Mode
    project_id: str | None
    thresholds: tuple[int, ...]
    is_active: bool


def read_drafts(drafts: Sequence[BudgetDraft], faults: Faults) -> list[BudgetValues]:
    """Reads a set of budgets and notes what is wrong with it; only when nothing is can the values be used."""
    faults.check(len(drafts) <= MAX_BUDGETS, "items", f"must have at most {MAX_BUDGETS} entries")
    ids = [draft.id for draft in drafts if draft.id]
    for index, draft in enumerate(drafts[:MAX_BUDGETS]):
        faults.check(not draft.id or ids.count(draft.id) == 1, f"items[{index}].id", "must appear only once")
    return [read_draft(draft, f"items[{index}]", faults) for index, draft in enumerate(drafts[:MAX_BUDGETS])]


def read_draft(draft: BudgetDraft, path: str, faults: Faults) -> BudgetValues:
    """Reads one budget."""
    meter = read_word(Meter, draft.meter, f"{path}.meter", faults)
    mode = read_word(Mode, Mode.SOFT if draft.mode is None else draft.mode, f"{path}.mode", faults)
    period = read_period(draft, meter, f"{path}.period", faults)
    if meter is not None and mode is Mode.HARD:
        faults.check_range(FACTS[meter].stops, f"{path}.mode", f"must be soft: nothing stops {meter.value}")
    limit = 0 if draft.limit is None else draft.limit
    faults.check(draft.limit is not None, f"{path}.limit", "is required")
    faults.check_range(draft.limit is None or 1 <= limit <= MAX_LIMIT, f"{path}.limit", f"must be between 1 and {MAX_LIMIT}")
    return BudgetValues(
        id=draft.id or None,
        name=read_name(draft.name, f"{path}.name", faults),
        meter=meter or Meter.CREDITS,
        period=period or Period.MONTH,
        limit=limit,
        mode=mode or Mode.SOFT,
        project_id=draft.project_id or None,
        thresholds=read_thresholds(draft.thresholds, f"{path}.alertThresholds", faults),
        is_active=draft.is_active is not False,
    )


def read_name(sent: str | None, path: str, faults: Faults) -> str:
    """Reads a name."""
    if sent is None:
        faults.add(path, "is required")
        return ""
    name = unicodedata.normalize("NFC", sent).strip()
    faults.check(1 <= len(name) <= MAX_NAME, path, f"must have 1 to {MAX_NAME} characters")
    faults.check("\0" not in name, path, "must not contain U+0000")
    return name


def read_period(draft: BudgetDraft, meter: Meter | None, path: str, faults: Faults) -> Period | None:
    """Reads a period, which means nothing to a gauge, whatever it is."""
    if meter is not None and FACTS[meter].is_gauge:
        return Period.DAY if draft.period == Period.DAY else Period.MONTH
    return read_word(Period, draft.period, path, faults)


def read_word(kind: type[E], sent: str | None, path: str, faults: Faults) -> E | None:
    """Reads a word of an enumeration; None: it is none."""
    if sent is None:
        faults.add(path, "is required")
        return None
    if sent not in tuple(kind):
        faults.add(path, f"must be one of {', '.join(kind)}")
        return None
    return kind(sent)


def read_thresholds(sent: tuple[int, ...] | None, path: str, faults: Faults) -> tuple[int, ...]:
    """Reads percentages."""
    if sent is None:
        return USUAL_THRESHOLDS
    faults.check(len(sent) <= MAX_THRESHOLDS, path, f"must have at most {MAX_THRESHOLDS} entries")
    faults.check(len(set(sent)) == len(sent), path, "must be distinct")
    for index, percent in enumerate(sent[:MAX_THRESHOLDS]):
        faults.check_range(1 <= percent <= 100, f"{path}[{index}]", "must be between 1 and 100")
    return tuple(sorted(sent))
