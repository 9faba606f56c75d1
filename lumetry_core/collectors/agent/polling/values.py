"""What databases and documents give, as the numbers and labels of points."""

import math
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE | re.ASCII)
MAX_DIGITS = 400
"""Longer texts are no numbers that anybody measures, and take long to read."""


def read_number(value: object) -> float | None:
    """The number that a value is, perhaps NaN or infinite; None when it is none. True is 1, a span of time its seconds."""
    if isinstance(value, bool | int | float | Decimal):
        return to_float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        text = value.strip()
        return float(text) if len(text) <= MAX_DIGITS and NUMBER.fullmatch(text) else None
    return None


def to_float(value: float | Decimal) -> float:
    """The nearest number; infinite beyond what a float holds."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except ValueError:  # a signaling NaN
        return math.nan


def is_numeric(value: object) -> bool:
    """Whether a value is a number by its type."""
    return isinstance(value, int | float | Decimal | timedelta) and not isinstance(value, bool)


def write_label(value: object) -> str:
    """A value as the text of a label; empty for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) <= MAX_DIGITS else str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode(errors="replace")
    return str(value)
