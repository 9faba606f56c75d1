import pytest

from lumetry_core.logs.admission import admit_entries, cut_errors, format_time
from lumetry_core.logs.model import Draft, EntryFault, ErrorDraft
from tests.core.logs.building import NOW_MS, make_entry


def admit(*entries: Draft) -> list[EntryFault]:
    return admit_entries(entries, NOW_MS)


@pytest.mark.parametrize(
    ("message", "fits"), [("x" * 10_240, True), ("x" * 10_241, False), ("ä" * 5_120, True), ("ä" * 5_121, False), ("", True)]
)
def test_admit_messages(message: str, fits: bool) -> None:
    """Bytes of UTF-8 count, not characters."""
    assert (admit(make_entry(message)) == []) is fits


@pytest.mark.parametrize(("length", "fits"), [(102_400, True), (102_401, False)])
def test_admit_metadata_by_its_compact_length(length: int, fits: bool) -> None:
    """Insignificant blanks and escapes do not count."""
    entry = make_entry()
    entry.metadata = b'{ "k" : "\\u00e4' + b"x" * (length - 10) + b'" }'
    assert (admit(entry) == []) is fits


@pytest.mark.parametrize("document", [b"[]", b"1", b"null", b"{", b"\xff", b'{"a":"\xff"}', b"not json"])
def test_admit_metadata_that_is_no_object(document: bytes) -> None:
    """What cannot be read as an object is a fault."""
    entry = make_entry()
    entry.metadata = document
    assert admit(entry) == [EntryFault("logs[0].metadata", "must be a JSON object", 0)]


def test_admit_metadata_nested_too_deeply() -> None:
    """Depth is a fault, never a crash."""
    entry = make_entry()
    entry.metadata = b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert admit(entry) == [EntryFault("logs[0].metadata", "is nested too deeply", 0)]


def test_admit_normalises_metadata() -> None:
    """Compact, nothing escaped that need not be, big numbers kept, U+0000 replaced; an empty object is none."""
    entry, empty = make_entry(), make_entry(metadata={})
    entry.metadata = b'{ "p\\u0061ss": [1, 123456789012345678901234567890], "n\\u0000": "\\u0000" }'
    assert admit(entry, empty) == []
    assert (entry.metadata, empty.metadata) == ('{"pass":[1,123456789012345678901234567890],"n\ufffd":"\ufffd"}'.encode(), b"")


def test_admit_cuts_what_is_merely_too_long() -> None:
    """Undocumented lengths never reject; what was cut is named."""
    error = ErrorDraft("t" * 513, "ä" * 5_121, ["s" * 8_193] + ["x"] * 500, b'{"a":"' + b"x" * 102_400 + b'"}', "f" * 257)
    entry = make_entry(environment="e" * 129, project_id="p" * 129, error=error, traces=("t" * 129, None, "p" * 129))
    assert admit(entry) == []
    cut_errors([entry])
    assert entry.error == ErrorDraft("t" * 512, "ä" * 5_120, ["s" * 8_192] + ["x"] * 499, b"", "f" * 256)
    assert (entry.environment, entry.project_id, entry.traces) == ("e" * 128, "p" * 128, ("t" * 128, None, "p" * 128))
    assert entry.truncated == [
        "error.type",
        "error.fingerprint",
        "error.context",
        "environment",
        "project_id",
        "trace_id",
        "parent_span_id",
        "error.message",
        "error.stack_trace",
    ]


def test_admit_replaces_nul() -> None:
    """U+0000 becomes U+FFFD in every text."""
    entry = make_entry("a\0", environment="\0", traces=("\0", None, None), error=ErrorDraft("\0", "\0", ["\0"], b"", "\0"))
    admit(entry)
    gone = "\ufffd"
    assert (entry.message, entry.environment, entry.traces) == (f"a{gone}", gone, (gone, None, None))
    assert entry.error == ErrorDraft(gone, gone, [gone], b"", gone)


def test_admit_an_error_context_that_is_no_object() -> None:
    """Its path names the context."""
    assert admit(make_entry(error=ErrorDraft(context=b"[1]"))) == [EntryFault("logs[0].error.context", "must be a JSON object", 0)]


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (-62_135_596_800 * 10**9, "0001-01-01T00:00:00Z"),
        (10**30, "1000000000000000000000.000000000"),
    ],
)
def test_format_time(time_ns: int, text: str) -> None:
    """RFC 3339 within the calendar, seconds beyond it."""
    assert format_time(time_ns) == text
