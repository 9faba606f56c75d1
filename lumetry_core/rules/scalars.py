"""Checks single values of what people send for a rule: names, numbers, words."""

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from lumetry_core.rules.choices import check_text
from lumetry_core.runtime.errors import Faults

MAX_NAME = 200

Choice = TypeVar("Choice", bound=StrEnum)


def check_name(value: str, path: str, faults: Faults) -> str:
    """Reads a name for people."""
    name = value.strip()
    faults.check(1 <= len(name) <= MAX_NAME, path, f"must have between 1 and {MAX_NAME} characters")
    check_text(name, path, faults)
    return name


def check_number(value: float | None, path: str, faults: Faults, *, least: float | None = None, above: float | None = None) -> None:
    """Notes a number outside its range."""
    if value is None:
        return
    if not math.isfinite(value):
        faults.add(path, "must be a finite number")
    elif least is not None:
        faults.check(value >= least, path, f"must be at least {least}")
    elif above is not None:
        faults.check(value > above, path, f"must be above {above}")


def check_order(low: float | None, high: float | None, path: str, message: str, faults: Faults) -> None:
    """Notes a fault when both are given and the first is above the second."""
    faults.check(low is None or high is None or low <= high, path, message)


def read_count(value: int | None, bounds: tuple[int, int], default: int, path: str, faults: Faults) -> int:
    """Reads a whole number within bounds, both included."""
    if value is None:
        return default
    faults.check(bounds[0] <= value <= bounds[1], path, f"must be between {bounds[0]} and {bounds[1]}")
    return value


def read_exact(kind: Iterable[Choice], value: str | None, path: str, faults: Faults, *, default: Choice | None = None) -> Choice:
    """Reads a value of an enumeration, or one of some of its values, in its exact spelling; a fault leaves the first one."""
    if value is None and default is not None:
        return default
    choices = tuple(kind)
    for choice in choices:
        if choice == value:
            return choice
    faults.add(path, f"must be one of {', '.join(choices)}")
    return choices[0]
