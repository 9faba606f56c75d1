"""An endpoint of a real deployment goes down and up again, and the core is killed in between."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.process.conftest import Deployment, wait_until
from tests.process.receiver import receiving

WAIT_SECONDS = 60


@dataclass
class Shop:
    """A service that is up or down."""

    url: str
    status: int = 200
    checks: int = 0


@contextmanager
def serving() -> Iterator[Shop]:
    """A service on a free port of loopback, for the duration of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shop.checks += 1
            self.send_response(shop.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: what was asked is counted."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop = Shop(f"http://127.0.0.1:{server.server_port}/health")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()


def test_outage_is_told_once_across_kills(tmp_path: Path) -> None:
    """Down raises one alert in one incident and one page; killed cores make no false down and page nobody twice; up ends it."""
    deployment = Deployment(tmp_path / "data", environ={"LUMETRY_ALLOW_PRIVATE_WEBHOOKS": "true"})
    deployment.start()
    try:
        with serving() as shop, receiving() as receiver:
            run_story(deployment, shop, receiver)
    finally:
        assert deployment.stop() == 0


def run_story(deployment: Deployment, shop: Shop, receiver: Any) -> None:
    def ask(method: str, path: str, body: Any = None) -> Any:
        status, answer = deployment.request(method, path, body)
        assert status in (200, 201), (status, answer)
        return answer

    def try_endpoint() -> Any:
        try:
            return ask("GET", f"/api/v1/endpoints/{number}")["endpoint"]
        except (OSError, AssertionError):  # the core is on its way
            return {}

    def kill_core() -> None:
        """Kills the core and waits until a new one has checked."""
        before = deployment.children()["core"]
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: deployment.children().get("core", before) != before, WAIT_SECONDS, deployment.describe)
        checks = shop.checks
        wait_until(lambda: shop.checks > checks and try_endpoint(), WAIT_SECONDS, deployment.describe)

    def history() -> list[bool]:
        """The results, oldest first."""
        return [check["success"] for check in reversed(ask("GET", f"/api/v1/endpoints/{number}/checks?limit=500")["checks"])]

    hook = ask("POST", "/api/alerting/integrations", {"name": "Hook", "type": "Webhook", "endpointUrl": receiver.url})
    ask("POST", "/api/alerting/profiles", {"name": "Default", "isDefault": True, "integrationIds": [hook["id"]]})
    body = {"name": "shop", "target": shop.url, "interval": 5, "timeout": 2, "failure_threshold": 2, "recovery_threshold": 1}
    number = ask("POST", "/api/v1/endpoints", body)["endpoint"]["id"]
    wait_until(lambda: try_endpoint().get("status") == "up", WAIT_SECONDS, deployment.describe)

    kill_core()
    assert history().count(False) == 0

    shop.status = 503
    wait_until(lambda: try_endpoint().get("alert_state") == "alerting", WAIT_SECONDS, deployment.describe)
    wait_until(lambda: receiver.bodies, WAIT_SECONDS, deployment.describe)
    [alert] = ask("GET", "/api/v1/alerts/active")["critical"]
    assert (alert["source"], alert["alert_type"], alert["entity_type"], alert["entity_id"]) == (
        "endpoint",
        "consecutive_failure",
        "endpoint",
        number,
    )

    kill_core()
    assert [each["id"] for each in ask("GET", "/api/v1/alerts/active")["critical"]] == [alert["id"]]
    wait_until(lambda: ask("GET", f"/api/v1/alerts/{alert['id']}")["incident_id"], WAIT_SECONDS, deployment.describe)

    shop.status = 200
    wait_until(lambda: try_endpoint().get("status") == "up", WAIT_SECONDS, deployment.describe)
    wait_until(lambda: len(receiver.bodies) >= 2, WAIT_SECONDS, deployment.describe)
    assert ask("GET", f"/api/v1/alerts/{alert['id']}")["status"] == "resolved"
    assert [told["event"] for told in receiver.bodies] == ["alert.opened", "alert.closed"]
    assert len(set(receiver.keys)) == 2
    flips = [one for one, other in zip(history(), history()[1:], strict=False) if one != other]
    assert flips == [True, False]  # up, down, up: nothing in between
