"""Reading untrusted values into msgspec structs, collecting every fault instead of stopping at the first.

One struct declares what a body or query holds; the OpenAPI document is generated from the same struct. `null` equals absence. A field
that cannot be read keeps its default, a required one becomes None, and the caller fails with the faults before it looks.
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import inspect

from gateway.transcode.failures import Fault
from gateway.transcode.times import parse_timestamp

WHOLE = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
BOOLEANS = {"true": True, "false": False}

S = TypeVar("S", bound=msgspec.Struct)


class Faulty(Exception):  # noqa: N818 -- carries a message up one level, never leaves this module
    """A value that cannot be read."""


@lru_cache(maxsize=256)
def fields_of(kind: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    """The declared fields of a struct."""
    described = inspect.type_info(kind)
    if not isinstance(described, inspect.StructType):
        raise TypeError(f"{kind} is not a struct")
    return described.fields


def read_query(kind: type[S], parameters: Mapping[str, str], faults: list[Fault]) -> S:
    """Reads query parameters: text turns into numbers and booleans, enum values ignore case, an empty value counts as absent."""
    given = {name: text for name, text in parameters.items() if text}
    return Reader(faults, text=True).struct(kind, given, "")


def read_body(kind: type[S], data: object, faults: list[Fault]) -> S:
    """Reads a parsed JSON body; types are strict and enum values exact."""
    reader = Reader(faults, text=False)
    if isinstance(data, dict):
        return reader.struct(kind, data, "")
    reader.note("", "must be a JSON object")
    return kind(**{field.name: None for field in fields_of(kind) if field.required})


class Reader:
    """Reads values by their declared types and notes faults by path."""

    def __init__(self, faults: list[Fault], *, text: bool) -> None:
        self._faults = faults
        self._text = text

    def note(self, path: str, message: str) -> None:
        """Notes a fault."""
        self._faults.append(Fault(path, message))

    def struct(self, kind: type[S], data: Mapping[str, Any], path: str) -> S:
        """Reads an object field by field; unknown fields are ignored."""
        values: dict[str, Any] = {}
        for field in fields_of(kind):
            place = f"{path}.{field.encode_name}" if path else field.encode_name
            raw = data.get(field.encode_name)
            if raw is None:
                if field.required:
                    self.note(place, "is required")
                    values[field.name] = None
                continue
            noted = len(self._faults)
            value = self.value(field.type, raw, place)
            if len(self._faults) == noted:
                values[field.name] = value
            elif field.required:
                values[field.name] = None
        return kind(**values)

    def value(self, declared: inspect.Type, raw: Any, path: str) -> Any:  # noqa: ANN401 -- any declared type
        """Reads one value; None stands for one that was noted as faulty."""
        match declared:
            case inspect.UnionType(types=types):
                return self.value(next(part for part in types if not isinstance(part, inspect.NoneType)), raw, path)
            case inspect.StructType(cls=kind):
                if isinstance(raw, dict):
                    return self.struct(kind, raw, path)
                self.note(path, "must be an object")
            case inspect.ListType(item_type=item):
                if isinstance(raw, list):
                    return [self.value(item, element, f"{path}[{index}]") for index, element in enumerate(raw)]
                self.note(path, "must be an array")
            case inspect.DictType(value_type=item):
                if isinstance(raw, dict):
                    return {self.scalar(inspect.StrType(), key, path): self.value(item, part, f"{path}.{key}") for key, part in raw.items()}
                self.note(path, "must be an object")
            case _:
                return self.scalar(declared, raw, path)
        return None

    def scalar(self, declared: inspect.Type, raw: Any, path: str) -> Any:  # noqa: ANN401 -- any declared type
        """Reads one value that has no parts."""
        try:
            match declared:
                case inspect.StrType():
                    return read_text(raw)
                case inspect.BoolType():
                    return self.boolean(raw)
                case inspect.IntType(ge=least, le=most):
                    return self.integer(raw, least, most)
                case inspect.FloatType():
                    return read_number(raw)
                case inspect.LiteralType(values=values):
                    return self.choice(raw, values)
                case inspect.CustomType(cls=kind) if kind is Timestamp:
                    return read_time(raw)
        except Faulty as faulty:
            self.note(path, str(faulty))
            return None
        raise TypeError(f"{declared} is not a type of requests")

    def boolean(self, raw: object) -> bool:
        """Reads true or false."""
        value = BOOLEANS.get(raw.lower()) if self._text and isinstance(raw, str) else raw
        if not isinstance(value, bool):
            raise Faulty("must be true or false")
        return value

    def integer(self, raw: object, least: int | None, most: int | None) -> int:
        """Reads a whole number within its bounds."""
        value = int(raw) if self._text and isinstance(raw, str) and WHOLE.fullmatch(raw) else raw
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Faulty("must be a whole number")
        if least is not None and most is not None and not least <= value <= most:
            raise Faulty(f"must be between {least} and {most}")
        if least is not None and value < least:
            raise Faulty(f"must be at least {least}")
        return value

    def choice(self, raw: object, values: tuple[Any, ...]) -> str:
        """Reads one of several words."""
        for value in values:
            if raw == value or (self._text and isinstance(raw, str) and raw.lower() == value.lower()):
                return str(value)
        raise Faulty(f"must be one of {', '.join(sorted(values))}")


def read_text(raw: object) -> str:
    """Reads a string; NUL is refused because not every store keeps it."""
    if not isinstance(raw, str):
        raise Faulty("must be a string")
    if "\0" in raw:
        raise Faulty("must not contain NUL characters")
    return raw


def read_number(raw: object) -> float:
    """Reads a number that a double can hold; its sign of zero and nothing else may be lost."""
    if not isinstance(raw, int | float) or isinstance(raw, bool):
        raise Faulty("must be a number")
    try:
        value = float(raw)
    except OverflowError as error:
        raise Faulty("must be a finite number") from error
    if not math.isfinite(value):
        raise Faulty("must be a finite number")
    return value


def read_time(raw: object) -> Timestamp:
    """Reads an ISO-8601 time."""
    value = parse_timestamp(raw) if isinstance(raw, str) else None
    if value is None:
        raise Faulty("must be an ISO-8601 time such as 2026-06-01T08:40:00Z")
    return value
