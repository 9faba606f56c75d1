"""Frames of a stack trace as the client libraries write it, without what differs from build to build (contract logs 7.3)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from lumetry_core.logs.message_shapes import shape_of

MISSING = "?"
JAVASCRIPT_FRAME = re.compile(r"\s*+at ")
PYTHON_FRAME = re.compile(r'File "([^"\n]*+)", line [0-9]++(?:, in ([^\n]*+))?')
GO_FRAME = re.compile(r"(.*\.(?:go|s)):[0-9]++\s*")
PLACE = re.compile(r"(?::[0-9]++){1,2}\Z")
"""Line and column."""
SCHEME_AND_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+://[^/]*+")
HASH = re.compile(r"-[0-9A-Fa-f]{8,}+(?![0-9A-Za-z_])")
FUNCTION_PREFIXES = ("async ", "new ", "Object.")
LIBRARY_PLACES = ("node_modules/", "site-packages/", "dist-packages/", "lib/python", "/usr/local/go/src/")
CLIENT_FILE = "logger.go"


class Style(Enum):
    """Who wrote the trace."""

    JAVASCRIPT = auto()
    PYTHON = auto()
    GO = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Trace:
    """Frames, innermost first."""

    style: Style
    frames: tuple[str, ...]


def read_trace(entries: Sequence[str]) -> Trace:
    """Reads a stack trace; without frames when it has none."""
    if len(entries) == 1 and "\n" in entries[0] and not PYTHON_FRAME.search(entries[0]):
        entries = entries[0].splitlines()  # a trace that was sent as one text
    if any(JAVASCRIPT_FRAME.match(entry) for entry in entries):
        return Trace(Style.JAVASCRIPT, choose([read_javascript(entry) for entry in entries if JAVASCRIPT_FRAME.match(entry)]))
    if any(PYTHON_FRAME.search(entry) for entry in entries):
        calls = [(found[1], found[2] or "") for entry in entries for found in PYTHON_FRAME.finditer(entry)]
        return Trace(Style.PYTHON, choose(calls[::-1]))
    places = [GO_FRAME.fullmatch(entry) for entry in entries]
    if entries and all(places):
        return Trace(Style.GO, choose([(path, "") for path in cut_go([found[1] for found in places if found])]))
    return Trace(Style.OTHER, tuple(shape for entry in entries if (shape := shape_of(entry).strip())))


def read_javascript(entry: str) -> tuple[str, str]:
    """File and function of `at fn (file:line:column)` or `at file:line:column`."""
    text = entry.strip()[len("at ") :].strip()
    function, opening, place = text.partition(" (")
    if opening and place.endswith(")"):
        place = place[:-1]
        if place.startswith("eval at "):
            place = place.rpartition("(")[2].partition(")")[0]  # where the evaluated text was
        return PLACE.sub("", place), function
    return PLACE.sub("", text.removeprefix("async ")), ""


def cut_go(paths: list[str]) -> list[str]:
    """Paths without the client library at the head and the runtime at the tail."""
    if paths and parts_of(paths[0])[-1:] == [CLIENT_FILE]:
        paths = paths[1:]
    while paths and (paths[-1].endswith(".s") or parts_of(paths[-1])[-2:-1] == ["runtime"]):
        paths = paths[:-1]
    return paths


def choose(calls: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Frames of files and functions; those of libraries only where there are no others."""
    own = [call for call in calls if not is_library(call[0])]
    return tuple(f"{file_of(file)}:{function_of(function)}" for file, function in own or calls)


def is_library(file: str) -> bool:
    """Whether a file belongs to what others wrote."""
    path = file.replace("\\", "/")
    return path.startswith("node:") or any(place in path for place in LIBRARY_PLACES)


def file_of(file: str) -> str:
    """The last two parts of a path, without scheme, host, query and hashes."""
    path = SCHEME_AND_HOST.sub("", file.strip(), count=1) if "://" in file else file.strip()
    path = path.partition("?")[0].partition("#")[0]
    return "/".join(HASH.sub("", part) for part in parts_of(path)[-2:]) or MISSING


def parts_of(path: str) -> list[str]:
    """The names in a path."""
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]


def function_of(function: str) -> str:
    """A function's name without what says how it was called."""
    name = function.strip()
    while prefix := next((prefix for prefix in FUNCTION_PREFIXES if name.startswith(prefix)), ""):
        name = name.removeprefix(prefix).strip()
    return name or MISSING
