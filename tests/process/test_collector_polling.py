"""The collector as operators run it polls real servers of its network, tests sources and delivers notifications, over either transport."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.polled_servers import PolledServer
from tests.process.conftest import Deployment, wait_until
from tests.process.receiver import receiving

SECRET = "pg secret'1"
PARTS = "SELECT * FROM (VALUES ('a', 1.5), ('b', 2.5)) AS t(part, size)"


@pytest.fixture(params=["grpc", "http"])
def collector(request: pytest.FixtureRequest, deployment: Deployment, tmp_path: Path) -> Iterator[str]:
    """The id of a collector that runs; it may poll two sources at once and deliver."""
    made = call(deployment, "POST", "/api/collectors", {"name": "edge"})
    config = {"heartbeatIntervalSeconds": 10, "polling": {"enabled": True, "maxConcurrency": 2}, "notifications": {"enabled": True}}
    call(deployment, "PUT", f"/api/collectors/{made['id']}/config", config)
    address = f"{request.param}://{deployment.addresses[request.param]}"
    with (tmp_path / "collector.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lumetry_core.collectors.agent", "--url", address, "--state-dir", str(tmp_path / "state")],
            env={**deployment.environment(), "LUMETRY_ENROLLMENT_TOKEN": made["enrollmentToken"]},
            stderr=log,
        )
    try:
        find = f"/api/collectors/{made['id']}"
        wait_until(lambda: call(deployment, "GET", find)["configRevisionApplied"] == 2, 60, (tmp_path / "collector.log").read_text)
        yield str(made["id"])
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        log_text = (tmp_path / "collector.log").read_text()
        assert SECRET not in log_text
        assert "Traceback" not in log_text


def call(deployment: Deployment, method: str, path: str, body: Any = None) -> Any:
    status, answer = deployment.request(method, path, body)
    assert status < 300, answer
    return answer


def make_database(kind: str, server: PolledServer, name: str, query: str, **item: Any) -> dict[str, Any]:
    config = {"host": "127.0.0.1", "port": server.port, "database": server.database, "username": server.username, "tls": False}
    items = [{"metricKey": f"{name}.value", "query": query, **item}]
    return {"name": name, "type": kind, "config": config, "secret": server.password, "items": items, "pollIntervalSeconds": 10}


def make_http(kind: str, name: str, url: str, query: str) -> dict[str, Any]:
    items = [{"metricKey": f"{name}.value", "query": query}]
    return {"name": name, "type": kind, "config": {"baseUrl": url}, "items": items, "pollIntervalSeconds": 10}


def test_collector_works_for_its_network(
    deployment: Deployment, collector: str, prometheus_server: PolledServer, polled_postgres: PolledServer, mariadb_server: PolledServer
) -> None:
    """Points of all sources arrive although two of them take long; tests and notifications do not wait for polls."""
    hanging = make_database("postgres", polled_postgres, "hanging", "SELECT 1 AS one, pg_sleep(5)::text AS done", valueColumn="one")
    sources = [
        hanging,
        {**hanging, "name": "hanging too", "items": [{**hanging["items"][0], "metricKey": "hanging.too"}]},
        make_http("prometheus", "prom", f"http://127.0.0.1:{prometheus_server.port}", "vector(42)"),
        make_database("postgres", polled_postgres, "pg", PARTS, labelColumns=["part"]),
        make_database("mysql", mariadb_server, "my", "SELECT COUNT(*) FROM orders"),
        make_http("http", "doc", f"http://{deployment.addresses['http']}/openapi.json", "$.info.version.absent"),
        make_http("http", "web", f"http://127.0.0.1:{prometheus_server.port}/api/v1/status/tsdb", "$.data.headStats.numSeries"),
    ]
    made = [call(deployment, "POST", "/api/metric-sources", {**each, "collectorId": collector}) for each in sources]

    tested = call(deployment, "POST", f"/api/metric-sources/{made[3]['id']}/test", {})
    result = wait_until(lambda: (found := look_at_test(deployment, tested["testId"]))["status"] not in ("Queued", "Running") and found, 20)
    check_notifications(deployment, collector)
    assert (result["status"], [(each["value"], each["labels"]) for each in result["samples"]]) == (
        "Succeeded",
        [(1.5, {"part": "a"}), (2.5, {"part": "b"})],
    )
    values = {"prom.value": 42.0, "my.value": 4.0, "hanging.value": 1.0}
    wait_until(lambda: {key: read_value(deployment, key) for key in values} == values, 60, deployment.describe)
    wait_until(lambda: read_value(deployment, "web.value"), 60, deployment.describe)
    told = wait_until(lambda: (found := look_at_polls(deployment)) and None not in found.values() and found, 60, deployment.describe)
    assert told == dict.fromkeys((each["name"] for each in sources), "Success")
    assert read_labels(deployment, "prom.value") == {"collector.id": collector}


def check_notifications(deployment: Deployment, collector: str) -> None:
    """A receiver inside the collector's network gets the test message of an integration, and its answer comes back."""
    with receiving() as receiver:
        target = {"name": "Inside", "type": "Webhook", "endpointUrl": receiver.url, "collectorId": collector, "secret": "signing"}
        inside = call(deployment, "POST", "/api/alerting/integrations", target)
        tested = call(deployment, "POST", f"/api/alerting/integrations/{inside['id']}/test", {})
        receiver.is_down = True
        failed = call(deployment, "POST", f"/api/alerting/integrations/{inside['id']}/test", {})

    assert (tested["success"], tested["statusCode"], tested["error"]) == (True, 204, None)
    assert (failed["success"], failed["statusCode"]) == (False, 503)
    assert [body["test"] for body in receiver.bodies] == [True]


def look_at_polls(deployment: Deployment) -> dict[str, str | None]:
    """Error or status of the newest poll, by name of the source."""
    return {each["name"]: each["lastError"] or each["lastStatus"] for each in call(deployment, "GET", "/api/metric-sources")}


def look_at_test(deployment: Deployment, test_id: int) -> Any:
    return call(deployment, "GET", f"/api/metric-sources/tests/{test_id}")


def read_value(deployment: Deployment, key: str) -> float | None:
    status, found = deployment.request("GET", f"/api/metrics/{key}/series")
    return found[-1]["value"] if status == 200 and found else None


def read_labels(deployment: Deployment, key: str) -> dict[str, str]:
    """The labels of the only series of a metric, as they are stored."""
    database = sqlite3.connect(deployment.data_dir / "lumetry.db")
    query = "SELECT labels FROM series JOIN metrics ON metrics.id = metric_id WHERE metric_key = ?"
    [(labels,)] = database.execute(query, (key,)).fetchall()
    database.close()
    return msgspec.msgpack.decode(labels, type=dict[str, str])
