"""Takes the examples of the OpenAPI documents from the cases beside this file.

`python -m tests.contract.examples` writes them into the gateway's package, which has no tests once it is installed; with `--check` it
only compares.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from gateway.app import build_families
from gateway.config import Config
from gateway.transcode.families import Family
from gateway.transcode.openapi import Examples
from gateway.transcode.routes import Route

FOLDER = Path(__file__).parent
TARGET = FOLDER.parents[1] / "gateway" / "openapi" / "examples"
FAMILIES = {family.name: family for family in build_families(Config()).all}
SHOWN_BYTES = 8192
"""Larger bodies explain nothing."""


def endpoint_of(route: Route) -> str:
    """The folder of a route's cases."""
    return re.sub(r"[^a-z0-9]+", "-", route.name.lower()).strip("-")


def read_case(path: Path) -> Any:
    return json.loads(path.read_text())


def collect(family: Family) -> Mapping[str, Examples]:
    """The examples of all routes of a family."""
    found = {route.name: collect_route(route, FOLDER / family.name / endpoint_of(route)) for route in family.routes}
    return {name: examples for name, examples in found.items() if examples != Examples()}


def collect_route(route: Route, folder: Path) -> Examples:
    """The examples of one route: what its cases send when they succeed, and everything that they are answered."""
    examples = Examples()
    for path in sorted(folder.glob("*.json")):
        case = read_case(path)
        asked, answered = case["request"], case["response"]
        value = answered.get("body", answered.get("text"))
        if value is not None and is_short(value):
            examples.responses.setdefault(str(answered["status"]), {})[path.stem] = value
        if answered["status"] >= 400:
            continue
        examples.parameters = parameters_of(route, asked["path"]) | examples.parameters
        body = asked.get("body")
        if route.body is not None and isinstance(body, dict) and is_short(body):
            examples.requests[path.stem] = body
    return examples


def parameters_of(route: Route, path: str) -> dict[str, str]:
    """The values of a case's path and query that the document knows."""
    split = urlsplit(path)
    pairs = zip(route.template.split("/"), split.path.split("/"), strict=False)
    values = {name.strip("{}"): unquote(given) for name, given in pairs if name.startswith("{")}
    known = {field.encode_name for field in msgspec.structs.fields(route.query)} if route.query else set()
    return values | {name: given for name, given in parse_qsl(split.query) if name in known}


def is_short(value: object) -> bool:
    """Whether an example is worth showing."""
    return len(json.dumps(value)) <= SHOWN_BYTES


def render(examples: Mapping[str, Examples]) -> bytes:
    """The file of a family."""
    return msgspec.json.format(msgspec.json.encode(examples), indent=1) + b"\n"


def main(*, check: bool) -> int:
    """Writes or compares the files of all families; the exit code."""
    stale = []
    for family in FAMILIES.values():
        file, content = TARGET / f"{family.name}.json", render(collect(family))
        if file.is_file() and file.read_bytes() == content:
            continue
        stale.append(file.name)
        if not check:
            file.write_bytes(content)
    if stale:
        print(f"{', '.join(stale)} {'do not match the cases' if check else 'written'}")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
