import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.updates.globs import find_glob_fault, matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("nginx", "nginx", True),
        ("nginx", "nginx2", False),
        ("ghcr.io/acme/*", "ghcr.io/acme/team/api", True),
        ("1.2?", "1.27", True),
        ("1.2[0-6]*", "1.27", False),
        ("1.2[!0-6]", "1.27", True),
        ("1.2[^0-6]", "1.27", True),
        ("[]]", "]", True),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        ("A", "a", False),
    ],
)
def test_match_patterns(pattern: str, text: str, expected: bool) -> None:
    """Patterns cover whole texts as those of a shell do."""
    assert matches(pattern, text) is expected


@pytest.mark.parametrize("pattern", ["", "x" * 256, "[a", "a[!", "a\\", " a", "a\n", "[]"])
def test_refuse_patterns(pattern: str) -> None:
    """A pattern that is not whole is refused, and covers nothing."""
    assert find_glob_fault(pattern) is not None
    assert not matches(pattern, pattern)


@given(st.text(alphabet="ab*?./-", min_size=1, max_size=12), st.text(alphabet="ab./-", max_size=12))
def test_match_as_the_standard_library(pattern: str, text: str) -> None:
    """Patterns without brackets and backslashes mean what they mean to the standard library."""
    assert matches(pattern, text) is fnmatchcase(text, pattern)


def test_match_hostile_patterns_quickly() -> None:
    """A pattern made to take forever does not."""
    start = time.perf_counter()
    assert not matches("*a" * 120 + "b", "a" * 2000)
    assert time.perf_counter() - start < 2
