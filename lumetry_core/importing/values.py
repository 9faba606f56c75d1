"""Reading the values of exports, which come in any type, and fitting them into what Lumetry takes."""

import math
import re
from base64 import b64encode
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

MIN_INTERVAL, MAX_INTERVAL = 5, 86_400
MIN_BEAT, MAX_BEAT = 60, 604_800
MAX_THRESHOLD = 100
MAX_REDIRECTS = 20
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
CLASSES = (2, 3, 4, 5)
"""Of final answers; those of the class 1 never are."""
MAX_CODES = 40
DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
USUAL_THRESHOLDS = (30, 14, 7, 3, 1)


def text_of(value: object) -> str:
    """A text, or the text of a number; empty for anything else."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def number_of(value: object) -> int | None:
    """A whole number, also as text; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except ValueError:
        return None
    return int(number) if math.isfinite(number) else None


def is_set(value: object, *, default: bool = False) -> bool:
    """A switch; databases write 1 and 0, YAML has many words."""
    if isinstance(value, str):
        return SWITCHES.get(value.strip().lower(), default)
    return bool(value) if isinstance(value, (bool, int)) else default


def record_of(value: object) -> dict[str, Any]:
    """An object; empty for anything else."""
    return value if isinstance(value, dict) else {}


def records_of(value: object) -> list[dict[str, Any]]:
    """The objects of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def seconds_of(text: str) -> float | None:
    """Seconds of a duration as Go writes it, such as `1m30s`; None for anything else."""
    parts = DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * UNIT_SECONDS[unit] for number, unit in parts)


def fit(value: float, least: int, most: int, what: str, remarks: list[str]) -> int:
    """A whole number within bounds, rounded up; says so when that changes it."""
    fitted = min(max(math.ceil(value), least), most)
    if fitted != value:
        remarks.append(f"{what} becomes {fitted} instead of {value:g}")
    return fitted


def spell_statuses(codes: Collection[int]) -> str | None:
    """A set of status codes as classes and codes; None when it takes too many words. Empty: none is left."""
    words: list[str] = []
    for leading in CLASSES:
        of_class = range(leading * 100, leading * 100 + 100)
        found = [code for code in of_class if code in codes]
        words += [f"{leading}xx"] if len(found) == len(of_class) else [str(code) for code in found]
    return ",".join(words) if len(words) <= MAX_CODES else None


def split_url(url: str) -> SplitResult | None:
    """The parts of an address with a host; None for anything else."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname)
        parts.port  # noqa: B018 -- raises for one that is no number
    except ValueError:
        return None
    return parts if has_host else None


def without_credentials(parts: SplitResult) -> str:
    """An address without user and password."""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def host_and_port(hostname: str, port: int) -> str:
    """A place as checks of TCP name it."""
    return f"[{hostname}]:{port}" if ":" in hostname else f"{hostname}:{port}"


def basic_credentials(user: str, password: str) -> str:
    """The header value of user and password."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def thresholds_from(days: int) -> tuple[int, ...]:
    """Days on which to warn, from the first on; descending."""
    first = min(max(days, 1), 365)
    return (first, *(usual for usual in USUAL_THRESHOLDS if usual < first))


def has_header(headers: Iterable[str], name: str) -> bool:
    """Whether a header is among names, ignoring case."""
    return any(known.lower() == name.lower() for known in headers)
