"""Real alerts of a real server reach a real channel and a signed webhook, whatever is killed on the way."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
from standardwebhooks.webhooks import Webhook

from tests.process.conftest import Deployment, wait_until

SECRET = "whsec_bHVtZXRyeS1leGFtcGxlLXNlY3JldC0yNGI="


@dataclass
class Station:
    """A receiver that keeps everything that it is sent, and answers as it is told."""

    url: str = ""
    status: int = 204
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Path, headers and body of each request, in order of arrival."""

    def events(self, path: str) -> list[tuple[str, str]]:
        """Event and identity of each request to a path."""
        return [(headers["X-Lumetry-Event"], headers["webhook-id"]) for asked, headers, _ in list(self.asked) if asked == path]


@contextmanager
def listening() -> Iterator[Station]:
    """A receiver on a free port of loopback."""
    station, lock = Station(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                status = station.status
                station.asked.append((self.path, dict(self.headers), body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: what arrived tells enough."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    station.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield station
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_fired_and_resolved_arrive_although_the_core_is_killed(tmp_path: Path) -> None:
    """The receivers are down and the core is killed; later both hear of beginning and end, in order and under the identities of before."""
    deployment = Deployment(tmp_path, environ={"LUMETRY_ALLOW_PRIVATE_WEBHOOKS": "true"})
    with listening() as station:
        deployment.start()
        try:
            heartbeat = prepare(deployment, station)
            station.status = 503
            ping(deployment, heartbeat, 1)
            wait_until(lambda: station.events("/channel") and len(station.events("/webhook")) >= 1, 30, deployment.describe)
            kill_core(deployment)
            station.status = 204
            ping(deployment, heartbeat, 0)
            for path in ("/channel", "/webhook"):
                wait_until(lambda path=path: ended(station, path), 60, deployment.describe)
            judge(deployment, station)
        finally:
            deployment.stop()


def prepare(deployment: Deployment, station: Station) -> str:
    """A channel, a webhook and a heartbeat; the heartbeat's address."""

    def create(path: str, body: dict[str, Any]) -> dict[str, Any]:
        status, answer = deployment.request("POST", path, body)
        assert status == 201, answer
        return answer

    create("/api/v1/channels", {"name": "Channel", "url": f"{station.url}/channel", "secret": SECRET})
    types = ["alert.fired", "alert.resolved"]
    create("/api/v1/webhooks", {"name": "Webhook", "url": f"{station.url}/webhook", "secret": SECRET, "event_types": types})
    made = create("/api/v1/heartbeats", {"name": "nightly", "interval_seconds": 3600, "grace_seconds": 60})
    uuid: str = made["uuid"]
    return uuid


def ping(deployment: Deployment, uuid: str, code: int) -> None:
    """A run of the job that ends with an exit code, told until it is heard."""

    def is_heard() -> bool:
        try:
            with urlopen(f"http://{deployment.addresses['http']}/ping/{uuid}/{code}", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:  # the core starts anew
            return False

    wait_until(is_heard, 60, deployment.describe)


def kill_core(deployment: Deployment) -> None:
    """Kills the core, which its supervisor starts again."""
    victim = psutil.Process(deployment.children()["core"])
    victim.kill()
    wait_until(lambda: not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE, 10)


def ended(station: Station, path: str) -> bool:
    """Whether a receiver has heard of the end."""
    return any(event == "alert.resolved" for event, _ in station.events(path))


def judge(deployment: Deployment, station: Station) -> None:
    """Each receiver heard of both, in order, under one identity each; every request is signed; the lists show both as delivered."""
    for path in ("/channel", "/webhook"):
        events = station.events(path)
        assert list(dict.fromkeys(event for event, _ in events)) == ["alert.fired", "alert.resolved"]
        assert len(set(events)) == 2, "an attempt has another identity than the one before"
        assert len([event for event, _ in events if event == "alert.fired"]) >= 2
    for _, headers, body in station.asked:
        Webhook(SECRET).verify(body, headers)
    status, listed = deployment.request("GET", "/api/v1/webhooks")
    assert status == 200
    number = listed["webhooks"][0]["id"]
    for path in ("/api/v1/channels/1/deliveries", f"/api/v1/webhooks/{number}/deliveries"):

        def delivered(path: str = path) -> bool:
            status, page = deployment.request("GET", path)
            return status == 200 and [row["status"] for row in page["deliveries"]] == ["delivered"] * 2

        wait_until(delivered, 30, deployment.describe)
