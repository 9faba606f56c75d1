import pytest

from lumetry_core.endpoints.expectations import normalize_expected, read_expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2xx", "2xx"),
        (" 200, 204 ,3XX,200", "200,204,3xx"),
        ("", None),
        ("200,", None),
        ("6xx", None),
        ("20", None),
        ("2x0", None),
        ("\u0662\u0660\u0660", None),
        (",".join(["200"] * 51), None),
    ],
)
def test_normalize_expected(text: str, expected: str | None) -> None:
    """A list of codes and classes has one spelling; anything else has none."""
    assert normalize_expected(text) == expected


def test_read_expected() -> None:
    """A class is all of its hundred codes."""
    assert read_expected("204,3xx") == {204, *range(300, 400)}
