from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.logs.columns import codec, pack_entries, unpack
from lumetry_core.logs.model import ErrorDraft
from lumetry_core.logs.words import block_words, build_filter, canonical, hash_words, may_hold, words_of
from tests.core.logs.building import make_entry


def test_words_of_a_text() -> None:
    """Letters, digits, `_`, `.` and `-` form words, which neither begin nor end with `.` or `-`."""
    assert words_of("GET /api/v1 user.id=U-7, done... -x_ Straße 1.5") == [
        "get",
        "api",
        "v1",
        "user.id",
        "u-7",
        "done",
        "x_",
        "strasse",
        "1.5",
    ]
    assert (canonical("a, b"), canonical("?!")) == (" a b ", "")


@given(st.sets(st.text(min_size=1), min_size=1, max_size=200))
def test_filter_holds_all_its_words(words: set[str]) -> None:
    """A filter never denies a word that it was built with."""
    packed = build_filter(words)
    assert all(may_hold(packed, hash_words([word])) for word in words)
    assert may_hold(packed, hash_words(words))


def test_filter_denies_most_other_words() -> None:
    """Few blocks are read for nothing."""
    packed = build_filter(f"word-{number}" for number in range(10_000))
    wrong = sum(may_hold(packed, hash_words([f"other-{number}"])) for number in range(10_000))
    assert (wrong < 300, len(packed) < 15_000) == (True, True)


def test_block_words_know_every_value() -> None:
    """Texts, values behind JSON escapes and trace identities are all there."""
    error = ErrorDraft("TypeError", "broken", ["at\tfoo"], b"", None)
    entry = make_entry(
        "Hello", metadata={"k": 'line\nsecond\t"third"\\fourth', "n": [1.5, -7, True]}, error=error, traces=("T-1", None, None)
    )
    (batch,) = unpack("p", bytes(16), codec.encode([pack_entries([entry], None).frame]))
    assert block_words(batch.columns) >= {
        *("hello", "line", "second", "third", "fourth", "1.5", "7", "true", "typeerror", "broken", "at", "foo", "t-1"),
    }
