from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from lumetry_core.collectors.agent.polling.gathering import check_metric_key, gather, gather_rows
from lumetry_core.collectors.agent.polling.model import Item, ItemResult, PollError
from lumetry_core.collectors.agent.polling.values import read_number, write_label
from tests.core.collectors.agent.polling.asking import NOW, sample

ITEM = Item("m", "q")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (True, 1.0),
        (Decimal("1.50"), 1.5),
        (10**400, float("inf")),
        (-(10**400), float("-inf")),
        (" 12.5 ", 12.5),
        ("1e3", 1000.0),
        ("+Inf", float("inf")),
        ("1_000", None),
        ("0x10", None),
        ("١٢", None),
        ("9" * 401, None),
        ("", None),
        ("word", None),
        (None, None),
        ([1], None),
        (b"1", None),
        (timedelta(minutes=2), 120.0),
    ],
)
def test_read_number(value: object, number: float | None) -> None:
    """What counts as a number, and what it is."""
    assert read_number(value) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (Decimal("1E+2"), "100"),
        (Decimal("1E+10000"), "1E+10000"),
        (Decimal("NaN"), "NaN"),
        (1.5, "1.5"),
        (date(2026, 6, 1), "2026-06-01"),
        (datetime(2026, 6, 1, 8, tzinfo=UTC), "2026-06-01T08:00:00+00:00"),
        (time(8, 30), "08:30:00"),
        (b"caf\xc3\xa9\xff", "café\ufffd"),
    ],
)
def test_write_label(value: object, text: str) -> None:
    """Values as people would write them."""
    assert write_label(value) == text


@pytest.mark.parametrize(
    ("labels", "objection"),
    [
        ({"a" * 128: "x" * 512}, None),
        ({f"l{n}": "x" for n in range(30)}, None),
        ({f"l{n}": "x" for n in range(31)}, "more than 30 labels"),
        ({"a" * 129: "x"}, "a label name over 128 characters or with =, | or control characters"),
        ({"a=b": "x"}, "a label name over 128 characters or with =, | or control characters"),
        ({"a|b": "x"}, "a label name over 128 characters or with =, | or control characters"),
        ({"a\n": "x"}, "a label name over 128 characters or with =, | or control characters"),
        ({"": "x"}, "a label name over 128 characters or with =, | or control characters"),
        ({"a": "x" * 513}, "a label over 512 characters"),
        ({"a": "x\0"}, "a label that is no text"),
        ({"a": "\ud800"}, "a label that is no text"),
    ],
)
def test_gather_keeps_the_limits_of_ingestion(labels: dict[str, str], objection: str | None) -> None:
    """Labels beyond the limits leave the value out; what remains is never refused."""
    result = gather(ITEM, [(1, labels), (2, {"good": "y", "empty": ""})], NOW)

    if objection is None:
        assert result == ItemResult("m", (sample("m", 1.0, **labels), sample("m", 2.0, good="y")))
    else:
        assert result == ItemResult("m", (sample("m", 2.0, good="y"),), warnings=(f"left out 1 of 2 values: {objection}",), skipped_count=1)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([(1, {"a": "x"}), (2, {"a": "x"}), (3, {"a": "y"})], "2 rows have the same labels"),
        ([(1, {"a": "x"}), (2, {"a": "x", "b": ""}), (3, {"a": "y"}), (4, {"a": "y"})], "4 rows have the same labels"),
        ([("up", {}), (None, {"a": "x"})], "no row has a number"),
    ],
)
def test_gather_what_does_not_tell_apart_or_is_no_number(values: list[tuple[object, dict[str, str]]], error: str) -> None:
    """A part of the answer would be a wrong picture; an empty answer is none of it."""
    with pytest.raises(PollError, match=error):
        gather(ITEM, values, NOW)
    assert gather(ITEM, [], NOW) == ItemResult("m")


def test_gather_with_too_many_values() -> None:
    """More than the cap is a failure, the cap itself is not."""
    values = [(n, {"n": str(n)}) for n in range(5001)]

    assert len(gather(ITEM, values[:5000], NOW).samples) == 5000
    with pytest.raises(PollError, match="the answer has more than 5,000 values"):
        gather(ITEM, values, NOW)


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        ([{"a": None, "b": "x"}, {"a": 2, "b": "y"}], "a"),
        ([{"a": True, "b": 2}], "b"),
        ([{"a": True, "b": "2"}], "a"),
        ([{"a": "word", "b": "2"}], "b"),
    ],
)
def test_gather_rows_chooses_the_column(rows: list[dict[str, object]], column: str) -> None:
    """Numbers come before truth values, those before numeric texts; all rows are looked at."""
    values = [read_number(row[column]) for row in rows]

    assert [each.value for each in gather_rows(ITEM, ["a", "b"], rows, NOW).samples] == [each for each in values if each is not None][:1]


def test_gather_rows_without_rows() -> None:
    """No rows, no values, no complaint."""
    assert gather_rows(ITEM, ["a", "b"], [], NOW) == ItemResult("m")


@pytest.mark.parametrize("key", ["", "9a", "a b", "a" * 256, "é"])
def test_check_metric_key_refuses(key: str) -> None:
    """A key that no point can have fails the item."""
    with pytest.raises(PollError):
        check_metric_key(Item(key, "q"))
