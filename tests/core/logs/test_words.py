from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.logs.columns import codec, pack_entries, unpack
from lumetry_core.logs.model import ErrorDraft
from lumetry_core.logs.words import block_words, build_filter, canonical, hash_words, may_hold, words_of
from tests.core.logs.building import make_entry


def test_words_of_a_text() -> None:
    """Letters, digits, `_`, `.` and `-` form words, which neither begin nor end with `.` or `-`."""
    words = words_of("GET /api/v1 user.id=U-7, done... -x_ Straße 1.5")
    assert words == ["get", "api", "v1", "user.id", "u-7", "done", "x_", "strasse", "1.5"]
    assert (canonical("a, b"), canonical("?!")) == (" a b ", "")


@given(st.lists(st.text(st.sampled_from("aZ0_.- é\n,\\"), max_size=30), max_size=5))
def test_block_words_are_those_of_its_texts(messages: list[str]) -> None:
    """The quick way of plain texts finds the words that the exact one finds."""
    (batch,) = unpack("p", bytes(16), codec.encode([pack_entries([make_entry(text) for text in messages or ["x"]], None).frame]))
    assert block_words(batch.columns) == {word.encode() for text in messages or ["x"] for word in words_of(text)}


@given(st.sets(st.binary(min_size=1), min_size=1, max_size=200))
def test_filter_holds_all_its_words(words: set[bytes]) -> None:
    """A filter never denies a word that it was built with."""
    packed = build_filter(words)
    assert all(may_hold(packed, hash_words([word])) for word in words)
    assert may_hold(packed, hash_words(words))


def test_filter_denies_most_other_words() -> None:
    """Few blocks are read for nothing."""
    packed = build_filter(b"word-%d" % number for number in range(10_000))
    wrong = sum(may_hold(packed, hash_words([b"other-%d" % number])) for number in range(10_000))
    assert (wrong < 300, len(packed) < 15_000) == (True, True)


def test_block_words_know_every_value() -> None:
    """Texts, values behind JSON escapes and trace identities are all there."""
    error = ErrorDraft("TypeError", "broken", ["at\tfoo"], b"", None)
    metadata = {"k": 'line\nsecond\t"third"\\fourth', "n": [1.5, -7, True]}
    entry = make_entry("Hello", metadata=metadata, error=error, traces=("T-1", None, None))
    (batch,) = unpack("p", bytes(16), codec.encode([pack_entries([entry], None).frame]))
    assert block_words(batch.columns) >= {
        word.encode()
        for word in ("hello", "line", "second", "third", "fourth", "1.5", "7", "true", "typeerror", "broken", "at", "foo", "t-1")
    }
