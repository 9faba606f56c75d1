import pytest

from lumetry_core.sessions.mentions import MAX_MENTIONS, find_mentions


@pytest.mark.parametrize(
    ("content", "mentions"),
    [
        ("", []),
        ("nobody", []),
        ("@ann", [("ann",)]),
        ("see @Ann, @bob!", [("ann",), ("bob",)]),
        ("(@ann.)", [("ann.", "ann")]),
        ("@ann... @ann...", [("ann...", "ann..", "ann.", "ann")]),
        ("@ann@example.com", [("ann@example.com",)]),
        ("write to ann@example.com", []),
        ("@night-watch: done", [("night-watch",)]),
        ("@ @- é@ann", [("-",), ("ann",)]),
    ],
)
def test_find_mentions(content: str, mentions: list[tuple[str, ...]]) -> None:
    """Names after an at sign that stands alone; what may be the end of a sentence is read both ways."""
    assert find_mentions(content) == mentions


def test_find_mentions_stops_somewhere() -> None:
    """A message that mentions everybody does not cost more than so many names."""
    assert len(find_mentions(" ".join(f"@user{number}" for number in range(200)))) == MAX_MENTIONS
