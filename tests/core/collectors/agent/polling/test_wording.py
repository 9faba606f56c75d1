from base64 import b64encode

import pytest

from lumetry_core.collectors.agent.polling.model import ItemResult, Source, Target
from lumetry_core.collectors.agent.polling.wording import hide, summarize

SOURCE = Source("postgres", Target(username="me"), (), "pa ss'wörd/1")


@pytest.mark.parametrize(
    "told",
    [
        "pa ss'wörd/1",
        "pa%20ss%27w%C3%B6rd%2F1",
        b64encode("me:pa ss'wörd/1".encode()).decode(),
        b64encode("pa ss'wörd/1".encode()).decode(),
    ],
)
def test_hide_the_secret(told: str) -> None:
    """In every form in which it travels."""
    assert hide(f"cannot use {told} here", SOURCE) == "cannot use ••• here"


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("could not connect: host=db password=hunter2 user=me", "could not connect: host=db password=••• user=me"),
        ("near dblink('host=db password=''x''')", "near dblink('host=db password=•••)"),
        ("CREATE USER x IDENTIFIED BY 'hunter2'", "CREATE USER x IDENTIFIED BY •••"),
        ("cannot reach https://me:hunter2@db.test/x", "cannot reach https://me:•••@db.test/x"),
        ("header Authorization: Bearer abc123def456", "header Authorization: Bearer •••"),
        ('"token": "abc", "a": 1', '"token": •••, "a": 1'),
        ('password authentication failed for user "me"', 'password authentication failed for user "me"'),
        ("Access denied (using password: YES)", "Access denied (using password: YES)"),
        ("basic authentication is required", "basic authentication is required"),
        ("two\nlines\x1b[31m and\ttabs", "two lines [31m and tabs"),
        ("x" * 2000, "x" * 999 + "…"),
    ],
)
def test_hide_what_looks_like_a_credential(told: str, shown: str) -> None:
    """Sources repeat questions in their complaints; ordinary words stay."""
    assert hide(told, SOURCE) == shown


@pytest.mark.parametrize(
    ("errors", "summary"),
    [
        (["", ""], ""),
        (["no connection"], "no connection"),
        (["no connection", "no connection"], "2 of 2 items failed: no connection"),
        (["", "syntax error"], "1 of 2 items failed: m1: syntax error"),
        (["a", "", "a"], "2 of 3 items failed: m0, m2: a"),
        (["a", "b", ""], "2 of 3 items failed: m0: a; m1: b"),
        (["x" * 900, "y" * 900], f"2 of 2 items failed: m0: {'x' * 900}; m1: {'y' * 69}…"),
    ],
)
def test_summarize(errors: list[str], summary: str) -> None:
    """One text for a poll, each different error once."""
    told = summarize([ItemResult(f"m{n}", error=error) for n, error in enumerate(errors)])

    assert told[:40] == summary[:40]
    assert len(told) <= 1000
    if len(summary) < 900:
        assert told == summary
