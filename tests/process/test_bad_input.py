"""Nothing that is sent makes the server fail, answer in a shape that is not documented, or write half of something."""

import asyncio
import collections
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.app import build_families
from gateway.config import Config
from gateway.transcode.families import Families
from tests.process.conftest import Deployment, wait_until
from tests.process.engine import running_engine
from tests.process.mutations import ENDING, ENDLESS, Bad, read_seeds, spoil

REQUESTS = int(os.environ.get("LUMETRY_TEST_BAD_REQUESTS", "3000"))
"""More may be asked for: 100,000 take some minutes."""
SEED = int(os.environ.get("LUMETRY_TEST_SEED", "1"))
EXAMPLES = int(os.environ.get("LUMETRY_TEST_EXAMPLES", "8"))
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance,response_headers_conformance"
CONNECTIONS = 8
UNLIMITED = {
    "DISABLE_RATE_LIMIT": "1",
    "LUMETRY_ENV": "test",
    "LUMETRY_RATE_INGEST_PER_SECOND": "1000000",
    "LUMETRY_RATE_OTHER_PER_SECOND": "1000000",
    "LUMETRY_LOGS_KEY_RPM": "0",
    "LUMETRY_LOGS_ORG_RPM": "0",
}


class Answered(msgspec.Struct):
    """What a request got."""

    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture
def unlimited(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment that watches an engine with a container."""
    with running_engine() as host:
        host.do(lambda engine: engine.run("shop", "registry.invalid/shop:1.0"))
        running = Deployment(tmp_path / "data", environ=UNLIMITED | {"DOCKER_HOST": f"unix://{host.socket}", "LUMETRY_RUNTIME": "docker"})
        running.start()
        wait_until(lambda: running.request("GET", "/api/v1/containers/1")[0] == 200, 30, running.describe)
        yield running
        running.stop()


async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bad: Bad, host: str) -> tuple[Answered | None, bool]:
    """The answer, None when the server just closed the connection, and whether the connection can be used again."""
    writer.write(bad.message(host))
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None, False
    first, *lines = head.strip().split("\r\n")
    status = int(first.split(" ")[1])
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", 0))
    body = b"" if bad.method == "HEAD" or status in (204, 304) else await reader.readexactly(length)
    return Answered(status, headers, body), headers.get("connection", "").lower() != "close"


def find_wrong(families: Families, bad: Bad, answered: Answered) -> str | None:
    """What is wrong with an answer."""
    if answered.status >= 500:
        return "a fault of ours"
    if "x-injected" in answered.headers:
        return "a header of the client's making"
    if answered.status < 400 or bad.method == "HEAD":
        return None
    # What is not HTTP has no path: the product's own family answers it and ends the connection.
    is_http = answered.headers.get("connection", "").lower() != "close"
    family = families.of(bad.path.partition("?")[0] if is_http else "")
    if not answered.headers.get("content-type", "").startswith(family.problem_type):
        return f"not the media type of {family.name}"
    try:
        msgspec.json.decode(answered.body, type=family.problem)
    except msgspec.DecodeError as error:
        return f"not the error of {family.name}: {error}"
    return None


async def send_all(bads: Iterator[Bad], address: str, families: Families) -> tuple[list[str], Mapping[Any, int], Mapping[str, int]]:
    """Sends from several connections; what was wrong, how many got which status, and what successful answers said they wrote."""
    wrong: list[str] = []
    counts: collections.Counter[Any] = collections.Counter()
    written: collections.Counter[str] = collections.Counter()
    host, _, port = address.rpartition(":")

    async def run() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for bad in bads:
            async with asyncio.timeout(30):
                answered, reusable = await send(reader, writer, bad, address)
            if answered is None:
                wrong.append(f"no answer: {bad}"[:2000])
            else:
                counts[answered.status] += 1
                if problem := find_wrong(families, bad, answered):
                    wrong.append(f"{problem}: {answered.status} {answered.body[:300]!r} for {bad}"[:2000])
                note_written(written, bad, answered)
            if not reusable:
                writer.close()
                reader, writer = await asyncio.open_connection(host, int(port))
        writer.close()

    await asyncio.gather(*(run() for _ in range(CONNECTIONS)))
    return wrong, counts, written


def note_written(written: "collections.Counter[str]", bad: Bad, answered: Answered) -> None:
    """Adds what an answer says was written."""
    path = bad.path.partition("?")[0].rstrip("/")
    if answered.status == 201 and path == "/api/rules":
        written["rules"] += 1
    if answered.status == 202 and path == "/v1/metrics":
        written["points"] += json.loads(answered.body)["accepted"]
    if answered.status == 201 and path == "/api/v1/projects":
        written["projects"] += 1
    if answered.status == 200 and path == "/v1/logs" and bad.method == "POST":
        written["entries"] += json.loads(answered.body)["processed"]
    if answered.status == 202 and path == "/api/metric-ingestion":
        written["points"] += 1


def test_answer_as_the_openapi_document_says(unlimited: Deployment) -> None:
    """Requests made from the document, valid and not: no fault of ours, and every answer has the shape that it promises."""
    tool = [sys.executable, "-m", "schemathesis.cli", "run", f"http://{unlimited.addresses['http']}/openapi.json"]
    bearer = ["--header", f"Authorization: Bearer {unlimited.token}"]
    endings = "|".join(re.escape(path) for path in (*ENDLESS, *ENDING))
    left_out = ["--exclude-path-regex", f"({endings})$"]  # one for all: of several options the last would count
    # More than one worker would make Python 3.11 stumble over its own parser now and then.
    effort = ["--phases", "examples,fuzzing", "--max-examples", str(EXAMPLES), "--workers", "1", "--seed", str(SEED)]
    found = subprocess.run(
        [*tool, *bearer, *left_out, *effort, "--checks", CHECKS], capture_output=True, text=True, check=False, timeout=900
    )
    assert found.returncode == 0, found.stdout[-8000:]


def count(data_dir: Path, question: str) -> int:
    """The answer of the store."""
    with sqlite3.connect(f"file:{data_dir / 'lumetry.db'}?mode=ro", uri=True) as connection:
        return int(connection.execute(question).fetchone()[0] or 0)


def test_answer_whatever_is_sent(unlimited: Deployment) -> None:
    """Thousands of spoilt requests: every answer is documented, none is a fault of ours, and what was refused left no trace."""
    families = build_families(Config())
    log_key = unlimited.command("token", "create", "--name", "logs", "--family", "logs")
    seeds = []
    for token in (unlimited.token, *(unlimited.command("token", "create", "--name", "more") for _ in range(2))):  # rates are for each
        credentials = {family.name: {"Authorization": f"Bearer {token}"} for family in families.all} | {"logs": {"x-api-key": log_key}}
        seeds += read_seeds(credentials)
    wrong, counts, written = asyncio.run(send_all(islice(spoil(seeds, SEED), REQUESTS), unlimited.addresses["http"], families))
    print(f"{sum(counts.values())} answers: {dict(sorted(counts.items()))}, written: {dict(written)}")
    assert wrong == []
    assert sum(counts.values()) == REQUESTS
    assert counts[400] > REQUESTS / 10
    stored = {
        "rules": count(unlimited.data_dir, "SELECT count(*) FROM rules"),
        "points": count(unlimited.data_dir, "SELECT sum(appended_points) FROM inbox_partitions"),
        "entries": count(unlimited.data_dir, "SELECT sum(entry_count) FROM log_blocks"),
        "projects": count(unlimited.data_dir, "SELECT count(*) FROM projects WHERE NOT is_default"),
    }
    assert {name: number for name, number in stored.items() if number} == dict(written)
    audited = count(unlimited.data_dir, "SELECT count(*) FROM audit_logs WHERE action = 'Rule.Created'")
    assert audited == written["rules"]
