"""Uploads through real processes: what breaks off leaves nothing, and what is large needs little memory."""

import hashlib
import html.parser
import http.client
import os
import signal
import socket
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from tests.process.conftest import Deployment, wait_until

MEBIBYTE = 1024 * 1024
BOUNDARY = "boundary"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="capture.zip"\r\n'
    "Content-Type: application/zip\r\n\r\nPK\x03\x04"
).encode()
TAIL = f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="name"\r\n\r\nrenamed.zip\r\n--{BOUNDARY}--\r\n'.encode()


def begin(deployment: Deployment, length: int) -> socket.socket:
    """A connection on which the head of an upload of so many bytes was sent."""
    host, port = deployment.addresses["http"].rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=30)
    head = (
        f"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {deployment.token}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(HEAD) + length + len(TAIL)}\r\n\r\n"
    )
    connection.sendall(head.encode() + HEAD)
    return connection


def stored(deployment: Deployment) -> list[Path]:
    return [path for path in (deployment.data_dir / "files").rglob("*") if path.is_file()]


def listed(deployment: Deployment) -> list[Any]:
    status, answer = deployment.request("GET", "/api/v1/files")
    assert status == 200, answer
    return list(answer["data"]["items"])


def metered(deployment: Deployment) -> int:
    meters = deployment.request("GET", "/api/v1/billing")[1]["data"]["meters"]
    return int(next(each["quantity"] for each in meters if each["meter"] == "file_bytes"))


def test_upload_that_breaks_off_leaves_nothing(deployment: Deployment) -> None:
    """A client that leaves in the middle, and a core that is killed there, leave no file, no bytes and no usage."""
    connection = begin(deployment, MEBIBYTE)
    connection.sendall(bytes(MEBIBYTE // 2))
    wait_until(lambda: stored(deployment), 10)
    connection.close()
    wait_until(lambda: not stored(deployment), 10)
    connection = begin(deployment, MEBIBYTE)
    connection.sendall(bytes(MEBIBYTE // 2))
    wait_until(lambda: stored(deployment), 10)
    os.kill(deployment.children()["core"], signal.SIGKILL)
    connection.close()
    wait_until(lambda: not stored(deployment), 60, deployment.describe)
    wait_until(lambda: deployment.request("GET", "/readyz")[0] == 200, 60)
    assert (listed(deployment), metered(deployment)) == ([], 0)


def test_large_upload_needs_little_memory(deployment: Deployment) -> None:
    """100 MiB arrive whole while both processes together grow by less than 20 MiB."""
    size = 100 * MEBIBYTE - 4
    piece = os.urandom(MEBIBYTE)
    digest = hashlib.sha256(b"PK\x03\x04")
    processes = [psutil.Process(pid) for pid in deployment.children().values()]
    for _ in range(2):
        listed(deployment)
    before = sum(process.memory_info().rss for process in processes)
    most = 0
    connection, left = begin(deployment, size), size
    with connection:
        while left:
            part = piece[:left]
            connection.sendall(part)
            digest.update(part)
            left -= len(part)
            most = max(most, sum(process.memory_info().rss for process in processes))
        connection.sendall(TAIL)
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 201, response.read()
    [file] = listed(deployment)
    assert (file["name"], file["size"], file["sha256"]) == ("renamed.zip", size + 4, digest.hexdigest())
    assert most - before < 20 * MEBIBYTE
    assert metered(deployment) == size + 4
    [path] = stored(deployment)
    assert (path.name, path.stat().st_size) == (file["id"], size + 4)


class Text(html.parser.HTMLParser):
    """What a reader of a page sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.anchors |= {value for name, value in attrs if name == "id" and value}

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.parts).split())


def test_answers_stand_on_their_pages(deployment: Deployment) -> None:
    """Every sentence of an answer, and every excerpt, is found on the page it cites, which has the anchor."""
    for question in ("How do I acknowledge an incident?", "How do I create a silence?", "Where are uploaded files kept?"):
        status, answer = deployment.request("POST", "/api/v1/docs/ask", {"question": question})
        assert (status, answer["data"]["answered"]) == (200, True), question
        for sentence in answer["data"]["sentences"]:
            for position in sentence["citations"]:
                citation = answer["data"]["citations"][position]
                assert sentence["text"] in citation["excerpt"]
                path, _, anchor = citation["url"].partition("#")
                with urllib.request.urlopen(f"http://{deployment.addresses['http']}{path}", timeout=30) as response:
                    page = Text(response.read().decode())
                assert citation["excerpt"] in page.text
                assert anchor in page.anchors
    assert deployment.request("POST", "/api/v1/docs/ask", {"question": "qwzx blarg?"})[1]["data"]["answered"] is False
