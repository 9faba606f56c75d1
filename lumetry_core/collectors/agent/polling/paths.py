"""JSON paths (RFC 9535) over documents of strangers, with bounded effort."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar, SupportsIndex

import regex
from iregexp_check import check as is_pattern
from jsonpath_rfc9535 import JSONPathEnvironment
from jsonpath_rfc9535.exceptions import JSONPathError
from jsonpath_rfc9535.function_extensions import ExpressionType, FilterFunction
from jsonpath_rfc9535.function_extensions._pattern import map_re
from jsonpath_rfc9535.query import JSONPathQuery

from lumetry_core.collectors.agent.polling.model import PollError

MAX_PATH_CHARACTERS = 2_000
MAX_DEPTH = 90
"""Of a document; a path that descends follows it less than a hundred levels."""
MAX_VISITS = 500_000
MAX_SECONDS = 2.0
MAX_PATTERN_SECONDS = 0.1


class Meter:
    """Ends an evaluation that goes too far: a short path can visit a document's values more often than anybody can wait for."""

    def __init__(self) -> None:
        self._end = time.monotonic() + MAX_SECONDS
        self._visits = 0

    def add(self, visits: int) -> None:
        """Notes that values are looked at. Raises PollError when it is too much."""
        self._visits += visits
        if self._visits > MAX_VISITS:
            raise PollError(f"the path visits more than {MAX_VISITS:,} values of the document")
        if time.monotonic() > self._end:
            raise PollError(f"the path takes more than {MAX_SECONDS:g} s to evaluate")


class MeteredObject(dict[str, Any]):
    """An object that tells its meter of visits."""

    __slots__ = ("meter",)
    __hash__ = None
    meter: Meter

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401
        self.meter.add(1)
        return super().__getitem__(name)

    def items(self) -> Any:  # noqa: ANN401, D102
        self.meter.add(len(self) + 1)
        return super().items()

    def __eq__(self, other: object) -> bool:
        self.meter.add(len(self) + 1)
        return super().__eq__(other)


class MeteredArray(list[Any]):
    """An array that tells its meter of visits."""

    __slots__ = ("meter",)
    __hash__ = None
    meter: Meter

    def __getitem__(self, index: SupportsIndex | slice) -> Any:  # noqa: ANN401
        found = super().__getitem__(index)
        self.meter.add(len(found) if isinstance(index, slice) else 1)
        return found

    def __iter__(self) -> Iterator[Any]:
        self.meter.add(len(self) + 1)
        return super().__iter__()

    def __eq__(self, other: object) -> bool:
        self.meter.add(len(self) + 1)
        return super().__eq__(other)


class PatternFunction(FilterFunction):
    """`match` and `search` as the standard has them, given up when a pattern takes too long for a text."""

    arg_types: ClassVar = [ExpressionType.VALUE, ExpressionType.VALUE]
    return_type: ClassVar = ExpressionType.LOGICAL

    def __init__(self, *, is_full: bool) -> None:
        self._is_full = is_full

    def __call__(self, text: object, pattern: object) -> bool:
        """Whether the text fits the pattern; what is neither does not."""
        if not isinstance(text, str) or not isinstance(pattern, str) or not is_pattern(pattern):
            return False
        try:
            compiled = regex.compile(map_re(pattern), regex.VERSION1)
            found = compiled.fullmatch if self._is_full else compiled.search
            return found(text, timeout=MAX_PATTERN_SECONDS) is not None
        except TimeoutError:
            raise PollError("a pattern in the path takes too long for a text of the document") from None
        except regex.error:
            return False


def compile_path(path: str) -> JSONPathQuery:
    """A path ready for use. Raises PollError when it is none."""
    if len(path) > MAX_PATH_CHARACTERS:
        raise PollError(f"the path has more than {MAX_PATH_CHARACTERS:,} characters")
    environment = JSONPathEnvironment()
    environment.function_extensions["match"] = PatternFunction(is_full=True)
    environment.function_extensions["search"] = PatternFunction(is_full=False)
    try:
        return environment.compile(path)
    except JSONPathError as error:
        raise PollError(f"the JSON path cannot be read: {error}") from None
    except RecursionError:
        raise PollError("the JSON path is nested too deeply") from None


def select(path: str, document: object, limit: int) -> list[object]:
    """What a path selects in a document, at most `limit` values. Raises PollError."""
    query = compile_path(path)
    metered = measure(document, Meter(), 1)
    try:
        return [each.value for each in islice(query.finditer(metered), limit)]  # type: ignore[arg-type]
    except JSONPathError as error:
        raise PollError(f"the JSON path cannot be evaluated: {error}") from None
    except RecursionError:
        raise PollError("the document is nested too deeply") from None


def measure(value: object, meter: Meter, depth: int) -> object:
    """A copy of a document whose objects and arrays are metered. Raises PollError when it is too deep."""
    if not isinstance(value, dict | list):
        return value
    if depth > MAX_DEPTH:
        raise PollError("the document is nested too deeply")
    if isinstance(value, dict):
        copied = MeteredObject((name, measure(each, meter, depth + 1)) for name, each in value.items())
        copied.meter = meter
        return copied
    array = MeteredArray(measure(each, meter, depth + 1) for each in value)
    array.meter = meter
    return array
