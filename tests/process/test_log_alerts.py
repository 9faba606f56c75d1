"""An error that a program logs, with the published library, until somebody could be told; and what a crash in between changes."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

import psutil

from tests.process.conftest import Deployment, wait_until
from tests.process.test_luminalog_sdk import make_key

CLIENT = """
import sys
from luminalog import LuminaLog

class PaymentError(Exception):
    pass

log = LuminaLog(api_key=sys.argv[1], endpoint=sys.argv[2], environment="checkout", flush_interval=3600)
for number in range(3):
    try:
        raise PaymentError(f"card {number} declined")
    except PaymentError as error:
        log.capture_error(error, {"trace_id": f"trace-{number}"})
log.flush()
log.shutdown()
"""


def get(deployment: Deployment, path: str) -> Any:
    status, answer = deployment.request("GET", path)
    assert status == 200, answer
    return answer


def test_log_error_becomes_group_alert_and_incident(deployment: Deployment) -> None:
    """Three captured errors are one group, open one alert in both lists and an incident; all of them name each other and the entries."""
    key = make_key(deployment, name="sdk", environment="production", access="ingest")
    rule = {"rule_name": "Payments fail", "error_type": "Payment*", "count_threshold": 3, "time_window_minutes": 5, "severity": "critical"}
    assert deployment.request("POST", "/v1/log-alert-rules", rule)[0] == 201
    command = (sys.executable, "-c", CLIENT, key, f"http://{deployment.addresses['http']}/v1/logs")
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    [alert] = wait_until(lambda: get(deployment, "/api/v1/alerts?source=log")["alerts"], 5, deployment.describe)
    details = json.loads(alert["details"])
    [group] = get(deployment, "/v1/log-groups?q=PaymentError")["groups"]
    entries = get(deployment, "/v1/logs?q=error.type:PaymentError&order=asc")["logs"]
    assert (group["count"], group["alert_ids"]) == (3, [alert["id"]])
    assert (details["group_ids"], details["sample_entry_ids"]) == ([group["id"]], sorted(entry["id"] for entry in entries))
    assert details["trace_ids"] == ["trace-0", "trace-1", "trace-2"]
    assert [entry["group_id"] for entry in entries] == [group["id"]] * 3
    assert alert["message"] == "3 Payment* entries within 5 minutes"
    [incident] = wait_until(lambda: get(deployment, "/api/incidents"), 5, deployment.describe)
    [shown] = get(deployment, "/api/alerts")
    assert (shown["id"], shown["incidentId"], shown["sourceKind"], shown["severity"]) == (
        alert["id"],
        incident["id"],
        "Monitor",
        "Critical",
    )
    assert shown["monitor"] == {"kind": "LogRule", "id": str(details["rule_id"]), "name": "Payments fail"}
    assert get(deployment, f"/v1/log-groups/{group['id']}")["group"]["incident_ids"] == [incident["id"]]
    [feed] = activities(deployment, "log_group")
    assert (feed["action"], feed["resource"]) == ("new", {"type": "log_group", "id": str(group["id"])})
    assert {item["alertId"] for item in activities(deployment, "alert")} == {alert["id"]}


def activities(deployment: Deployment, kind: str) -> list[Any]:
    """What mission control tells of a kind."""
    return list(get(deployment, f"/api/v1/mission-control?kind={kind}")["data"]["activity"]["items"])


ENTRIES = 25
BATCHES = 30
KILLS = 3


def push(deployment: Deployment, number: int) -> None:
    """Sends a batch until it is accepted, as a patient client does; the key keeps it from being stored twice."""
    now = datetime.now(UTC).isoformat()
    same = {"timestamp": now, "level": "error", "metadata": {"batch": number}, "error": {"type": "E"}}
    logs = [{"message": f"batch {number} entry {position}", **same} for position in range(ENTRIES)]
    body = json.dumps({"logs": logs})

    def accepted() -> bool:
        headers = {"Authorization": f"Bearer {deployment.token}", "Content-Type": "application/json", "Idempotency-Key": str(number)}
        connection = http.client.HTTPConnection(deployment.addresses["http"], timeout=10)
        try:
            connection.request("POST", "/v1/logs", body, headers)
            status = connection.getresponse().status
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
        assert status in (200, 500, 503), status
        return status == 200

    wait_until(accepted, 60, deployment.describe)


def test_killed_core_counts_every_entry_once(deployment: Deployment) -> None:
    """However often the core is killed while entries are read: each counts once, in its group and its rule, and batches stay whole."""
    assert deployment.request("POST", "/v1/log-alert-rules", {"rule_name": "All", "error_type": "E"})[0] == 201
    sent = threading.Semaphore(0)

    def load() -> None:
        for number in range(BATCHES):
            push(deployment, number)
            sent.release()

    loading = threading.Thread(target=load)
    loading.start()
    for _ in range(KILLS):
        for _ in range(BATCHES // KILLS):
            assert sent.acquire(timeout=60), deployment.describe()
        core = wait_until(lambda: deployment.children().get("core"), 30, deployment.describe)
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            os.kill(core, signal.SIGKILL)
        if _ < KILLS - 1:
            whole(deployment)
    loading.join()
    total = ENTRIES * BATCHES

    def counted() -> tuple[Any, Any] | None:
        with suppress(OSError, HTTPException):
            status, answer = deployment.request("GET", "/api/v1/alerts?source=log")
            groups = deployment.request("GET", "/v1/log-groups")
            if status == groups[0] == 200 and sum(group["count"] for group in groups[1]["groups"]) >= total:
                [alert] = answer["alerts"]
                return json.loads(alert["details"])["count"], sum(group["count"] for group in groups[1]["groups"])
        return None

    assert wait_until(counted, 30, deployment.describe) == (total, total)


def whole(deployment: Deployment) -> None:
    """Of every batch that is found, all entries are."""
    with suppress(OSError, HTTPException):
        status, answer = deployment.request("GET", "/v1/logs?limit=1000")
        if status == 200 and not answer["has_more"]:
            batches = [entry["metadata"]["batch"] for entry in answer["logs"]]
            assert {batches.count(number) for number in set(batches)} <= {ENTRIES}


@contextmanager
def tail(deployment: Deployment, query: str = "", **headers: str) -> Iterator[http.client.HTTPResponse]:
    """An open stream."""
    connection = http.client.HTTPConnection(deployment.addresses["http"], timeout=20)
    try:
        connection.request("GET", f"/v1/logs/stream?{query}", headers={"Authorization": f"Bearer {deployment.token}", **headers})
        yield connection.getresponse()
    finally:
        connection.close()


def events(stream: http.client.HTTPResponse) -> Iterator[tuple[str, str, Any]]:
    """Id, name and data of each event."""
    fields: dict[str, str] = {}
    for line in stream:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "data" in fields:
            yield fields.pop("id", ""), fields.pop("event"), json.loads(fields.pop("data"))


def test_tail_shows_entries_and_goes_on(deployment: Deployment) -> None:
    """A stream shows what arrives; one that comes back is shown what it missed, then what arrives; the eleventh is refused."""
    with tail(deployment, "min_level=error") as stream:
        assert stream.status == 200
        assert stream.getheader("X-RateLimit-Limit") is not None
        assert [stream.readline() for _ in range(3)] == [b"retry: 3000\n", b": connected\n", b"\n"]
        push(deployment, 1)
        shown = [next(events(stream)) for _ in range(ENTRIES)]
    assert [data["message"] for _, _, data in shown] == [f"batch 1 entry {position}" for position in range(ENTRIES)]
    assert [(event_id, name) for event_id, name, _ in shown] == [(data["id"], "log") for _, _, data in shown]
    with tail(deployment, "", **{"Last-Event-ID": shown[-3][0]}) as stream:
        read = events(stream)
        assert [next(read)[0] for _ in range(2)] == [shown[-2][0], shown[-1][0]]
        push(deployment, 2)
        assert next(read)[2]["message"] == "batch 2 entry 0"
    with tail(deployment, f"lastEventId={'f' * 8}-ffff-7fff-bfff-{'f' * 12}") as stream:
        _, name, data = next(events(stream))
        assert (name, data["type"], data["reason"]) == ("stream.reset", "stream.reset", "unknown_id")


def test_tail_is_limited_to_ten_streams(deployment: Deployment) -> None:
    """The eleventh stream of a credential is refused, and there is room again when one has left."""
    connections = []
    try:
        for _ in range(10):
            connection = http.client.HTTPConnection(deployment.addresses["http"], timeout=20)
            connection.request("GET", "/v1/logs/stream", headers={"Authorization": f"Bearer {deployment.token}"})
            assert connection.getresponse().status == 200
            connections.append(connection)
        status, answer = deployment.request("GET", "/v1/logs/stream")
        assert (status, answer["error"]["code"]) == (429, "rate_limited")
    finally:
        for connection in connections:
            connection.close()
