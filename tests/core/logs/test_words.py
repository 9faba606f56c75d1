from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.logs.columns import codec, pack_entries, unpack
from lumetry_core.logs.model import ErrorDraft
from lumetry_core.logs.words import (
    BEGINNING,
    CHUNK,
    Hashes,
    block_hashes,
    build_filters,
    canonical,
    find_frames,
    hash_beginnings,
    hash_words,
    make_probes,
    words_of,
)
from tests.core.logs.building import make_entry


def test_words_of_a_text() -> None:
    """Letters, digits, `_`, `.` and `-` form words, which neither begin nor end with `.` or `-`."""
    words = words_of("GET /api/v1 user.id=U-7, done... -x_ Straße 1.5")
    assert words == ["get", "api", "v1", "user.id", "u-7", "done", "x_", "strasse", "1.5"]
    assert (canonical("a, b"), canonical("?!")) == (" a b ", "")


def hashes_of(words: set[str]) -> set[int]:
    """What a block with these words must know, and nothing else."""
    integers = {word.removesuffix(".0") for word in words if word.endswith(".0") and len(word) > len(".0")}
    return {*hash_words(word.encode() for word in words | integers).tolist(), *hash_beginnings(words).tolist()}


def block_of(messages: list[str]) -> Hashes:
    (batch,) = unpack("p", bytes(16), codec.encode([pack_entries([make_entry(text) for text in messages], None, "p").frame]))
    return block_hashes(batch.columns)


@given(st.lists(st.text(st.sampled_from("aZ0_.- é\n,\\"), max_size=30), min_size=1, max_size=5))
def test_block_hashes_are_those_of_its_texts(messages: list[str]) -> None:
    """The quick way of plain texts finds the words that the exact one finds."""
    assert set(block_of(messages).tolist()) == hashes_of({word for text in messages for word in words_of(text)})


def test_block_hashes_beyond_a_chunk() -> None:
    """Texts of any length are cut between lines, and lines of any length are not cut."""
    messages = [f"word-{number} {'x' * 300} end" for number in range(CHUNK // 200)] + ["y" * 5000 + " " + "z" * CHUNK * 2]
    assert set(block_of(messages).tolist()) == hashes_of({word for text in messages for word in words_of(text)})


def frames_with(filters: list[bytes], word: bytes) -> frozenset[int]:
    ((number, probes),) = make_probes(hash_words([word]))
    return find_frames(filters[number], probes)


@given(st.lists(st.sets(st.binary(min_size=1), max_size=50), min_size=1, max_size=4))
def test_filters_hold_all_their_words(frames: list[set[bytes]]) -> None:
    """A filter never denies a word that it was built with."""
    filters = build_filters([hash_words(words) for words in frames])
    for number, words in enumerate(frames):
        assert all(number in frames_with(filters, word) for word in words)


def test_filters_deny_most_other_words() -> None:
    """Little is read for nothing."""
    filters = build_filters([hash_words(b"word-%d" % number for number in range(10_000)), hash_words([])])
    wrong = [frames_with(filters, b"other-%d" % number) for number in range(10_000)]
    assert sum(0 in frames for frames in wrong) < 50
    assert (sum(1 in frames for frames in wrong), sum(map(len, filters)) < 25_000) == (0, True)


def test_block_hashes_know_beginnings() -> None:
    """The first characters of a word, which is another thing than a word of these characters."""
    known = set(block_of(["Payment straßenbahn"]).tolist())
    assert known >= set(hash_beginnings(["payroll", "strategy"]).tolist())
    assert not known & {*hash_words([b"payment"[:BEGINNING]]).tolist(), *hash_beginnings(["order"]).tolist()}


def test_block_words_know_every_value() -> None:
    """Texts, values behind JSON escapes and trace identities are all there."""
    error = ErrorDraft("TypeError", "broken", ["at\tfoo"], b"", None)
    metadata = {"k": 'line\nsecond\t"third"\\fourth', "n": [1.5, -7, 12.0, True]}
    entry = make_entry("Hello", metadata=metadata, error=error, traces=("T-1", None, None))
    (batch,) = unpack("p", bytes(16), codec.encode([pack_entries([entry], None, "p").frame]))
    assert set(block_hashes(batch.columns).tolist()) >= hashes_of(
        {"hello", "line", "second", "third", "fourth", "1.5", "7", "12", "true", "typeerror", "broken", "at", "foo", "t-1"}
    )
