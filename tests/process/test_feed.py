"""The admin event stream of a whole deployment, read by the real `curl` and in a browser's page of another origin."""

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lumetry_core.feed.registry import EVENT_TYPES
from tests.process import chromium
from tests.process.conftest import Deployment, wait_until

PATH = "/api/v1/containers/events"
STREAMS = 20
SECONDS = 30.0


class Curl:
    """`curl -N` on the stream, and what it got until now."""

    def __init__(self, deployment: Deployment, *options: str, query: str = "", token: str = "") -> None:
        url = f"http://{deployment.addresses['http']}{PATH}{query}"
        command = ["curl", "-sS", "-N", "-i", "-H", f"Authorization: Bearer {token or deployment.token}", *options, url]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.text = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while part := os.read(self.process.stdout.fileno(), 65536):
            self.text += part.decode()

    @property
    def events(self) -> list[tuple[int, str, dict[str, Any]]]:
        """Number, name and data of all whole events."""
        found = re.findall(r"id: (\d+)\nevent: (\S+)\ndata: (.*)\n\n", self.text)
        return [(int(number), name, json.loads(data)) for number, name, data in found]

    def until(self, text: str, seconds: float = SECONDS) -> None:
        """Waits until something came."""
        wait_until(lambda: text in self.text, seconds, lambda: self.text)

    def close(self) -> None:
        """The client leaves."""
        self.process.kill()
        self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def reading(deployment: Deployment, *options: str, query: str = "", token: str = "") -> Iterator[Curl]:
    """A stream that is read during the block, once its first comment is there."""
    curl = Curl(deployment, *options, query=query, token=token)
    try:
        curl.until(": connected\n\n")
        yield curl
    finally:
        curl.close()


def silence(deployment: Deployment) -> int:
    """Something happens: a silence rule is made."""
    status, made = deployment.request("POST", "/api/v1/silence", {"duration_seconds": 60, "source": "update"})
    assert status == 201, made
    number: int = made["id"]
    return number


def ask(deployment: Deployment, *options: str, query: str = "", token: str = "") -> tuple[int, Any]:
    """The status and the body of an answer that is no stream."""
    url = f"http://{deployment.addresses['http']}{PATH}{query}"
    command = ["curl", "-sS", "-m", "2", "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {token or deployment.token}", *options, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body.startswith("{") else body


def test_curl_follows_the_stream(deployment: Deployment) -> None:
    """Headers and the first comment come before any event; events have numbers; comments keep an idle stream alive."""
    with reading(deployment) as curl, reading(deployment, query="?types=silence.c*&unknown=1") as narrowed:
        head, _, body = curl.text.partition("\r\n\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
        assert head.startswith("HTTP/1.1 200")
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-cache, no-transform"
        assert (headers["connection"], headers["x-accel-buffering"]) == ("keep-alive", "no")
        assert body == "retry: 3000\n: connected\n\n"
        number = silence(deployment)
        assert deployment.request("DELETE", f"/api/v1/silence/{number}")[0] == 204
        status, made = deployment.request("POST", "/api/v1/heartbeats", {"name": "backup", "interval_seconds": 60})
        assert status == 201
        curl.until("heartbeat.created")
        assert [name for _, name, _ in curl.events] == ["silence.created", "silence.cancelled", "heartbeat.created"]
        numbers = [number for number, _, _ in curl.events]
        assert numbers == sorted(set(numbers))
        assert curl.events[1][2]["id"] == number
        assert curl.events[2][2]["uuid"] == made["uuid"]
        assert all(next(iter(data)) == "type" and data["type"] == name and "timestamp" in data for _, name, data in curl.events)
        curl.until(": keepalive\n\n", 20)
        assert [name for _, name, _ in narrowed.events] == ["silence.created", "silence.cancelled"]


def test_stream_is_made_up_for_after_the_core_was_killed(deployment: Deployment) -> None:
    """What was told meanwhile comes first; for a number that never was the client loads everything again, once."""
    with reading(deployment) as curl:
        silence(deployment)
        curl.until("silence.created")
        [(seen, _, _)] = curl.events
        os.kill(deployment.children()["core"], signal.SIGKILL)
        curl.process.wait(SECONDS)
    wait_until(lambda: deployment.request("GET", "/api/v1/silence")[0] == 200, SECONDS, deployment.describe)
    missed = silence(deployment)
    for options, query in ((("-H", f"Last-Event-ID: {seen}"), ""), ((), f"?lastEventId={seen}")):
        with reading(deployment, *options, query=query) as again:
            again.until("silence.created")
            assert [(name, data["rule"]["id"]) for _, name, data in again.events] == [("silence.created", missed)]
    [(latest, _, _)] = again.events
    for unknown in (latest + 1000, 10**30):
        with reading(deployment, "-H", f"Last-Event-ID: {unknown}", query="?types=silence.*") as reset:
            reset.until("stream.reset")
            [(position, name, data)] = reset.events
            assert (position, name) == (latest, "stream.reset")
            assert {key: data[key] for key in ("type", "reason", "oldest_id", "latest_id")} == {
                "type": "stream.reset",
                "reason": "unknown_id",
                "oldest_id": seen,
                "latest_id": latest,
            }
    with reading(deployment, "-H", f"Last-Event-ID: {latest}") as current, reading(deployment, "-H", "Last-Event-ID: x") as ignored:
        silence(deployment)
        for each in (current, ignored):
            each.until("silence.created")
            assert [name for _, name, _ in each.events] == ["silence.created"]


def test_streams_of_a_credential_are_limited(deployment: Deployment) -> None:
    """One more than twenty is refused; a client that leaves frees its place at once, and other credentials have their own."""
    other = deployment.command("token", "create", "--name", "other")
    with ExitStack() as stack:
        open_ones = [stack.enter_context(reading(deployment)) for _ in range(STREAMS)]
        status, body = ask(deployment)
        assert (status, body["error"]["code"]) == (429, "rate_limited")
        assert (
            "Retry-After"
            in subprocess.run(
                [
                    "curl",
                    "-sS",
                    "-m",
                    "5",
                    "-i",
                    "-H",
                    f"Authorization: Bearer {deployment.token}",
                    f"http://{deployment.addresses['http']}{PATH}",
                ],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        stack.enter_context(reading(deployment, token=other))
        open_ones[0].close()
        wait_until(lambda: ask(deployment)[0] == 200, 5)


def test_stream_ends_with_its_credential(deployment: Deployment) -> None:
    """A revoked token gets nothing more, and cannot come again."""
    token = deployment.command("token", "create", "--name", "short")
    number = next(line.split()[0] for line in deployment.command("token", "list").splitlines() if "short" in line)
    with reading(deployment, token=token) as curl:
        deployment.command("token", "revoke", number)
        assert curl.process.wait(60) in (0, 18)  # ended, with or without its last chunk
    assert ask(deployment, token=token)[0] == 401


def test_every_type_may_be_asked_for(deployment: Deployment) -> None:
    """All types of the contract are known by their names, and all together; others are refused by name."""
    query = ",".join(sorted({*EVENT_TYPES, "stream.reset"}))
    with reading(deployment, query=f"?types={query}") as curl:
        silence(deployment)
        curl.until("silence.created")
    for wrong in ("alert.exploded", "Alert.fired", "nothing.*"):
        status, body = ask(deployment, query=f"?types=alert.fired,{wrong}")
        assert (status, body["error"]["code"]) == (400, "invalid_parameter")
        assert wrong in body["error"]["message"]


async def test_page_of_another_origin_reads_the_stream(tmp_path: Path) -> None:
    """A browser asks beforehand and then streams, with a token in the header, where the deployment allows its origin."""
    if chromium.PROGRAM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed, and CI must test with it")
        pytest.skip("Chromium is not installed")
    deployment = Deployment(tmp_path / "data", environ={"LUMETRY_CORS_ORIGINS": "*"})
    deployment.start()
    try:
        async with chromium.browsing(tmp_path) as tab:
            await tab.evaluate(
                "window.text = ''; window.failure = '';"
                f"fetch('http://{deployment.addresses['http']}{PATH}', {{headers: {{Authorization: 'Bearer {deployment.token}'}}}})"
                ".then(async answer => { for await (const part of answer.body.pipeThrough(new TextDecoderStream())) text += part; })"
                ".catch(error => { failure = String(error); }); 1"
            )
            await tab.wait_for("text.includes(': connected') || failure")
            silence(deployment)
            await tab.wait_for("text.includes('event: silence.created') || failure")
            assert await tab.evaluate("failure") == ""
    finally:
        deployment.stop()
