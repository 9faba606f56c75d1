"""From the values of an answer to samples that ingestion never refuses (limits: contract lumetry 4.1)."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from lumetry_core.collectors.agent.polling.model import MAX_SAMPLES, Item, ItemResult, PollError, Sample
from lumetry_core.collectors.agent.polling.values import is_numeric, read_number, write_label

METRIC_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,254}")
LABEL_NAME = re.compile(r"[^=|\x00-\x1f\x7f-\x9f]{1,128}")
MAX_LABELS = 30
"""Two less than a point may have: the product adds the collector's and the host's group."""
MAX_LABEL_VALUE = 512
MAX_WARNINGS = 5
REPEATED = "the labels of another value"

Row = Mapping[str, object]


def check_metric_key(item: Item) -> None:
    """Raises PollError when no point can have the item's metric key."""
    if METRIC_KEY.fullmatch(item.metric_key) is None:
        raise PollError("the metric key is none: it starts with a letter or _ and has at most 255 characters of A-Z a-z 0-9 _ . : / -")


def gather(
    item: Item, values: Iterable[tuple[object, Mapping[str, str]]], now: datetime, warnings: Sequence[str] = (), left_out: int = 0
) -> ItemResult:
    """The result of an item from values with their labels. What cannot be a point is left out, counted and told of.

    Args:
        item: The question.
        values: Anything.
        now: The time of the samples.
        warnings: What the source warns of.
        left_out: Values that were left out before for being no numbers.

    Raises:
        PollError: There are too many, several have the same labels, or there are some and none is a number.
    """
    samples: list[Sample] = []
    seen: set[frozenset[tuple[str, str]]] = set()
    repeating: set[frozenset[tuple[str, str]]] = set()
    objections: Counter[str] = Counter({"no number": left_out} if left_out else {})
    for value, labels in values:
        kept = {name: text for name, text in labels.items() if text}
        identity = frozenset(kept.items())
        number = read_number(value)
        objection = find_objection(number, kept) or (REPEATED if identity in seen else None)
        if objection is not None or number is None:
            objections[objection or "no number"] += 1
            if objection == REPEATED:
                repeating.add(identity)
            continue
        seen.add(identity)
        samples.append(Sample(item.metric_key, number, kept, now))
        if len(samples) > MAX_SAMPLES:
            raise too_many()
    if repeated := objections[REPEATED]:
        raise PollError(f"{repeated + len(repeating)} rows have the same labels")
    if not samples and objections.total() and objections["no number"] == objections.total():
        raise PollError("no row has a number")
    told = tuple(f"left out {count} of {len(samples) + objections.total()} values: {each}" for each, count in objections.most_common())
    return ItemResult(item.metric_key, tuple(samples), warnings=(*told, *warnings)[:MAX_WARNINGS], skipped_count=objections.total())


def find_objection(value: float | None, labels: Mapping[str, str]) -> str | None:
    """Why a value with these labels cannot be a point; None when it can."""
    if value is None:
        return "no number"
    if not math.isfinite(value):
        return "not finite"
    if len(labels) > MAX_LABELS:
        return f"more than {MAX_LABELS} labels"
    for name, text in labels.items():
        if LABEL_NAME.fullmatch(name) is None:
            return "a label name over 128 characters or with =, | or control characters"
        if len(text) > MAX_LABEL_VALUE:
            return f"a label over {MAX_LABEL_VALUE} characters"
        if "\0" in text or has_surrogates(name) or has_surrogates(text):
            return "a label that is no text"
    return None


def has_surrogates(text: str) -> bool:
    """Whether a text holds halves of characters, which JSON can name and nothing can store."""
    return any("\ud800" <= character <= "\udfff" for character in text) if not text.isascii() else False


def too_many() -> PollError:
    """The objection to an answer that has too many values."""
    return PollError(f"the answer has more than {MAX_SAMPLES:,} values")


def gather_rows(item: Item, columns: Sequence[str], rows: Sequence[Row], now: datetime) -> ItemResult:
    """The result of an item from a table. Rows without a value are left out and counted.

    Raises:
        PollError: A column that the item names is missing, or no single column holds the value.
    """
    missing = [each for each in (*item.label_columns, item.value_column) if each and each not in columns]
    if missing:
        raise PollError(f"the answer has no column {missing[0]}; its columns are {', '.join(columns[:20])}")
    column = item.value_column or choose_column(item, columns, rows)
    return gather(item, pair(item, column, rows), now)


def pair(item: Item, column: str, rows: Iterable[Row]) -> Iterator[tuple[object, Mapping[str, str]]]:
    """The value of every row with its labels."""
    for row in rows:
        yield row.get(column), {name: write_label(row.get(name)) for name in item.label_columns}


def choose_column(item: Item, columns: Sequence[str], rows: Sequence[Row]) -> str:
    """The only column that holds numbers, besides labels. Numbers by type come before truth values, those before texts of numbers.

    Raises:
        PollError: There is none, or more than one.
    """
    others = [each for each in columns if each not in item.label_columns]
    if len(others) == 1 or not rows:
        return others[0] if others else columns[0]
    kinds = (
        [each for each in others if any(is_numeric(row.get(each)) for row in rows)],
        [each for each in others if any(isinstance(row.get(each), bool) for row in rows)],
        [each for each in others if any(read_number(row.get(each)) is not None for row in rows)],
    )
    for found in kinds:
        if len(found) > 1:
            raise PollError(f"more than one column holds numbers ({', '.join(found[:20])}): name the one with the value")
        if found:
            return found[0]
    if any(row.get(each) is not None for row in rows for each in others):
        raise PollError(f"no column holds numbers; the columns are {', '.join(columns[:20])}")
    return others[0]
