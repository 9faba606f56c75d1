import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.logrules.drafts import query_of
from lumetry_core.logrules.matching import compile_rule, find_matches, type_test
from lumetry_core.logrules.model import LogRule
from lumetry_core.logs.columns import Batch, join_frames, pack_entries, unpack
from lumetry_core.logs.entry_id import IdSource
from lumetry_core.logs.matching import make_matcher
from lumetry_core.logs.model import Draft
from lumetry_core.runtime.errors import Faults
from tests.conftest import FakeClock
from tests.core.logs.building import NOW_MS, make_entry, make_error

PROJECT = "7f9c24e8-3b12-4fef-91e0-56a2d5a1c9aa"


def pack(*entries: Draft) -> Batch:
    """Entries that arrived at the fake clock's start."""
    part = pack_entries(entries, "production", PROJECT)
    run = IdSource().take(NOW_MS, len(entries))
    [batch] = unpack(PROJECT, run.first_id, join_frames([part.frame]))
    return batch


def find(batch: Batch, **fields: Any) -> list[int]:
    """Positions that a rule matches."""
    now = FakeClock().now()
    rule = LogRule(id=1, organization_id=1, name="r", create_time=now, update_time=now, **fields)
    compiled = compile_rule(rule, make_matcher(query_of(rule, Faults()), {"shop": PROJECT}))
    return [position for found in find_matches([compiled], [batch]) for position in found.positions]


@pytest.mark.parametrize(
    ("fields", "positions"),
    [
        ({}, [2, 3, 4]),
        ({"min_level": "warn"}, [1, 2, 3, 4]),
        ({"min_level": "panic"}, [4]),
        ({"error_type": "PaymentError"}, [2]),
        ({"error_type": "Payment*"}, [2, 3]),
        ({"error_type": "*"}, [2, 3]),
        ({"environment": "staging"}, [3]),
        ({"environment": "staging, production"}, [2, 3, 4]),
        ({"project_id": "shop"}, [2, 3, 4]),
        ({"project_id": "other"}, [4]),
        ({"q": "declined -twice"}, [2]),
        ({"q": "metadata.user:7", "min_level": "debug"}, [0]),
    ],
)
def test_find_matches(fields: dict[str, Any], positions: list[int]) -> None:
    """Level, type, labels and text must all hold."""
    batch = pack(
        make_entry("hello", level=2, metadata={"user": 7}),
        make_entry("slow", level=3),
        make_entry("card declined", level=4, error=make_error(type="PaymentError")),
        make_entry("declined twice", level=5, error=make_error(type="PaymentTimeout"), environment="staging"),
        make_entry("over", level=6, project_id="other"),
    )
    assert find(batch, **fields) == positions


def test_find_matches_leaves_out_what_came_late() -> None:
    """More than an hour after it happened an entry does not count, unless the window is longer."""
    ages = (0, 3600, 3600.001, 7200, 7201)
    batch = pack(*(make_entry(seconds=-age, level=4) for age in ages), make_entry(seconds=80_000, level=4))
    assert find(batch) == [0, 1, 5]
    assert find(batch, time_window_minutes=120) == [0, 1, 2, 3, 5]


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_type_test_agrees_with_a_regular_expression(pattern: str, text: str) -> None:
    """A `*` stands for any characters, everything else for itself."""
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
    assert type_test(pattern)(text) == expected
    assert type_test(pattern)(None) is False


def test_type_test_takes_linear_time() -> None:
    """Many stars in a pattern that nearly matches do not make it slow."""
    assert type_test("*a" * 250 + "b")("a" * 512) is False
