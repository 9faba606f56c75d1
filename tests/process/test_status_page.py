"""The public page of a real deployment in a real browser, and its events for a crowd."""

import asyncio
import os
import signal
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.process.chromium import PROGRAM, browsing
from tests.process.conftest import Deployment, wait_until

PRIVATE = "db17.internal.example"
CROWD = 1000


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    """A folder for a browser. Without Chromium the test is skipped, except in CI, where that is a failure."""
    if PROGRAM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed, and CI must test with it")
        pytest.skip("Chromium is not installed")
    folder = tmp_path / "browser"
    folder.mkdir()
    return folder


def create(deployment: Deployment, path: str, **body: Any) -> dict[str, Any]:
    status, made = deployment.request("POST", path, body)
    assert status == 201, made
    answer: dict[str, Any] = made
    return answer


def show_heartbeat(deployment: Deployment, name: str, **component: Any) -> tuple[str, int]:
    """A heartbeat that has pinged and its component: the address of its pings, and the component's number."""
    heartbeat = create(deployment, "/api/v1/heartbeats", name=f"{name} {PRIVATE}", interval_seconds=600, grace_seconds=60)
    ping = f"/ping/{heartbeat['uuid']}"
    assert deployment.request("GET", ping)[0] == 200
    shown = create(
        deployment,
        "/api/v1/status/components",
        monitor_type="heartbeat",
        monitor_id=heartbeat["id"],
        display_name=name,
        **component,
    )
    return ping, shown["id"]


async def ask(deployment: Deployment, method: str, path: str, body: Any = None) -> None:
    status, answer = await asyncio.to_thread(deployment.request, method, path, body)
    assert status < 300, answer


async def test_show_page_in_browser(deployment: Deployment, browser: Path) -> None:
    """The page is whole without scripts, fits a phone, follows the reader's colours, and changes by itself while it is looked at."""
    group = create(deployment, "/api/v1/status/groups", name="Website")
    ping, number = show_heartbeat(deployment, "Shop", group_id=group["id"], auto_incident=True)
    show_heartbeat(deployment, "A component with quite a long name <b>&amp;</b> that no phone shows in one line")
    url = f"http://{deployment.addresses['http']}/status"
    async with browsing(browser) as tab:
        await tab.open(url, width=390, scripts=False)
        await tab.call("Emulation.setScriptExecutionDisabled", value=False)
        text = await tab.evaluate("document.body.innerText")
        for part in ("All Systems Operational", "Website", "Shop", "Operational", "100 % uptime", "Other", "<b>&amp;</b>"):
            assert part in text
        assert await tab.evaluate("document.documentElement.scrollWidth") == 390
        light = await tab.evaluate("getComputedStyle(document.body).backgroundColor")

        await tab.open(url, width=390, dark=True)
        await tab.wait_for("document.getElementById('live').textContent === 'Live'")
        assert await tab.evaluate("document.documentElement.scrollWidth") == 390
        assert await tab.evaluate("getComputedStyle(document.body).backgroundColor") != light
        assert await tab.evaluate(f"document.querySelectorAll('#component-{number} .days i').length") == 90

        await tab.evaluate("window.stayed = true")
        await ask(deployment, "GET", f"{ping}/fail")
        badge = f"document.querySelector('#component-{number} .badge').textContent"
        await tab.wait_for(f"{badge} === 'Degraded' && document.getElementById('message').textContent === 'Degraded Performance'")
        await tab.wait_for("document.body.innerText.includes('Issue affecting Shop')")
        assert "Degraded Performance" in await tab.evaluate("document.title")
        await ask(deployment, "GET", ping)
        await tab.wait_for(f"{badge} === 'Operational'")
        await ask(deployment, "PUT", f"/api/v1/status/components/{number}", {"display_name": "Store"})
        await tab.wait_for("document.body.innerText.includes('Store')")
        assert await tab.evaluate("window.stayed") is True  # nothing was loaded anew
        picture = browser / "page.png"
        await tab.screenshot(picture)
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert PRIVATE not in await tab.evaluate("document.documentElement.outerHTML")
        assert tab.complaints == []


def read_events(deployment: Deployment, last_id: int | None, until: str) -> list[tuple[int, str]]:
    """Number and data of the events up to the one that contains a text."""
    host, port = deployment.addresses["http"].split(":")
    found: list[tuple[int, str]] = []
    header = "" if last_id is None else f"Last-Event-ID: {last_id}\r\n"
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(f"GET /status/events HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())
        number = 0
        for line in connection.makefile("rb"):
            if line.startswith(b"id: "):
                number = int(line[4:])
            elif line.startswith(b"data: "):
                found.append((number, line[6:].decode().strip()))
                if until in found[-1][1]:
                    return found
    raise AssertionError("the stream ended")


def test_lose_no_event_by_crashes(deployment: Deployment) -> None:
    """Whatever dies at whatever moment, each change is told once, in order, to a reader that comes back with its last number."""
    _, number = show_heartbeat(deployment, "Shop")
    path = f"/api/v1/status/components/{number}"

    def override(word: str) -> None:
        assert deployment.request("PUT", path, {"status_override": word})[0] == 200

    def is_up() -> bool:
        try:
            return deployment.request("GET", "/api/v1/status/components")[0] == 200
        except OSError:
            return False

    def page() -> bytes:
        with urllib.request.urlopen(f"http://{deployment.addresses['http']}/status/api", timeout=30) as answer:
            content: bytes = answer.read()
            return content

    wait_until(lambda: b"Shop" in page(), 20)
    override("degraded")
    first = read_events(deployment, 0, "Degraded Performance")
    for victim in ("core", "gateway", "core"):
        override("major_outage")
        os.kill(deployment.children()[victim], signal.SIGKILL)
        wait_until(is_up, 60, deployment.describe)
        override("degraded")
        wait_until(lambda: b'"global_status":"degraded"' in page(), 20)
    override("operational")
    later = read_events(deployment, first[-1][0], "All Systems Operational")
    numbers = [event for event, _ in later]
    assert numbers == sorted(set(numbers))
    assert min(numbers) > first[-1][0]
    statuses = [data.split('"status":"')[1].split('"')[0] for _, data in later if "component_changed" in data]
    # An override that a later one replaced before anybody looked was never shown, so it is not told.
    assert statuses[-1] == "operational"
    assert all(before != after for before, after in zip(["degraded", *statuses], statuses, strict=False))


def test_serve_crowd(deployment: Deployment) -> None:
    """A thousand readers get every event, and neither process grows with the number of events."""
    _, number = show_heartbeat(deployment, "Shop")
    path = f"/api/v1/status/components/{number}"
    host, port = deployment.addresses["http"].split(":")
    gateway = psutil.Process(deployment.children()["gateway"])
    alone = gateway.memory_info().rss
    readers = []
    for count in range(CROWD):
        # Ten streams an address: the whole of 127.0.0.0/8 is this host.
        connection = socket.create_connection(
            (host, int(port)), 30, source_address=(f"127.0.{1 + count // 1000}.{1 + count // 10 % 250}", 0)
        )
        connection.sendall(b"GET /status/events HTTP/1.1\r\nHost: x\r\n\r\n")
        readers.append(connection)
    for connection in readers:
        expect(connection, b": connected\n\n")

    def tell(rounds: int) -> None:
        for count in range(rounds):
            word = ("degraded", "major_outage")[count % 2]
            assert deployment.request("PUT", path, {"status_override": word})[0] == 200
            for connection in readers:
                expect(connection, f'"status":"{word}","message"'.encode())

    tell(2)
    before = gateway.memory_info().rss
    start = time.monotonic()
    tell(20)
    grown = gateway.memory_info().rss - before
    sizes = f"gateway {alone / 1e6:.0f} MB alone, {before / 1e6:.0f} MB with them, grown by {grown / 1e6:.1f} MB"
    print(f"{CROWD} readers, 40 events: {time.monotonic() - start:.1f} s, {sizes}")
    assert grown < 8e6
    for connection in readers:
        connection.close()


def expect(connection: socket.socket, text: bytes) -> None:
    """Reads until a text came."""
    seen = b""
    while text not in seen:
        part = connection.recv(65536)
        assert part, "the stream ended"
        seen += part
