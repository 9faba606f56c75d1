import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.logs.admission import admit_entries, cut_errors
from lumetry_core.logs.columns import join_frames, pack_entries, read_entry, unpack
from lumetry_core.logs.model import Draft, ErrorDraft, StoredEntry
from lumetry_core.logs.push_columns import PushColumns, admit_columns, is_compact, pack_push, scrub_columns
from lumetry_core.logs.scrubbing import scrub_entries
from lumetry_core.logs.secret_rules import Options
from tests.core.logs.building import NOW_MS, make_entry

SECRETS = ["password=hunter2", "4111 1111 1111 1111", "Bearer abcdefghijklmnopqrstuv", "a@b.example"]
texts = st.sampled_from(["", "plain", "Größe", "a\0b", "x" * 2561, "é" * 5121, "x" * 10_241, *SECRETS])
documents = st.sampled_from(
    [
        *(b"", b"{}", b'{"a":1}', b'{"a":"\\u0000"}', b'{ "a" : 1 }', b'{"a":1e2}', b"[1]", b"{", b'{"a":1},{"b":2}', b'{"token":"t"}'),
        *(b'{"k":"4111111111111111"}', b'{"a":{"b":[1,"' + b"x" * 17_000 + b'"]}}', b'{"a":"' + b"x" * 102_400 + b'"}', b"\xff"),
    ]
)
errors = st.none() | st.builds(ErrorDraft, st.none() | texts, st.none() | texts, st.lists(texts, max_size=2), documents, st.none() | texts)
labels = st.none() | st.sampled_from(["eu", "us", "x" * 200, "a\0b"])
moments = st.sampled_from([0.0, 1.5, -60.0, 90_000.0, -3e9])
drafts = st.builds(
    lambda message, seconds, level, document, error, environment, trace, private: replace(
        make_entry(message, seconds, level, error=error, environment=environment, privacy_mode=private),
        metadata=document,
        traces=trace and (trace, None, trace),
    ),
    texts, moments, st.integers(0, 7), documents, errors, labels, st.none() | texts.filter(bool), st.booleans(),
)  # fmt: skip


def to_columns(entries: Sequence[Draft], project_id: str | None) -> PushColumns:
    names = list(dict.fromkeys(entry.environment for entry in entries))
    return PushColumns(
        np.array([entry.time_ns for entry in entries], "<i8"),
        bytes([entry.level for entry in entries]),
        [entry.message for entry in entries],
        [entry.metadata for entry in entries],
        names,
        [names.index(entry.environment) for entry in entries],
        [entry.traces for entry in entries],
        project_id,
        1,
        {index: entry.error for index, entry in enumerate(entries) if entry.error is not None},
        {},
        frozenset(index for index, entry in enumerate(entries) if entry.privacy_mode),
    )


def read_part(frame: bytes) -> list[StoredEntry]:
    (batch,) = unpack("p", bytes(16), join_frames([frame]))
    return [read_entry(batch, index) for index in range(len(batch.times))]


@given(st.lists(drafts, min_size=1, max_size=6), labels, st.booleans(), st.booleans())
@settings(max_examples=500, deadline=None)
def test_columns_end_as_entries_do(given_entries: list[Draft], project_id: str | None, emails: bool, trusts: bool) -> None:
    """Whatever is sent, as columns it has the faults and becomes the stored entries that it has and becomes one by one."""
    entries = [replace(entry, project_id=project_id) for entry in given_entries]
    columns = to_columns(copy.deepcopy(entries), project_id)
    faults = admit_entries(entries, NOW_MS)
    judged, column_faults = admit_columns(columns, NOW_MS)
    assert column_faults == faults
    if faults:
        return
    options = Options(emails=emails)
    scrub_entries([entry for entry in entries if not (trusts and entry.privacy_mode)], options)
    cut_errors(entries)
    scrub_columns(columns, judged, options, trusts_private=trusts)
    one_by_one, together = pack_entries(entries, "staging", "p"), pack_push(columns, judged, "staging", "p")
    assert read_part(together.frame) == read_part(one_by_one.frame)
    assert replace(together, frame=b"") == replace(one_by_one, frame=b"")


@pytest.mark.parametrize(
    "given",
    [
        [b'{"a":[{}', b"{}]}"],
        [b'{"a":1},{"b":2}', b'{"c":3}'],
        [b'{"a":[{}', b"{}]}", b"{},0,{}"],
        [b'{"a":1', b'"b":2}'],
        [b'{"a": 1}'],
        [b'{"a":1.0e1}'],
        [b"null"],
        [b'"text"'],
    ],
)
def test_compact_documents_hide_nothing(given: list[bytes]) -> None:
    """Documents that are objects only when they are read with their neighbours are looked at one by one."""
    assert not is_compact(given)
    assert is_compact([b'{"a":[{}]}', b"", b'{"b":2.5}'])
