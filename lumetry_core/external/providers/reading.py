"""Reads values of parsed JSON bodies, noting every fault by its path. A value that was noted reads as its neutral one."""

from collections.abc import Mapping
from typing import Any

from lumetry_core.external.model import MAX_TRANSITIONS
from lumetry_core.external.times import LAST_SECOND, parse_ms
from lumetry_core.runtime.errors import Faults

MAX_KEY = 255
MAX_TITLE = 500
MAX_DESCRIPTION = 8000
NOTHING: Mapping[str, Any] = {}


def at(place: str, name: str) -> str:
    """The path of a field; `place` is empty at the top."""
    return f"{place}.{name}" if place else name


def read_object(raw: object, place: str, faults: Faults) -> Mapping[str, Any]:
    """An object."""
    if isinstance(raw, dict):
        return raw
    faults.add(place, "must be an object")
    return NOTHING


def read_list(data: Mapping[str, Any], name: str, faults: Faults) -> list[Any]:
    """A list of events, which must have some and not too many."""
    raw = data.get(name)
    if raw is None:
        faults.add(name, "is required")
    elif not isinstance(raw, list):
        faults.add(name, "must be an array")
    elif not 1 <= len(raw) <= MAX_TRANSITIONS:
        faults.add(name, f"must have between 1 and {MAX_TRANSITIONS} items")
    else:
        return raw
    return []


def read_text(data: Mapping[str, Any], name: str, place: str, faults: Faults, limit: int | None = None) -> str | None:
    """A text that may be absent, at most so long."""
    raw = data.get(name)
    if raw is None:
        return None
    if not isinstance(raw, str):
        faults.add(at(place, name), "must be a string")
    elif "\0" in raw:
        faults.add(at(place, name), "must not contain the character NUL")
    elif limit is not None and len(raw) > limit:
        faults.add(at(place, name), f"must have at most {limit} characters")
    else:
        return raw
    return None


def read_key(data: Mapping[str, Any], name: str, place: str, faults: Faults, *, needed: bool = True) -> str | None:
    """A key; one that is needed must be there and not be blank."""
    key = read_text(data, name, place, faults, MAX_KEY)
    if needed and (data.get(name) is None or (key is not None and not key.strip())):
        faults.add(at(place, name), "is required")
        return None
    return key or None


def read_word(data: Mapping[str, Any], name: str, words: Mapping[str, Any], place: str, faults: Faults) -> Any:  # noqa: ANN401 -- what the words mean
    """A word that must be there and be known; what it means. None stands for one that was noted."""
    raw = data.get(name)
    if raw is None:
        faults.add(at(place, name), "is required")
        return None
    meaning = words.get(raw) if isinstance(raw, str) else None
    if meaning is None:
        faults.add(at(place, name), f"must be one of {', '.join(words)}")
    return meaning


def read_time(data: Mapping[str, Any], name: str, place: str, faults: Faults) -> int:
    """A time that must be there, in milliseconds since the Unix epoch, not before it and not at the end of the calendar."""
    raw = data.get(name)
    if raw is None:
        faults.add(at(place, name), "is required")
        return 0
    moment = parse_ms(raw) if isinstance(raw, str) else None
    if moment is None:
        faults.add(at(place, name), "must be an ISO-8601 time such as 2026-06-01T08:40:00Z")
    elif moment < 0:
        faults.add(at(place, name), "must not be before 1970")
    elif moment >= (LAST_SECOND + 1) * 1000:
        faults.add(at(place, name), "must not be after 9998")
    return moment or 0


def read_texts(data: Mapping[str, Any], name: str, place: str, faults: Faults) -> dict[str, str]:
    """A map of texts that may be absent."""
    raw = data.get(name)
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        faults.add(at(place, name), "must be an object")
        return {}
    for key, value in raw.items():
        if not isinstance(value, str):
            faults.add(f"{at(place, name)}.{key}", "must be a string")
        elif "\0" in value or "\0" in key:
            faults.add(f"{at(place, name)}.{key}", "must not contain the character NUL")
    return raw


def cut(text: str | None, limit: int) -> str | None:
    """A text of a provider that knows no limits, as far as there is room."""
    return text[:limit] if text else None
