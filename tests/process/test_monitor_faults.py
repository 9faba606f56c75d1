"""Kills real processes in every state of a monitor: nothing is thought to be down that is not, and nobody is paged twice."""

import json
import os
import signal
import socket
import sqlite3
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.core.certificates.authority import issue, make_root
from tests.process.conftest import Deployment, wait_until

SECONDS = 40.0
SECRET = "whsec_bHVtZXRyeS1leGFtcGxlLXNlY3JldC0yNGI="
GRACE = 8
"""Of heartbeats whose deadlines pass in a test; people may not choose so little, so it is written into the store."""


@dataclass
class Pager:
    """Receives what a channel sends, and answers when it may."""

    url: str = ""
    answers: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    """Event, identity and alert of each request, in order of arrival."""

    def pages(self) -> Counter[tuple[str, int]]:
        """How often somebody was paged for each event of each alert; attempts of one delivery count once."""
        return Counter((event, alert) for event, _, alert in set(self.asked))

    def attempts(self, alert: int) -> int:
        """How many requests told that an alert fired."""
        return len([told for event, _, told in list(self.asked) if (event, told) == ("alert.fired", alert)])


@dataclass
class Shop:
    """A service that is up or down."""

    url: str = ""
    status: int = 200


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """An HTTP server on a free port of loopback; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Quiet(BaseHTTPRequestHandler):
    """A handler that logs nothing."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: int) -> None:
        """An answer without a body, to whoever is still there."""
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: what arrived tells enough."""


@pytest.fixture(scope="module")
def pager() -> Iterator[Pager]:
    made = Pager()
    made.answers.set()

    class Handler(Quiet):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.asked.append((body["event"], self.headers["webhook-id"], body["alert"]["id"]))
            made.answers.wait(SECONDS)
            self.answer(204)

    with serving(Handler) as made.url:
        yield made
        made.answers.set()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, pager: Pager) -> Iterator[Deployment]:
    """A deployment with a channel that takes everything."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "roots.pem").write_bytes(make_root().pem)
    environ = {"LUMETRY_ALLOW_PRIVATE_WEBHOOKS": "true", "LUMETRY_RUNTIME": "none", "SSL_CERT_FILE": str(folder / "roots.pem")}
    running = Deployment(folder / "data", environ=environ)
    running.start()
    ask(running, "POST", "/api/v1/channels", {"name": "Pager", "url": pager.url, "secret": SECRET})
    yield running
    assert running.stop() == 0


def ask(deployment: Deployment, method: str, path: str, body: Any = None) -> Any:
    status, answer = deployment.request(method, path, body)
    assert status in (200, 201), (status, answer)
    return answer


def ping(deployment: Deployment, heartbeat: dict[str, Any], rest: str = "") -> None:
    """A ping of a job that tries until it is heard."""

    def is_heard() -> bool:
        try:
            with urlopen(f"http://{deployment.addresses['http']}/ping/{heartbeat['uuid']}{rest}", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    wait_until(is_heard, SECONDS, deployment.describe)


def rewrite(deployment: Deployment, statement: str, *values: Any) -> None:
    """Writes into the store what people may not ask for."""
    with closing(sqlite3.connect(deployment.data_dir / "lumetry.db", timeout=30)) as connection, connection:
        connection.execute(statement, values)


def now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def kill_roles(deployment: Deployment) -> None:
    """Kills core and gateway at once, and waits until their successors serve."""
    before = deployment.children()
    for process in before.values():
        kill(process)
    wait_until(lambda: not set(deployment.children().values()) & set(before.values()), SECONDS, deployment.describe)
    wait_until(lambda: is_serving(deployment), SECONDS, deployment.describe)


def kill_all(deployment: Deployment) -> None:
    """Kills every process of the deployment, as a host that loses power."""
    assert deployment.process is not None
    for process in (deployment.process.pid, *deployment.children().values()):
        kill(process)
    deployment.process.wait(SECONDS)


def is_serving(deployment: Deployment) -> bool:
    try:
        return deployment.request("GET", "/api/v1/heartbeats")[0] == 200
    except (OSError, HTTPException):
        return False


def create_heartbeat(deployment: Deployment, name: str) -> dict[str, Any]:
    made: dict[str, Any] = ask(deployment, "POST", "/api/v1/heartbeats", {"name": name, "interval_seconds": 3600})
    return made


def read_heartbeat(deployment: Deployment, heartbeat: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = ask(deployment, "GET", f"/api/v1/heartbeats/{heartbeat['id']}")["heartbeat"]
    return found


def find_alerts(deployment: Deployment, entity_type: str, number: int) -> list[dict[str, Any]]:
    """The alerts of a monitor, newest first."""
    found = ask(deployment, "GET", "/api/v1/alerts?limit=200")["alerts"]
    return [alert for alert in found if (alert["entity_type"], alert["entity_id"]) == (entity_type, number)]


def test_heartbeats_over_kill_of_everything(deployment: Deployment, pager: Pager) -> None:
    """Deadlines run on, what was due meanwhile is waited for and then missed, what was told is not told again."""
    names = ("up", "started", "down", "answers late", "stays silent")
    up, started, down, late, silent = (create_heartbeat(deployment, name) for name in names)
    for heartbeat in (up, down, late, silent):
        ping(deployment, heartbeat)
    ping(deployment, started, "/start")
    rewrite(deployment, "UPDATE heartbeats SET deadline = ?1, due_time = ?1 WHERE id = ?2", now_ms(), down["id"])
    [alert] = wait_until(lambda: find_alerts(deployment, "heartbeat", down["id"]), SECONDS, deployment.describe)
    wait_until(lambda: pager.pages()["alert.fired", alert["id"]], SECONDS, deployment.describe)
    before = [read_heartbeat(deployment, each) for each in (up, started, down)]
    assert [each["status"] for each in before] == ["up", "started", "down"]

    kill_all(deployment)
    for heartbeat in (late, silent):  # as if the host had been without power for ten minutes
        short = "UPDATE heartbeats SET interval_seconds = ?1, deadline = ?2, due_time = ?2, last_ping_time = ?3 WHERE id = ?4"
        ago = now_ms() - 600_000
        rewrite(deployment, short, GRACE, ago, ago - GRACE * 1000, heartbeat["id"])
    dark_time = datetime.now(UTC)
    deployment.start()
    ping(deployment, late)
    ask(deployment, "PUT", f"/api/v1/heartbeats/{late['id']}", {"interval_seconds": 3600})
    assert [read_heartbeat(deployment, each) for each in (up, started, down)] == before
    assert find_alerts(deployment, "heartbeat", late["id"]) == []

    [missed] = wait_until(lambda: find_alerts(deployment, "heartbeat", silent["id"]), SECONDS, deployment.describe)
    waited = datetime.fromisoformat(missed["fired_at"]) - dark_time
    assert waited >= timedelta(seconds=GRACE), "a deadline that passed while nobody could hear was a miss at once"
    wait_until(lambda: pager.pages()["alert.fired", missed["id"]], SECONDS, deployment.describe)
    assert find_alerts(deployment, "heartbeat", late["id"]) == []
    assert [each["id"] for each in find_alerts(deployment, "heartbeat", down["id"])] == [alert["id"]]
    ping(deployment, down)
    wait_until(lambda: pager.pages()["alert.resolved", alert["id"]], SECONDS, deployment.describe)
    assert {count for told, count in pager.pages().items() if told[1] in (alert["id"], missed["id"])} == {1}
    outcomes = [each["outcome"] for each in ask(deployment, "GET", f"/api/v1/heartbeats/{started['id']}/executions")["executions"]]
    assert outcomes == ["in_progress"]
    for heartbeat in (late, silent):
        assert deployment.request("DELETE", f"/api/v1/heartbeats/{heartbeat['id']}")[0] == 204


def test_endpoint_over_kills_below_threshold_and_recovering(deployment: Deployment, pager: Pager) -> None:
    """Counters go on: the alert opens with the second failure and ends with the second success, whoever counted the first."""
    shop = Shop()

    class Handler(Quiet):
        def do_GET(self) -> None:
            self.answer(shop.status)

    with serving(Handler) as shop.url:
        body = {"name": "shop", "target": shop.url, "interval": 5, "timeout": 2, "failure_threshold": 2, "recovery_threshold": 2}
        number = ask(deployment, "POST", "/api/v1/endpoints", body)["endpoint"]["id"]
        path = f"/api/v1/endpoints/{number}"

        def reach(name: str, least: Any) -> dict[str, Any]:
            def read() -> dict[str, Any] | None:
                endpoint: dict[str, Any] = ask(deployment, "GET", path)["endpoint"]
                return endpoint if endpoint[name] == least or (type(least) is int and endpoint[name] > least) else None

            found: dict[str, Any] = wait_until(read, SECONDS, deployment.describe)
            return found

        reach("status", "up")
        shop.status = 503
        failing = reach("consecutive_failures", 1)
        assert failing["alert_state"] == "normal"
        kill_roles(deployment)
        reach("alert_state", "alerting")
        shop.status = 200
        recovering = reach("consecutive_successes", 1)
        assert recovering["alert_state"] == "alerting"
        kill_roles(deployment)
        reach("alert_state", "normal")
        results = [check["success"] for check in reversed(ask(deployment, "GET", f"{path}/checks?limit=500")["checks"])]
        [alert] = find_alerts(deployment, "endpoint", number)
        checks = ask(deployment, "GET", f"{path}/checks?limit=500")["checks"]
        until_fired = [check for check in checks if not check["success"] and check["timestamp"] <= alert["fired_at"]]
        until_resolved = [check for check in checks if check["success"] and alert["fired_at"] < check["timestamp"] <= alert["resolved_at"]]
        wait_until(lambda: pager.pages()["alert.resolved", alert["id"]], SECONDS, deployment.describe)
        assert deployment.request("DELETE", path)[0] == 204
    assert [one for one, other in pairwise(results) if one != other] == [True, False]
    assert (alert["status"], len(until_fired), len(until_resolved)) == ("resolved", 2, 2)
    assert {count for told, count in pager.pages().items() if told[1] == alert["id"]} == {1}


def test_certificate_check_over_kill(deployment: Deployment, tmp_path: Path) -> None:
    """A check that was under way when the core died counts for nothing, and the next one finds what is there."""
    with presenting(tmp_path) as (port, hangs, asked):
        made = ask(deployment, "POST", "/api/v1/certificates", {"hostname": "localhost", "port": port})
        assert made["certificate"]["status"] == "valid", made
        path = f"/api/v1/certificates/{made['certificate']['id']}"
        hangs.set()
        asked.clear()
        ask(deployment, "PUT", path, {"check_interval_seconds": 3600})
        assert asked.wait(SECONDS), deployment.describe()
        kill_roles(deployment)
        [after] = ask(deployment, "GET", "/api/v1/certificates")["certificates"]
        assert (after["status"], after["last_error"]) == ("valid", None)
        hangs.clear()
        ask(deployment, "PUT", path, {"check_interval_seconds": 7200})
        wait_until(lambda: ask(deployment, "GET", f"{path}/checks")["total"] == 2, SECONDS, deployment.describe)
        checks = ask(deployment, "GET", f"{path}/checks")["checks"]
    assert [check["error_message"] for check in checks] == [None, None]
    assert ask(deployment, "GET", path)["certificate"]["status"] == "valid"
    assert find_alerts(deployment, "certificate", made["certificate"]["id"]) == []


@contextmanager
def presenting(folder: Path) -> Iterator[tuple[int, threading.Event, threading.Event]]:
    """A TLS server: its port, what makes it keep silent, and what tells that somebody came."""
    issued = issue("localhost", days=90, now=datetime.now(UTC))
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(each.pem for each in (issued, *issued.above[:-1])))
    key.write_bytes(issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    hangs, asked, ends = threading.Event(), threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        kept = []
        while not ends.is_set():
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                asked.set()
                if hangs.is_set():
                    kept.append(connection)
                    continue
                with suppress(OSError, ssl.SSLError), context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(1)
        for connection in kept:
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], hangs, asked
        finally:
            ends.set()
            thread.join()


def test_pending_delivery_over_kill(deployment: Deployment, pager: Pager) -> None:
    """A page that was under way when the core died is sent again as the same page, and one that waits behind it follows."""
    heartbeat = create_heartbeat(deployment, "paged")
    pager.answers.clear()
    try:
        ping(deployment, heartbeat, "/1")
        [alert] = find_alerts(deployment, "heartbeat", heartbeat["id"])
        wait_until(lambda: pager.attempts(alert["id"]) == 1, SECONDS, deployment.describe)
        ping(deployment, heartbeat, "/0")
        kill_roles(deployment)
    finally:
        pager.answers.set()
    wait_until(lambda: pager.pages()["alert.resolved", alert["id"]], SECONDS, deployment.describe)
    assert pager.attempts(alert["id"]) >= 2
    assert pager.pages()["alert.fired", alert["id"]] == 1
    assert pager.pages()["alert.resolved", alert["id"]] == 1
    events = [event for event, _, told in pager.asked if told == alert["id"]]
    assert list(dict.fromkeys(events)) == ["alert.fired", "alert.resolved"]

    def is_delivered() -> bool:
        listed = ask(deployment, "GET", "/api/v1/channels/1/deliveries")["deliveries"]
        return [row["status"] for row in listed if row["alert_id"] == alert["id"]] == ["delivered"] * 2

    wait_until(is_delivered, SECONDS, deployment.describe)
