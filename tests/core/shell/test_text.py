import json

import pytest

from lumetry_core.shell.text import clip, count_of, escape_json, fold, neutralise, pad, width_of


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("web-1 läuft", "web-1 läuft"),
        ("\x1b[2J\x1b]0;owned\x07", "?[2J?]0;owned?"),
        ("two\nlines\tand\x85more", "two lines and more"),
        ("\x9b31m", "?31m"),
        ("abc\u202edcba", "abc?dcba"),
        ("\ud800", "?"),
    ],
)
def test_neutralise_leaves_nothing_that_a_terminal_obeys(text: str, safe: str) -> None:
    """Escapes of both kinds, overwritten titles, line breaks and turned directions are gone; letters stay."""
    assert neutralise(text) == safe


@pytest.mark.parametrize(("text", "width"), [("", 0), ("web-1", 5), ("läuft", 5), ("銀行", 4), ("e\u0301", 1), ("🔥", 2)])
def test_width_of_counts_columns(text: str, width: int) -> None:
    """Wide characters take two columns, combining ones none."""
    assert width_of(text) == width


@pytest.mark.parametrize(
    ("text", "width", "clipped"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("銀行銀行", 6, "銀行…"),
        ("銀行銀行", 5, "銀行…"),
        ("longer", 1, "…"),
        ("longer", 0, ""),
    ],
)
def test_clip_never_exceeds_the_width(text: str, width: int, clipped: str) -> None:
    """What is cut ends with an ellipsis, and no wide character is halved."""
    assert clip(text, width) == clipped


def test_pad_aligns_by_columns() -> None:
    """Text stands left, numbers stand right."""
    assert (pad("銀行", 6), pad("7", 3, right=True)) == ("銀行  ", "  7")


@pytest.mark.parametrize(
    ("text", "lines"),
    [("", [""]), ("one two three", ["one two", "three"]), ("abcdefghij", ["abcdefgh", "ij"]), ("a 銀行銀行銀", ["a", "銀行銀行", "銀"])],
)
def test_fold_breaks_between_words(text: str, lines: list[str]) -> None:
    """Eight columns; a word that is longer is broken inside."""
    assert fold(text, 8) == lines


def test_count_of_tells_one_from_many() -> None:
    """Only one is singular."""
    assert [count_of(number, "alert") for number in (0, 1, 2)] == ["0 alerts", "1 alert", "2 alerts"]


def test_escape_json_decodes_to_the_same() -> None:
    """A terminal gets no control character from the text; a reader gets all of them back."""
    value = {"note": "\x9b2J \u202e\U000e0041\x7f", "name": "Süd"}
    escaped = escape_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert escaped == '{\n  "note": "\\u009b2J \\u202e\\udb40\\udc41\\u007f",\n  "name": "Süd"\n}'
    assert json.loads(escaped) == value
