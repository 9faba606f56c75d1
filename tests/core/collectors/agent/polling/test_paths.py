import time

import pytest

from lumetry_core.collectors.agent.polling.model import PollError
from lumetry_core.collectors.agent.polling.paths import select

STORE = {"book": [{"title": "a", "price": 8}, {"title": "b", "price": 12, "isbn": "1"}], "bicycle": {"price": 399}}


@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("$.book[0].title", ["a"]),
        ("$.book[-1].price", [12]),
        ("$['book'][::-1].title", ["b", "a"]),
        ("$..price", [8, 12, 399]),
        ("$.book[?@.isbn].title", ["b"]),
        ("$.book[?@.price < 10].title", ["a"]),
        ("$.book[?match(@.title, '[a-c]')].price", [8, 12]),
        ("$.book[?search(@.title, 'b')].price", [12]),
        ("$.book[?length(@.title) == 1 && count(@.*) == 3].title", ["b"]),
        ("$.book[?@.title == $.book[1].title].price", [12]),
        ("$.nothing", []),
        ("$.book[0]", [{"title": "a", "price": 8}]),
    ],
)
def test_select_follows_the_standard(path: str, selected: list[object]) -> None:
    """Names, indexes, slices, descendants, filters and functions of RFC 9535."""
    assert select(path, STORE, 10) == selected


def test_select_gives_no_more_than_the_limit() -> None:
    """What lies beyond is not looked at."""
    assert select("$[*]", list(range(100_000)), 3) == [0, 1, 2]


@pytest.mark.parametrize(
    "path",
    [
        "$..*..*..*..*",
        "$" + "[*,*,*,*]" * 12 + ".nothing",
        "$..[?count($..*) > 1000000000]",
    ],
)
def test_select_with_a_path_that_explodes(path: str) -> None:
    """It is ended before anybody notices."""
    document: object = {"leaf": 1}
    for _ in range(20):
        document = {"a": document, "b": [document] if len(str(document)) < 100_000 else []}
    started = time.monotonic()

    with pytest.raises(PollError, match=r"the path (visits more than 500,000 values|takes more than 2 s)"):
        select(path, document, 1_000_000)
    assert time.monotonic() - started < 10


def test_select_with_a_pattern_that_explodes() -> None:
    """A pattern that backtracks for ever is ended."""
    with pytest.raises(PollError, match="a pattern in the path takes too long"):
        select("$[?match(@, '(a|aa)+(a|aa)+(a|aa)+c')]", ["a" * 200 + "b"], 10)


def test_select_with_a_document_too_deep() -> None:
    """Depth is bounded before the path is followed."""
    document: object = 1
    for _ in range(500):
        document = [document]

    with pytest.raises(PollError, match="nested too deeply"):
        select("$..x", document, 10)
