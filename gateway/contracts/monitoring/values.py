"""Values as contract monitoring 1.3 to 1.5 spells them: times, durations, pages, lists of words."""

import re
from collections.abc import Collection
from typing import Annotated, Any

import msgspec
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.transcode.bodies import check_content_type, parse_json, read_bytes
from gateway.transcode.failures import Fault, malformed_body, validation_failure
from gateway.transcode.request import Request
from gateway.transcode.times import format_time, parse_timestamp

Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""A time in answers."""

LARGEST_OFFSET = 2**31 - 1
WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
DURATION = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?", re.ASCII)
FLAGS = {"true": True, "1": True, "false": False, "0": False}


def format_or_none(message: Message, field: str) -> str | None:
    """The time in a field of a message; None when it has none."""
    moment: Timestamp = getattr(message, field)
    return format_time(moment) if message.HasField(field) else None


def value_or_none(message: Message, field: str) -> Any:  # noqa: ANN401 -- whatever the field holds
    """The value of an optional field of a message; None when it has none."""
    return getattr(message, field) if message.HasField(field) else None


def parameter_failure(name: str, message: str) -> Exception:
    """The failure of a query parameter, which this family tells apart from those of bodies."""
    return validation_failure((Fault(name, message),), part="query")


def read_count(text: str | None, name: str, default: int, cap: int) -> int:
    """1.5: how many a page holds: above its cap it is cut to it.

    Raises:
        Failure: VALIDATION_FAILED for one below 1 or no number.
    """
    if not text:
        return default
    if not WHOLE.fullmatch(text) or int(text) < 1:
        raise parameter_failure(name, "must be a whole number of at least 1")
    return min(int(text), cap)


def read_offset(text: str | None, name: str = "offset") -> int:
    """1.5: how many are passed over.

    Raises:
        Failure: VALIDATION_FAILED for one below 0 or no number.
    """
    if not text:
        return 0
    if not WHOLE.fullmatch(text) or int(text) < 0:
        raise parameter_failure(name, "must be a whole number of at least 0")
    return min(int(text), LARGEST_OFFSET)


def read_flag(text: str | None, name: str, *, default: bool) -> bool:
    """1.5: a switch of a query.

    Raises:
        Failure: VALIDATION_FAILED for another word.
    """
    if not text:
        return default
    if text not in FLAGS:
        raise parameter_failure(name, f"must be one of {', '.join(FLAGS)}")
    return FLAGS[text]


def read_word(text: str | None, name: str, allowed: Collection[str]) -> str:
    """1.5: a word of a query, where case matters; empty when it is absent.

    Raises:
        Failure: VALIDATION_FAILED for another word.
    """
    if text and text not in allowed:
        raise parameter_failure(name, f"must be one of {', '.join(allowed)}")
    return text or ""


def read_words(text: str | None, name: str, allowed: Collection[str]) -> list[str]:
    """1.5: words of a query, separated by commas, each once.

    Raises:
        Failure: VALIDATION_FAILED for another word.
    """
    words = [word for word in dict.fromkeys(part.strip() for part in (text or "").split(",")) if word]
    if any(word not in allowed for word in words):
        raise parameter_failure(name, f"must be a list of {', '.join(allowed)}")
    return words


def read_moment(text: str | None, name: str, *, takes_seconds: bool = False) -> Timestamp | None:
    """1.5: a time of a query; None when it is absent.

    Args:
        takes_seconds: Whether Unix seconds are a time as well.

    Raises:
        Failure: VALIDATION_FAILED for anything else.
    """
    if not text:
        return None
    if takes_seconds and WHOLE.fullmatch(text) and abs(int(text)) <= 253_402_300_799:
        return Timestamp(seconds=int(text))
    moment = parse_timestamp(text.replace(" ", "+"))  # a plus that was not encoded
    if moment is None:
        raise parameter_failure(name, "must be an RFC 3339 time such as 2026-06-01T08:40:00Z")
    return moment


def spell_duration(seconds: int) -> str:
    """A duration as 5.1 writes it: in the largest unit that divides it."""
    for unit, letter in ((3600, "h"), (60, "m")):
        if seconds and seconds % unit == 0:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"


def read_duration(value: object, path: str, faults: list[Fault]) -> int | None:
    """Seconds of a duration such as `30s`, `5m`, `1h30m`, or of a whole number of seconds; None when it is absent, or none and noted."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
        return value
    match = DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        faults.append(Fault(path, "must be a duration such as 30s, 5m or 1h, or a whole number of seconds"))
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return min(hours * 3600 + minutes * 60 + seconds, 2**31 - 1)


async def read_object(request: Request, limit: int, *, optional: bool = False) -> dict[str, Any]:
    """The body as an object, in which `null` differs from absence.

    Raises:
        Failure: PAYLOAD_TOO_LARGE, MALFORMED_BODY, UNSUPPORTED_MEDIA_TYPE.
    """
    request.content = await read_bytes(request.http, limit, gzip=False)
    if not request.content and optional:
        return {}
    check_content_type(request.http, request.family.is_media, request.family.bad_media)
    data = parse_json(request.content)
    if not isinstance(data, dict):
        raise malformed_body("The body must be a JSON object.")
    return data
