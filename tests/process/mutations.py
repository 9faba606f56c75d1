"""Requests that went wrong: the requests of all contract cases, each spoilt in a way that a seeded generator chooses."""

import gzip
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

CASES = Path(__file__).parents[1] / "contract"
ENDLESS = ("/stream", "/events")
"""Answers of these routes have no end."""
ENDING = ("/logout", "/auth/password")
"""Routes that would end the credential of all that follow."""
STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**53 + 1,
    -(2**70),
    1e308,
    0.1,
    "",
    " ",
    "\0",
    "\ud800",
    "a" * 70_000,
    "'; DROP TABLE rules; --",
    "\r\nX-Injected: 1",
    "2026-13-45T99:99:99Z",
    "9999-12-31T23:59:59.999Z",
    [],
    {},
    [[]],
    {"": {}},
)
TOKENS = (
    b"NaN",
    b"1e999",
    b"-",
    b"\xff",
    b"\xed\xa0\x80",
    b"\0",
    b"[" * 200,
    b'{"a":' * 200,
    b'"',
    b"\\u0000",
    b"\\ud800",
    b",",
    b"]",
    b"}",
)
PATHS = ("//", "/..", "/%2e%2e", "/%00", "/%ff", "/%", "/%zz", "/%2F", "/\x7f", "/;a=b", "/" + "a" * 5000, "/0", "/-1", "/9" * 30, "/é")
QUERIES = (
    "limit=0",
    "limit=-1",
    "limit=1e9",
    "page=0",
    "pageSize=999",
    "from=x",
    "from=9999-01-01&to=1970-01-01",
    "cursor=%ff",
    "a=" + "b" * 5000,
)
HEADERS: tuple[tuple[str, str], ...] = (
    ("Content-Type", "text/plain"),
    ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Type", "\x01"),
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", "br, gzip"),
    ("X-Request-Id", "a b\tc"),
    ("X-Request-Id", "x" * 4000),
    ("Accept", "image/png"),
    ("Authorization", "Basic eDp5"),
    ("Authorization", "Bearer lmt_" + "0" * 48),
    ("Authorization", "Bearer " + "x" * 5000),
    ("x-api-key", "ll_" + "0" * 48),
    ("Idempotency-Key", "\x7f" * 200),
    ("Last-Event-ID", "-1"),
    ("X-Forwarded-For", "::1, 127.0.0.1"),
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "HEAD")


@dataclass(frozen=True, slots=True)
class Bad:
    """A request that may be anything but well-formed. `credential` tells which header to add, none, or one that is there."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def message(self, host: str) -> bytes:
        """The request as bytes."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in self.headers.items())]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body


def read_seeds(credentials: Mapping[str, Mapping[str, str]]) -> list[Bad]:
    """The requests of all cases.

    Args:
        credentials: Header fields by family.
    """
    seeds = []
    for path in sorted(CASES.glob("*/*/*.json")):
        asked = json.loads(path.read_text())["request"]
        if asked["path"].partition("?")[0].endswith(ENDLESS + ENDING):
            continue
        body = asked.get("body")
        content = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        given = {name: value for name, value in asked.get("headers", {}).items() if value is not None and name.lower() != "authorization"}
        headers = {"Content-Type": "application/json", **credentials[path.parts[-3]], **given}
        seeds.append(Bad(asked["method"], asked["path"], headers, content))
    return seeds


def spoil(seeds: list[Bad], seed: int) -> Iterator[Bad]:
    """Endlessly spoils requests."""
    chance = random.Random(seed)
    while True:
        bad = chance.choice(seeds)
        if chance.random() < 0.5:  # resources that are there
            bad = replace(bad, path=re.sub(r"(?<=/)\d+(?=/|$|\?)", "1", bad.path))
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            bad = chance.choice(MUTATIONS)(bad, chance)
        yield bad


def spoil_values(bad: Bad, chance: random.Random) -> Bad:
    """Replaces, drops or repeats something inside the JSON."""
    try:
        document = json.loads(bad.body)
    except ValueError:
        return spoil_bytes(bad, chance)
    places = list(walk(document))
    if places:
        holder, key = chance.choice(places)
        deed = chance.randrange(4)
        if deed == 0:
            del holder[key]
        elif deed == 1 and isinstance(holder, list):
            holder.extend([holder[key]] * chance.choice((1, 300)))
        elif deed == 2 and isinstance(holder, dict):
            holder[str(chance.choice(STRANGE))] = holder[key]
        else:
            holder[key] = chance.choice(STRANGE)
    else:
        document = chance.choice(STRANGE)
    return replace(bad, body=json.dumps(document, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass"))


def walk(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document, as its holder and key."""
    if isinstance(node, dict | list):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            yield node, key
            yield from walk(node[key])


def spoil_bytes(bad: Bad, chance: random.Random) -> Bad:
    """Flips, cuts, repeats or inserts bytes of the body."""
    body = bytearray(bad.body or b"{}")
    at = chance.randrange(len(body))
    deed = chance.randrange(4)
    if deed == 0:
        body[at] ^= 1 << chance.randrange(8)
    elif deed == 1:
        del body[at:]
    elif deed == 2:
        body[at:at] = body[at : at + chance.randrange(1, 200)]
    else:
        body[at:at] = chance.choice(TOKENS)
    return replace(bad, body=bytes(body))


def spoil_path(bad: Bad, chance: random.Random) -> Bad:
    """Puts something strange into the path."""
    path, mark, query = bad.path.partition("?")
    parts = path.split("/")
    at = chance.randrange(1, len(parts) + 1)
    if chance.random() < 0.3:
        encoded = [quote(part, safe="") if chance.random() < 0.5 else "".join(f"%{byte:02x}" for byte in part.encode()) for part in parts]
        return replace(bad, path="/".join(encoded) + mark + query)
    return replace(bad, path="/".join(parts[:at]) + chance.choice(PATHS) + "/".join(parts[at:]) + mark + query)


def spoil_query(bad: Bad, chance: random.Random) -> Bad:
    """Adds a strange parameter."""
    return replace(bad, path=bad.path + ("&" if "?" in bad.path else "?") + chance.choice(QUERIES))


def spoil_headers(bad: Bad, chance: random.Random) -> Bad:
    """Sets or drops a header field."""
    headers = dict(bad.headers)
    if chance.random() < 0.3:
        headers.pop(chance.choice(list(headers)), None)
    else:
        name, value = chance.choice(HEADERS)
        headers[name] = value
    return replace(bad, headers=headers)


def spoil_method(bad: Bad, chance: random.Random) -> Bad:
    """Uses another method."""
    return replace(bad, method=chance.choice(METHODS))


def pack(bad: Bad, chance: random.Random) -> Bad:
    """Compresses the body, not always to its end."""
    packed = gzip.compress(bad.body * chance.choice((1, 1, 2)))
    return replace(bad, headers={**bad.headers, "Content-Encoding": "gzip"}, body=packed[: chance.choice((None, -3, 20))])


MUTATIONS: tuple[Callable[[Bad, random.Random], Bad], ...] = (
    spoil_values,
    spoil_values,
    spoil_values,
    spoil_values,
    spoil_bytes,
    spoil_bytes,
    spoil_path,
    spoil_query,
    spoil_headers,
    spoil_method,
    pack,
)
