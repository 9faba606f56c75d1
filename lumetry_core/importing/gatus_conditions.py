"""Conditions of Gatus: which statuses they leave, how long a certificate must be valid, and what is lost."""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lumetry_core.importing.values import number_of, seconds_of, text_of

CONDITION = re.compile(r"\s*\[([A-Z_]+)\](\S*)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*")
ANY = re.compile(r"any\((.*)\)")
EVERY_STATUS = range(200, 600)
SECONDS_PER_DAY = 86_400
COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(slots=True)
class Conditions:
    """What the conditions of an endpoint come to."""

    statuses: set[int] = field(default_factory=lambda: set(EVERY_STATUS))
    certificate_days: int | None = None
    lost: list[str] = field(default_factory=list)


def read_conditions(given: object) -> Conditions:
    """Reads conditions, all of which must hold."""
    found = Conditions()
    for condition in given if isinstance(given, list) else []:
        if not take(found, text_of(condition)):
            found.lost.append(text_of(condition))
    return found


def take(found: Conditions, condition: str) -> bool:
    """Takes a condition into account; False for one that has no counterpart."""
    match = CONDITION.fullmatch(condition)
    if match is None:
        return False
    place, path, comparison, wanted = match.groups()
    if place == "CONNECTED" and (comparison, wanted) == ("==", "true"):
        return True  # a check that gets no connection fails
    if path:
        return False
    if place == "STATUS":
        return take_status(found, comparison, wanted)
    if place == "CERTIFICATE_EXPIRATION" and comparison in (">", ">=") and (seconds := seconds_of(wanted)) is not None:
        found.certificate_days = max(math.ceil(seconds / SECONDS_PER_DAY), found.certificate_days or 0)
        return True
    return False


def take_status(found: Conditions, comparison: str, wanted: str) -> bool:
    """Takes a condition on the status into account."""
    choices = ANY.fullmatch(wanted)
    numbers = [number_of(text_of(word)) for word in (choices[1].split(",") if choices else [wanted])]
    known = [number for number in numbers if number is not None]
    if len(known) != len(numbers) or (choices and comparison not in ("==", "!=")):
        return False
    compare = COMPARISONS[comparison]
    combine = all if comparison == "!=" else any
    found.statuses = {status for status in found.statuses if combine(compare(status, number) for number in known)}
    return True
