"""Limits of bodies."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transcode.bodies import MAX_DEPTH, decompress, is_too_deep, parse_json
from gateway.transcode.failures import Failure, Reason


@given(
    st.recursive(
        st.none() | st.text('[]{}"\\a'), lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text('[]"\\'), part, max_size=3)
    )
)
def test_count_only_brackets_outside_strings(value: object) -> None:
    """Brackets and quotes in strings do not count."""
    body = json.dumps([value, "[" * 100, '\\"[{' * 50, "\\"]).encode()
    assert not is_too_deep(body)
    wrapped = b"[" * MAX_DEPTH + body + b"]" * MAX_DEPTH
    assert is_too_deep(wrapped)


@pytest.mark.parametrize("body", [b"", b"{", b"nul", b'{"a":}', b'"\xff"', b'"\\ud800"', b"[1,]", b"NaN", b"\xef\xbb\xbf{}", b"{} x"])
def test_refuse_what_is_not_json(body: bytes) -> None:
    """What is not JSON is a malformed body."""
    with pytest.raises(Failure) as raised:
        parse_json(body)
    assert raised.value.reason is Reason.MALFORMED_BODY


def test_unpack_several_members() -> None:
    """Gzip members follow one another, and the limit counts all of them."""
    packed = gzip.compress(b"ab") + gzip.compress(b"cd")
    assert decompress(packed, 4) == b"abcd"
    with pytest.raises(Failure) as raised:
        decompress(packed, 3)
    assert raised.value.reason is Reason.PAYLOAD_TOO_LARGE
