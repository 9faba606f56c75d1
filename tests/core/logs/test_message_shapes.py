import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumetry_core.logs.message_shapes import MAX_SHAPE, shape_of

PIECES = [
    "7f9c24e8-3b12-4fef-91e0-56a2d5a1c9aa", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "2026-01-26T14:30:05.123Z",
    "2026-01-26 14:30", "12:30:45", "https://a.example/x?y=1", "://", "a@b.example", "@", "10.0.0.1:8080", "10.0.0", "fe80::1",
    "[::1]:80", "ab::cd", "std::map", '"', "'", "`", "can't", "0x1F", "0x", "deadbeef1", "facade", "12345678", "-7.5", "+3",
    ".", "-", "<", ">", "<num>", " ", "\t\n", "\u2003", "order", "_", "é", "٣",
]  # fmt: skip
messages = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=12).map("".join)


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        ("user 7F9C24E8-3b12-4fef-91e0-56a2d5a1c9aa gone", "user <uuid> gone"),
        ("at 2026-01-26T14:30:05.123Z and 2026-01-26 14:30:05+02:00", "at <time> and <time>"),
        ("GET https://shop.example/a?b=1 failed", "GET <url> failed"),
        ("no such user ann+x@mail.example", "no such user <email>"),
        ("connect 10.1.2.3:5432 and 10.1.2.3 refused", "connect <ip> and <ip> refused"),
        ("dial tcp [2001:db8::1]:443, fe80::1", "dial tcp <ip>, <ip>"),
        ("key 'a b' of \"c\" in `d`", "key <str> of <str> in <str>"),
        ("can't open 'x', won't retry", "can't open <str>, won't retry"),
        ("at 0x7ffe in deadbeef01, not in defaced", "at <hex> in <hex>, not in defaced"),
        ("order 12345678 of 1234567", "order <hex> of <num>"),
        ("took -3.5 s, 12 of +7", "took <num> s, <num> of <num>"),
        ("a \t\n b", "a b"),
        ("std::vector<int>::at", "std::vector<int>::at"),
        ("x" * 600, "x" * MAX_SHAPE),
        ("", ""),
    ],
)
def test_shape(message: str, shape: str) -> None:
    """What differs from one time to the next is replaced, in the order of the contract."""
    assert shape_of(message) == shape


@given(messages)
@settings(max_examples=2000, deadline=None)
def test_shape_of_a_shape_is_itself(message: str) -> None:
    """Normalising twice changes nothing more."""
    shape = shape_of(message)
    assert shape_of(shape) == shape
    assert len(shape) <= MAX_SHAPE


@pytest.mark.parametrize(
    "piece",
    ["a", "1", "a.", "a-", "a@", "a:", "0x", "'", '"a', "`", "1.", "1:", "::", "a://", "-a", "ab1", "2026-", "aaaaaaaa-", "[a:"],
)
def test_shape_takes_time_in_proportion_to_the_text(piece: str) -> None:
    """Text of eight times the length takes no more than some eight times as long, whatever is in it."""

    def measure(length: int) -> float:
        text = (piece * length)[:length] + "@://::.-:\"'"
        begin = time.perf_counter()
        shape_of(text)
        return time.perf_counter() - begin

    measure(1000)
    short = min(measure(20_000) for _ in range(3))
    assert min(measure(160_000) for _ in range(3)) < 40 * short + 0.02
