import hashlib
from dataclasses import replace

import pytest

from lumetry_core.logs.fingerprints import Memory, fingerprint_entry, fingerprint_of
from lumetry_core.logs.model import Draft, ErrorDraft
from tests.core.logs.building import make_entry, make_error

PROJECT = "7f9c24e8-3b12-4fef-91e0-56a2d5a1c9aa"


def expect(*lines: str) -> bytes:
    """The fingerprint that the contract spells out."""
    return bytes.fromhex(hashlib.sha256("\n".join(("v1", PROJECT, *lines)).encode()).hexdigest()[:32])


NODE = make_error(type="PaymentError", message="Order 17 failed", stack_trace=["PaymentError: no", "    at pay (/a/b/pay.js:4:2)"])
PYTHON = make_error(type="KeyError", message="'o-17'", stack_trace=['  File "/a/b/pay.py", line 4, in pay\n    orders[key]\n'])
GO = make_error(type="*errors.errorString", message="order 17 failed", stack_trace=["/x/logger.go:9", "/a/b/pay.go:4", "/runtime/p.go:2"])
AGAIN = {
    "Order 17": "Order 18", "order 17": "order 18", "o-17": "o-18", "js:4:2": "js:9:1", "line 4": "line 9", "go:4": "go:9", "go:2": "go:3",
    "orders[key]": "self.orders[key]",
}  # fmt: skip


def again(error: ErrorDraft) -> ErrorDraft:
    """The same error after a new release and for another order."""

    def change(text: str) -> str:
        for before, after in AGAIN.items():
            text = text.replace(before, after)
        return text

    return replace(error, message=change(error.message or ""), stack_trace=[change(line) for line in error.stack_trace])


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (replace(NODE, fingerprint="mine"), ("c", "mine")),
        (NODE, ("f", "PaymentError", "b/pay.js:pay")),
        (PYTHON, ("f", "KeyError", "b/pay.py:pay")),
        (GO, ("f", "*errors.errorString", "order <num> failed", "b/pay.go:?")),
        (make_error(message="disk 7 full"), ("m", "", "disk <num> full")),
        (make_error(type="E"), ("m", "E", "said <num> times")),
        (
            make_error(stack_trace=[f"    at f{number} (a.js:1:1)" for number in range(9)]),
            ("f", "", *(f"a.js:f{number}" for number in range(5))),
        ),
    ],
)
def test_fingerprint(error: ErrorDraft, lines: tuple[str, ...]) -> None:
    """The sender's own first, then frames, then the message."""
    assert fingerprint_of(PROJECT, "said 3 times", error) == expect(*lines)


@pytest.mark.parametrize("error", [NODE, PYTHON, GO])
def test_same_error_after_a_release_is_one_group(error: ErrorDraft) -> None:
    """Other line numbers and other numbers in messages change nothing, in any library's form; another project does."""
    first, second = fingerprint_of(PROJECT, "m", error), fingerprint_of(PROJECT, "m", again(error))
    assert again(error) != error
    assert first == second
    assert fingerprint_of("other", "m", error) != first


@pytest.mark.parametrize(
    ("entry", "is_grouped"),
    [
        (make_entry(level=3), False),
        (make_entry(level=4), True),
        (make_entry(level=6), True),
        (make_entry(level=1, error=make_error()), False),
        (make_entry(level=1, error=make_error(context=b"{}", fingerprint="f")), False),
        (make_entry(level=1, error=make_error(type="E")), True),
        (make_entry(level=1, error=make_error(message="m")), True),
        (make_entry(level=1, error=make_error(stack_trace=["s"])), True),
    ],
)
def test_which_entries_are_grouped(entry: Draft, is_grouped: bool) -> None:
    """Those of level error and above, and those whose error says something."""
    assert (fingerprint_entry(PROJECT, entry) is not None) is is_grouped


def test_remembered_texts_that_run_together_alike() -> None:
    """They are told apart, and asking again gives the same."""
    stacks = (["at a (b.js:1:1)\nat c (d.js:1:1)"], ["at a (b.js:1:1)", "at c (d.js:1:1)"], ["at a (b.js:1:1)\n", "at c (d.js:1:1)"])
    entries = [make_entry(level=4, error=make_error(stack_trace=stack)) for stack in stacks]
    first = [fingerprint_entry(PROJECT, entry) for entry in entries]
    assert first == [fingerprint_entry(PROJECT, entry) for entry in entries] == [expect("f", "", "b.js:a", "d.js:c")] * 3
    memory: Memory[str] = Memory(9)
    assert memory.get(("a", "b\nc"), lambda: "first") == "first"
    assert memory.get(("a\nb", "c"), lambda: "second") == "second"


def test_memory_forgets_what_was_not_asked_for() -> None:
    """It holds so many values, those asked for last."""
    memory: Memory[str] = Memory(2)
    made = []

    def make(text: str) -> str:
        made.append(text)
        return text

    for text in ("a", "b", "a", "c", "a", "b"):
        assert memory.get((text,), lambda text=text: make(text)) == text  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]
