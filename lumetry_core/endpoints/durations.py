"""Durations as labels and configurations write them."""

import re

PATTERN = re.compile(r"(?:(?P<h>[0-9]{1,6})h)?(?:(?P<m>[0-9]{1,6})m)?(?:(?P<s>[0-9]{1,9})s)?", re.ASCII)


def parse_duration(text: str) -> int | None:
    """Seconds of a text such as `30s`, `5m`, `1h30m` or `45`; None: it is none."""
    trimmed = text.strip()
    if trimmed.isascii() and trimmed.isdigit() and len(trimmed) <= 9:
        return int(trimmed)
    match = PATTERN.fullmatch(trimmed)
    if match is None or not trimmed:
        return None
    return int(match["h"] or 0) * 3600 + int(match["m"] or 0) * 60 + int(match["s"] or 0)


def spell_duration(seconds: int) -> str:
    """A duration in the largest unit that divides it."""
    for unit, letter in ((3600, "h"), (60, "m")):
        if seconds and seconds % unit == 0:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"
