"""Reads quantities as Kubernetes writes them: `250m`, `128Mi`, `1e3`. Pure."""

import re
from decimal import Decimal

QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30}))(?P<suffix>[eE][+-]?[0-9]{1,2}|[numkMGTPE]|[KMGTPE]i)?", re.ASCII
)
SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}


def read_quantity(text: str | float) -> Decimal:
    """A quantity; 0 for what is none."""
    match = QUANTITY.fullmatch(str(text).strip())
    if match is None:
        return Decimal(0)
    suffix = match["suffix"] or ""
    if suffix in SUFFIXES:
        return Decimal(match["number"]) * SUFFIXES[suffix]
    return Decimal(match["number"] + suffix)
