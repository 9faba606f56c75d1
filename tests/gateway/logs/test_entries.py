"""Bodies of pushes as messages to the core."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contracts.logs import content
from gateway.contracts.logs.content import read_content, read_object
from gateway.contracts.logs.entries import LARGEST_SECOND, Parts, build_parts
from gateway.contracts.logs.inspection import read_entries
from gateway.transcode.bodies import is_too_deep
from gateway.transcode.failures import Failure, Fault, Reason
from lumetry.logs.v1 import log_ingestion_service_pb2 as pb

TIME = "2026-01-26T14:30:00Z"


def entry(**changes: Any) -> dict[str, Any]:
    return {"timestamp": TIME, "level": "info", "message": "m", **changes}


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def read(body: bytes) -> Parts | list[Fault]:
    """What a body holds: messages, or faults."""
    faults: list[Fault] = []
    found = read_content(body)
    parts = build_parts(found.batch.logs, len(body)) if found.batch else None
    parts = parts or read_entries(found.data or read_object(body), 1000, faults)
    return parts if parts is not None and not faults else faults


def sent(*entries: object) -> list[pb.LogEntry]:
    """The entries that the core gets."""
    parts = read(compact({"logs": entries}))
    assert isinstance(parts, Parts), parts
    return [sent for message in parts.messages for sent in message.entries]


def faults_of(*entries: object) -> list[tuple[str, str]]:
    found = read(compact({"logs": entries}))
    assert isinstance(found, list)
    return [(fault.path, fault.message) for fault in found]


def test_charge_compact_json() -> None:
    """An entry costs what its compact JSON is long, however it was written."""
    text = '{"timestamp":"2026-01-26T14:30:00Z","level":"info","message":"héllo","metadata":{"user_id":"u1"}}'
    escaped = json.dumps(json.loads(text), ensure_ascii=True, indent=3)
    doubled = text.replace('"level":"info"', '"level":"fatal","level":"info"')
    for written in (text, escaped, doubled):
        parts = read(f'{{"logs":[{written}]}}'.encode())
        assert isinstance(parts, Parts)
        [one] = parts.messages[0].entries
        assert (one.size_bytes, one.metadata_json) == (98, b'{"user_id":"u1"}')


letters = st.characters(codec="utf-8")
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e15, 1e15) | st.text(letters, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(letters, max_size=5), inner, max_size=3),
    max_leaves=8,
)
texts = st.none() | st.text(letters, max_size=20)
entries = st.fixed_dictionaries(
    {
        "timestamp": st.just(TIME),
        "level": st.sampled_from(["info", "panic"]),
        "message": st.text(letters, max_size=30),
    },
    optional={
        "environment": texts,
        "metadata": st.none() | st.dictionaries(st.text(letters, max_size=5), values, max_size=3),
        "error": st.none()
        | st.fixed_dictionaries(
            {}, optional={"type": texts, "message": texts, "stack_trace": st.none() | st.lists(st.text(max_size=3)), "context": st.none()}
        ),
        "privacy_mode": st.none() | st.booleans(),
        "trace_id": texts,
        "extra": values,
    },
)


@settings(deadline=None)
@given(st.lists(entries, min_size=1, max_size=3))
def test_charge_and_send_any_entry(given_entries: list[dict[str, Any]]) -> None:
    """Both ways of reading send and charge the same, at least the size of the message."""
    body = json.dumps({"logs": given_entries}).encode()
    quick = read(body)
    slow = read_entries(read_object(body), 1000, [])
    assert isinstance(quick, Parts)
    assert slow is not None
    assert quick.messages == slow.messages
    for raw, one in zip(given_entries, quick.messages[0].entries, strict=True):
        charged = one.size_bytes
        assert charged == len(msgspec.json.encode(raw))
        assert one.ByteSize() <= charged
        metadata = dict(raw.get("metadata") or {})
        if "extra" in raw:
            metadata.setdefault("extra", raw["extra"])
        assert json.loads(one.metadata_json or b"{}") == metadata


def test_send_every_field() -> None:
    """Each field has its place; `null` is absence; a single stack trace string is an array of one."""
    error = {"type": "T", "message": "M", "stack_trace": "line", "context": {"a": 1}, "fingerprint": "F"}
    full = entry(environment="e", error=error, project_id="p", privacy_mode=True, trace_id="t", span_id="s", parent_span_id="u")
    nothing = entry(
        environment=None,
        metadata=None,
        error=None,
        project_id=None,
        privacy_mode=None,
        trace_id=None,
        span_id=None,
        parent_span_id=None,
    )
    empty = entry(error={"type": None, "message": None, "stack_trace": None, "context": None, "fingerprint": None}, privacy_mode=False)
    common = {"time": TIME, "timeText": TIME, "level": "LOG_LEVEL_INFO", "message": "m"}
    assert [json_format.MessageToDict(one) for one in sent(full, nothing, empty)] == [
        common
        | {
            "environment": "e",
            "error": {"type": "T", "message": "M", "stackTrace": ["line"], "contextJson": "eyJhIjoxfQ==", "fingerprint": "F"},
            "projectId": "p",
            "privacyMode": True,
            "traceId": "t",
            "spanId": "s",
            "parentSpanId": "u",
            "sizeBytes": len(compact(full)),
        },
        common | {"sizeBytes": len(compact(nothing))},
        common | {"error": {}, "sizeBytes": len(compact(empty))},
    ]


@pytest.mark.parametrize(("size", "accepted"), [(10_240, True), (10_241, False)])
@pytest.mark.parametrize("letter", ["a", "é", "€", "😀"])
def test_limit_messages_by_bytes(letter: str, size: int, accepted: bool) -> None:
    """10,240 bytes of UTF-8 pass, one more does not."""
    width = len(letter.encode())
    message = letter * (size // width) + "x" * (size % width)
    found = read(compact({"logs": [entry(message=message)]}))
    assert isinstance(found, Parts) == accepted
    if not accepted:
        assert found == [Fault("logs[0].message", "must have at most 10240 bytes of UTF-8")]


@pytest.mark.parametrize(("size", "accepted"), [(102_400, True), (102_401, False)])
def test_limit_metadata_by_compact_bytes(size: int, accepted: bool) -> None:
    """102,400 bytes of compact JSON pass however they were written, one more does not."""
    metadata = {"k": "é" + "x" * (size - 10)}
    assert len(compact(metadata)) == size
    found = read(json.dumps({"logs": [entry(metadata=metadata)]}, indent=4).encode())
    assert isinstance(found, Parts) == accepted
    if not accepted:
        assert found == [Fault("logs[0].metadata", "must have at most 102400 bytes of compact JSON")]


def test_copy_undocumented_fields() -> None:
    """Unknown fields go into metadata when their names are harmless and free; those of an error are ignored."""
    odd = {"": 1, "x" * 129: 1, "__proto__": 1, "prototype": 1, "constructor": 1, "$where": 1, "a\tb": 1, "a\x9fb": 1}
    longest = {"x" * 128: [1]}
    [one] = sent(entry(service="shop", **odd, host="outer", nothing=None, metadata={"host": "inner"}, error={"kind": 1}, **longest))
    assert json.loads(one.metadata_json) == {"host": "inner", "service": "shop", "nothing": None, **longest}
    assert json_format.MessageToDict(one)["error"] == {}


def test_copy_undocumented_fields_within_the_limit() -> None:
    """A field that does not fit is left out, a later smaller one still goes in, to the last byte."""
    metadata = {"k": "x" * 102_000}
    room = 102_400 - len(compact(metadata)) - len(b',"fits":""')
    [one] = sent(entry(metadata=metadata, large="y" * 500, fits="z" * room, over=1))
    assert json.loads(one.metadata_json) == {**metadata, "fits": "z" * room}
    assert len(one.metadata_json) == 102_400


def test_name_every_fault_in_order() -> None:
    """Faults come by entry, then in the order of the schema, whatever the order of the body."""
    assert faults_of(
        {},
        7,
        entry(),
        {
            "parent_span_id": 1,
            "span_id": 1,
            "trace_id": 1,
            "privacy_mode": "true",
            "project_id": 1,
            "error": {"fingerprint": 1, "context": [], "stack_trace": {}, "message": 1, "type": 1},
            "metadata": "x",
            "environment": 1,
            "message": 1,
            "level": "INFO",
            "timestamp": 1769437800,
        },
        entry(error="x", timestamp="2026-02-30T00:00:00Z"),
    ) == [
        ("logs[0].timestamp", "required"),
        ("logs[0].level", "required"),
        ("logs[0].message", "required"),
        ("logs[1]", "must be an object"),
        ("logs[3].timestamp", "must be a string"),
        ("logs[3].level", "must be one of debug, info, warn, error, fatal, panic"),
        ("logs[3].message", "must be a string"),
        ("logs[3].environment", "must be a string"),
        ("logs[3].metadata", "must be an object"),
        ("logs[3].error.type", "must be a string"),
        ("logs[3].error.message", "must be a string"),
        ("logs[3].error.stack_trace", "must be an array of strings"),
        ("logs[3].error.context", "must be an object"),
        ("logs[3].error.fingerprint", "must be a string"),
        ("logs[3].project_id", "must be a string"),
        ("logs[3].privacy_mode", "must be true or false"),
        ("logs[3].trace_id", "must be a string"),
        ("logs[3].span_id", "must be a string"),
        ("logs[3].parent_span_id", "must be a string"),
        ("logs[4].timestamp", "must be an ISO 8601 date and time such as 2026-01-26T14:30:00.000Z"),
        ("logs[4].error", "must be an object"),
    ]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({}, ("logs", "required")),
        ({"logs": None}, ("logs", "required")),
        ({"logs": {}}, ("logs", "must be an array")),
        ({"logs": []}, ("logs", "must hold at least one entry")),
        ({"logs": [entry()], "api_key": 7}, ("api_key", "must be a string")),
    ],
)
def test_name_faults_of_the_body(body: object, fault: tuple[str, str]) -> None:
    """The batch itself may be wrong."""
    assert read(compact(body)) == [Fault(*fault)]


def test_report_only_the_limit_of_a_batch() -> None:
    """Over the limit nothing else is told."""
    with pytest.raises(Failure) as raised:
        read_entries({"logs": [7] * 3, "api_key": 1}, 2, [])
    assert (raised.value.faults, raised.value.metadata) == ((Fault("logs", "must hold at most 2 entries"),), {"batch_limit": "2"})


def test_send_large_fields_shortened_and_in_parts() -> None:
    """What the core cuts is sent as far as it must see it; a batch that one message cannot hold goes in several."""
    huge = "é" * 3_000_000
    error = {"type": huge, "message": huge, "stack_trace": [huge] * 2, "context": {"k": huge}, "fingerprint": huge}
    large = entry(environment=huge, trace_id=huge, error=error)
    whole = entry(message="€" * 3000, metadata={"k": "x" * 100_000}, error={"stack_trace": ["y" * 8000] * 100})
    body = compact({"logs": [large, *[whole] * 20, entry(error={"stack_trace": huge})]})
    parts = read(body)
    assert isinstance(parts, Parts)
    assert [len(message.entries) for message in parts.messages] == [5, 4, 4, 4, 4, 1]
    assert all(message.ByteSize() < 16 * 2**20 for message in parts.messages)
    first, last = parts.messages[0].entries[0], parts.messages[-1].entries[-1]
    assert first.size_bytes == len(compact(large))
    assert [len(text) for text in (first.environment, first.trace_id, first.error.type, first.error.message, first.error.fingerprint)] == [
        1024,
        1024,
        4096,
        16_384,
        4096,
    ]
    assert [len(line.encode()) for line in first.error.stack_trace] == [9216] * 2
    assert len(json.dumps(json.loads(first.error.context_json))) > 102_400
    assert [len(line) for line in last.error.stack_trace] == [9216]


def test_replace_half_surrogates() -> None:
    """A text that its sender cut through a character is kept; whole pairs and escaped backslashes stay as they are."""
    body = rb'{"logs":[{"timestamp":"2026-01-26T14:30:00Z","level":"info","message":"a\ud83d \ud83d\ude00 \\ud83d \udc00"}]}'
    parts = read(body)
    assert isinstance(parts, Parts)
    assert parts.messages[0].entries[0].message == "a\ufffd \U0001f600 \\ud83d \ufffd"


def test_keep_numbers_beyond_doubles() -> None:
    """Large integers stay whole; a number that no double holds becomes its digits."""
    metadata = b'{"a":123456789012345678901234567890,"b":1e999}'
    body = b'{"logs":[{"timestamp":"2026-01-26T14:30:00Z","level":"info","message":"","metadata":%b}]}' % metadata
    parts = read(body)
    assert isinstance(parts, Parts)
    assert parts.messages[0].entries[0].metadata_json == b'{"a":123456789012345678901234567890,"b":"1e999"}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nothing",
        b"[]",
        b"7",
        b"null",
        b'"x"',
        b'{"logs":[]',
        b'{"logs":"\xff"}',
        b'{"logs":NaN}',
        rb'{"a":"\ud8"}',
        b'{"a":1}}',
    ],
)
def test_refuse_what_is_no_json_object(body: bytes) -> None:
    """Only a JSON object in UTF-8 is read."""
    with pytest.raises(Failure) as raised:
        read_content(body)
    assert raised.value.reason is Reason.MALFORMED_BODY


@settings(deadline=None)
@given(st.recursive(st.text(st.sampled_from('[]{}"\\a'), max_size=5), lambda inner: st.lists(inner, max_size=4), max_leaves=200))
def test_judge_depth_as_exactly_as_the_kernel(value: object) -> None:
    """The quick way agrees with the exact one, brackets in texts included."""
    for depth in (0, 20, 60, 62, 63, 64):
        body = b"[" * depth + json.dumps(value).encode() + b"]" * depth
        assert content.is_deep(body) == is_too_deep(body)


@pytest.mark.parametrize(("levels", "deep"), [(61, False), (62, True)])
def test_limit_depth(levels: int, deep: bool) -> None:
    """64 levels are read, one more is not, among many small objects as well."""
    nested = json.loads('{"a":[' * (levels // 2) + ("{}" if levels % 2 else "1") + "]}" * (levels // 2))
    body = compact({"logs": [*[entry(metadata={"a": [1]})] * 50, entry(metadata=nested)]})
    assert content.is_deep(body) == deep


def test_send_columns() -> None:
    """Many entries travel as columns, in which each is what it would be by itself, and are charged the same."""
    kinds = [
        entry(),
        entry(metadata={"k": [1, "é"]}, environment="eu", trace_id="t", privacy_mode=True),
        entry(environment="us", parent_span_id="p", metadata=None, timestamp="1601-01-01T00:00:00.000000007Z"),
        entry(level="panic", timestamp="9999-12-31 23:59:59+01:00", error={"type": "E", "stack_trace": "one", "context": {"a": 1}}),
        entry(timestamp="2026-01-26T14:30:00.123456789", error={}, environment=None),
    ]
    entries = [kinds[number % len(kinds)] for number in range(40)]
    parts = read(compact({"logs": [{**one, "project_id": "shop"} for one in entries]}))
    assert isinstance(parts, Parts)
    (message,) = parts.messages
    columns = message.columns
    alone = [one for given in entries for one in sent({**given, "project_id": "shop"})]
    assert (len(message.entries), columns.size_bytes) == (0, sum(one.size_bytes for one in alone))
    assert np.frombuffer(columns.times, "<i8").tolist() == [
        min(max(one.time.seconds, -LARGEST_SECOND), LARGEST_SECOND) * 1_000_000_000 + one.time.nanos for one in alone
    ]
    late = {index: one.time_text for index, one in enumerate(alone) if one.time.seconds < 0 or one.time.seconds > 2**33}
    assert (dict(columns.time_texts), list(columns.levels)) == (late, [one.level for one in alone])
    assert (list(columns.messages), list(columns.metadata_json)) == ([one.message for one in alone], [one.metadata_json for one in alone])
    names = [None, *columns.environments]
    assert [names[number] for number in columns.environment_numbers] == [
        one.environment if one.HasField("environment") else None for one in alone
    ]
    assert (columns.project_id, list(columns.span_ids)) == ("shop", [])
    assert (list(columns.trace_ids), list(columns.parent_span_ids)) == (
        [one.trace_id for one in alone],
        [one.parent_span_id for one in alone],
    )
    assert dict(columns.errors) == {index: one.error for index, one in enumerate(alone) if one.HasField("error")}
    assert list(columns.private_entries) == [index for index, one in enumerate(alone) if one.privacy_mode]


def test_send_columns_only_of_what_fits() -> None:
    """What one of many entries would be refused or cut for, or several projects, makes them travel one by one."""
    for odd in ({"message": "x" * 2561}, {"project_id": "other"}):
        parts = read(compact({"logs": [*[entry(project_id="shop") for _ in range(40)], {**entry(project_id="shop"), **odd}]}))
        assert isinstance(parts, Parts)
        assert [len(message.entries) for message in parts.messages] == [41]
    assert faults_of(*[entry() for _ in range(40)], entry(metadata={"k": "x" * 102_400})) != []
