"""Shell patterns: `*`, `?`, `[abc]`, `[!abc]`, and a backslash before a character that is meant itself. `*` takes slashes as well."""

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache

MAX_PATTERN = 255


def find_glob_fault(pattern: str) -> str | None:
    """What is wrong with a pattern; None when nothing is."""
    if not 1 <= len(pattern) <= MAX_PATTERN:
        return f"must have between 1 and {MAX_PATTERN} characters"
    if not pattern.isprintable() or pattern != pattern.strip():
        return "must hold only characters that can be seen, and no blanks around them"
    return None if spell(pattern) is not None else "must close every bracket and have a character after each backslash"


def spell(pattern: str) -> str | None:
    """A pattern without backslashes, as the standard library takes it; None when it is not whole."""
    spelled, place = "", 0
    while place < len(pattern):
        character = pattern[place]
        if character == "\\":
            place += 1
            if place == len(pattern):
                return None
            spelled += f"[{pattern[place]}]" if pattern[place] in "*?[" else pattern[place]
        elif character == "[":
            start = place + 2 if pattern[place + 1 : place + 2] in ("!", "^") else place + 1
            end = pattern.find("]", start + 1)
            if end < 0:
                return None
            negated = "!" if start == place + 2 else ""
            spelled += f"[{negated}{pattern[start:end]}]"
            place = end
        else:
            spelled += character
        place += 1
    return spelled


@lru_cache(maxsize=512)
def compile_glob(pattern: str) -> re.Pattern[str] | None:
    """A pattern made ready; None for one that is not valid."""
    if find_glob_fault(pattern) is not None:
        return None
    return re.compile(translate(spell(pattern) or ""))


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern covers the whole text, letter case included; one that is not valid covers nothing."""
    compiled = compile_glob(pattern)
    return compiled is not None and compiled.match(text) is not None


def matches_any(patterns: Iterable[str], text: str) -> bool:
    """Whether one of several patterns covers the text."""
    return any(matches(pattern, text) for pattern in patterns)
