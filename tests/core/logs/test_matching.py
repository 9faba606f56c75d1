import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.logs.admission import admit_entries
from lumetry_core.logs.columns import join_frames, pack_entries, unpack
from lumetry_core.logs.entry_id import IdSource
from lumetry_core.logs.matching import make_matcher, resolve, value_comparison
from lumetry_core.logs.model import Draft, ErrorDraft
from lumetry_core.logs.query import ALL_LEVELS, Field, FieldTerm, Query, Request, TextTerm, read_query
from lumetry_core.logs.service.append import build_block
from lumetry_core.logs.service.sealing import merge
from lumetry_core.logs.words import block_hashes, find_frames, make_probes, words_of
from lumetry_core.runtime.errors import Faults
from tests.core.logs.building import NOW_MS, make_entry
from tests.core.logs.oracle import matches

WORDS = ["pay", "Payment", "failed", "a.b", "u-7", "ÄRGER", "ärger", "straße", "x_1", "7", "-7.5", "true", "null", "ſ"]
texts = st.lists(st.sampled_from([*WORDS, ",", "(", "/", "\n", '"', "\\", ". "]), max_size=6).map(" ".join)
leaves = st.one_of(st.none(), st.booleans(), st.sampled_from([7, -7.5, 0, 1e300, 10**17]), st.sampled_from(WORDS), texts)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "a.b", "trace_id"]), inner)),
    max_leaves=4,
)
metadata = st.dictionaries(st.sampled_from(["a", "b", "a.b", "trace_id", "traceId", "pay"]), values, max_size=3)
errors = st.none() | st.builds(
    ErrorDraft, st.none() | st.sampled_from(WORDS), st.none() | texts, st.lists(texts, max_size=2), st.just(b""), st.none()
)
labels = st.none() | st.sampled_from(["eu", "us"])
entries = st.builds(
    lambda message, seconds, level, document, error, environment, project, trace: make_entry(
        message, seconds, level, document, error=error, environment=environment, project_id=project, traces=trace and (trace, None, None)
    ),
    texts, st.integers(-3, 3), st.integers(1, 6), metadata, errors, labels, labels, st.none() | st.sampled_from(WORDS),
)  # fmt: skip
text_terms = st.builds(
    TextTerm,
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map(lambda words: tuple(words_of(" ".join(words)))),
    st.booleans(),
    st.booleans(),
)
field_terms = st.one_of(
    st.builds(
        FieldTerm,
        st.just(Field.METADATA),
        st.sampled_from(WORDS).map(lambda word: (word,)),
        st.sampled_from(["a", "a.b", "b.a", "pay"]),
        st.booleans(),
    ),
    st.builds(FieldTerm, st.just(Field.LEVEL), st.sampled_from([("error",), ("info",)]), is_excluded=st.booleans()),
    st.builds(FieldTerm, st.just(Field.ENVIRONMENT), st.sampled_from([("eu",), ("eu", "us")]), is_excluded=st.booleans()),
    st.builds(FieldTerm, st.sampled_from([Field.PROJECT]), st.sampled_from([("eu",), ("p-1",)]), is_excluded=st.booleans()),
    st.builds(
        FieldTerm,
        st.sampled_from([Field.TRACE, Field.ERROR_TYPE]),
        st.sampled_from(WORDS).map(lambda word: (word,)),
        is_excluded=st.booleans(),
    ),
)
bounds = st.none() | st.integers(-3, 3).map(lambda seconds: (NOW_MS + seconds * 1000) * 1_000_000)
queries = st.builds(
    Query,
    st.lists(text_terms, max_size=2).map(tuple),
    st.lists(field_terms, max_size=2).map(tuple),
    st.integers(0, ALL_LEVELS),
    bounds,
    bounds,
)


@given(st.lists(entries, min_size=1, max_size=6), queries)
@settings(max_examples=400, deadline=None)
def test_find_as_the_oracle(batch: list[Draft], query: Query) -> None:
    """Fresh and sealed blocks give what a plain reading of the rules gives, and filters never hide a block with a match."""
    expected = sorted(entry.message for entry in batch if matches(entry, query, "p-1"))
    given_entries = copy.deepcopy(batch)
    assert admit_entries(given_entries, NOW_MS) == []
    matcher = make_matcher(query, {})
    block = build_block(IdSource(), 1, "p-1", [pack_entries(given_entries, None, "p-1")], datetime(2026, 6, 1, 8, tzinfo=UTC))
    sealed = merge([block]).results
    for blocks in ([block], [one for one, _ in sealed]):
        found = [
            parts.columns.messages[index]
            for one in blocks
            for parts in unpack(one.project_id, one.first_id, one.payload)
            for index in matcher.find(parts)
        ]
        assert sorted(found) == expected
    probes = make_probes(matcher.hashes)
    assert not expected or any(all(find_frames(filters[number], of_slice) for number, of_slice in probes) for _, filters in sealed)


@pytest.mark.parametrize(
    ("value", "text", "equal"),
    [
        ("7", "7", True),
        (7, "7", True),
        (7.0, "7", True),
        (7, "7.0", True),
        (7, "07", False),
        (10**17 + 1, str(10**17 + 1), True),
        (10**17 + 1, str(10**17), False),
        (True, "true", True),
        (True, "1", False),
        (1, "true", False),
        ("true", "true", True),
        (None, "null", True),
        ("", "null", False),
        ("null", "null", False),
        ([1, "x"], "x", True),
        ([[1]], "1", False),
        ({"a": 1}, "a", False),
        ("abc", "ab", False),
    ],
)
def test_compare_values(value: Any, text: str, equal: bool) -> None:
    """Strings exactly, numbers numerically, literals literally, arrays by their elements."""
    assert value_comparison(text)(value) is equal


@given(
    st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from((repr, str, "{:.1f}".format, "{:g}".format)),
)
def test_find_numbers_by_their_words(value: float, spell: Callable[[float], str]) -> None:
    """However a number is written in a query, the filters of a block that has it let it pass."""
    text = spell(value)
    if not value_comparison(text)(value):
        return
    entry = make_entry(metadata={"n": value})
    assert admit_entries([entry], NOW_MS) == []
    (batch,) = unpack("p", bytes(16), join_frames([pack_entries([entry], None, "p").frame]))
    matcher = make_matcher(Query(fields=(FieldTerm(Field.METADATA, (text,), "n"),)), {})
    known = set(block_hashes(batch.columns).tolist())
    assert (set(matcher.hashes.tolist()) <= known, matcher.find(batch)) == (True, [0])


def test_resolve_prefers_literal_keys() -> None:
    """A key with dots comes before the path, at every depth."""
    document = {"a.b": 1, "a": {"b": 2, "c.d": 3, "c": {"d": 4}}, "x": {"y": None}}
    found = {path: list(resolve(document, path)) for path in ("a.b", "a.c.d", "a.c", "x.y", "x.z", "a.b.c", "q")}
    assert found == {"a.b": [1], "a.c.d": [3], "a.c": [{"d": 4}], "x.y": [None], "x.z": [], "a.b.c": [], "q": []}


@pytest.mark.parametrize("q", ['"', "-", ":", "a:", '""', '-""', "*", "-*", ' " ', 'a:"', "\\"])
def test_search_for_fragments_of_terms(q: str) -> None:
    """Whatever is typed is some search."""
    query = read_query(Request(q=q), Faults())
    make_matcher(query, {})
