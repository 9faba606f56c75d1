"""What webhooks are sent of an event: the bytes, within their limit (contract monitoring 12.2, 12.3). Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

MAX_BODY = 262_144
CUTS = (65_536, 16_384, 4_096, 1_024, 256, 64, 0)
"""Longest texts of data that are too large, tried one after the other."""
TEST = "test"
TEST_MESSAGE = "Test delivery from Lumetry"
SUBJECT_KEYS = ("id", "endpoint_id", "heartbeat_id", "monitor_id", "container_id")


def write_event(event: str, time: str, data: Mapping[str, Any]) -> bytes:
    """The body of an event. Of data that are too large long texts are cut, and the data say so."""
    body = write_body(event, time, data)
    if len(body) <= MAX_BODY:
        return body
    for longest in CUTS:
        body = write_body(event, time, {**cut_texts(data, longest), "truncated": True})
        if len(body) <= MAX_BODY:
            return body
    return write_body(event, time, {"truncated": True})


def write_body(event: str, time: str, data: Mapping[str, Any]) -> bytes:
    """The bytes as they are."""
    return msgspec.json.encode({"type": event, "timestamp": time, "data": data})


def cut_texts(value: Any, longest: int) -> Any:  # noqa: ANN401 -- any JSON value
    """A JSON value whose texts have at most so many characters."""
    if isinstance(value, str):
        return value if len(value) <= longest else value[:longest]
    if isinstance(value, Mapping):
        return {key: cut_texts(part, longest) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [cut_texts(part, longest) for part in value]
    return value


def write_test(time: str) -> bytes:
    """The body of a test."""
    return write_body(TEST, time, {"message": TEST_MESSAGE})


def subject_of(kind: str, data: Mapping[str, Any]) -> str | None:
    """What events must arrive in order with each other, such as `endpoint:12`; None: with none."""
    area = kind.partition(".")[0]
    about = data.get(area)
    number = about.get("id") if isinstance(about, Mapping) else next((data[key] for key in SUBJECT_KEYS if data.get(key) is not None), None)
    return None if number is None else f"{area}:{number}"
