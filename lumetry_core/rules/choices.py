"""Reading an enumerated value of a query, where case does not matter (contract lumetry 1.3)."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from lumetry_core.runtime.errors import Faults

Choice = TypeVar("Choice", bound=StrEnum)


def find_choice(kind: Iterable[Choice], value: str, path: str, faults: Faults) -> Choice | None:
    """Reads one of an enumeration's values, ignoring case; None when it is empty, or unknown, which notes a fault."""
    if not value:
        return None
    for choice in kind:
        if choice.value.lower() == value.lower():
            return choice
    faults.add(path, f"must be one of {', '.join(kind)}")
    return None


def check_text(value: str | None, path: str, faults: Faults) -> None:
    """Notes a fault for text that PostgreSQL cannot hold."""
    faults.check(value is None or "\0" not in value, path, "must not contain the character NUL")
