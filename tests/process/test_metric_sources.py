"""A real Prometheus polled by a real deployment: points arrive, it goes away, operators hear of it, it comes back."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.polled_servers import PolledServer, find_port, find_program, polled_postgres
from tests.process.conftest import Deployment, wait_until

__all__ = ["polled_postgres"]

KEY = "fleet.up"
SERIES = f"/api/metrics/{KEY}/series"


@dataclass
class Monitored:
    """A Prometheus that watches itself."""

    program: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it where it was before, with what it knew."""
        config = self.folder / "prometheus.yml"
        watched = f'[{{targets: ["127.0.0.1:{self.port}"]}}]'
        config.write_text(f"global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: itself\n    static_configs: {watched}\n")
        options = [f"--config.file={config}", f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address=127.0.0.1:{self.port}"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([self.program, *options], stdout=log, stderr=log)

    def stop(self) -> None:
        """Ends it."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Monitored]:
    folder = tmp_path / "prometheus"
    folder.mkdir()
    made = Monitored(find_program("prometheus"), folder, find_port())
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()


def get(deployment: Deployment, path: str) -> Any:
    """What a route answers."""
    status, answer = deployment.request("GET", path)
    assert status == 200, answer
    return answer


def test_source_from_its_first_poll_through_an_outage(deployment: Deployment, prometheus: Monitored) -> None:
    """A saved source brings points. While it is away operators hear of it after three polls and rules are silent; then all is well."""
    body = {
        "name": "Fleet",
        "type": "prometheus",
        "config": {"baseUrl": f"http://127.0.0.1:{prometheus.port}"},
        "items": [{"metricKey": KEY, "query": "up", "labelColumns": ["job"]}],
        "pollIntervalSeconds": 10,
        "timeoutSeconds": 5,
    }
    wait_until(
        lambda: deployment.request("POST", "/api/metric-sources/test", body)[1]["samples"],
        30,
        lambda: (prometheus.folder / "log").read_text()[-2000:],
    )
    status, source = deployment.request("POST", "/api/metric-sources", body)
    assert status == 201, source
    path = f"/api/metric-sources/{source['id']}"
    assert [(each["syncStatus"], each["isEvaluable"]) for each in get(deployment, "/api/metrics")["items"]] == [("PENDING", False)]

    points = wait_until(lambda: deployment.request("GET", SERIES)[1], 20, deployment.describe)
    assert [(point["value"], point["dimensionKey"]) for point in points] == [(1.0, "job=itself")] * len(points)
    wait_until(lambda: get(deployment, path)["lastStatus"] == "Success", 10, deployment.describe)
    [metric] = get(deployment, "/api/metrics")["items"]
    assert {name: metric[name] for name in ("managementMode", "catalogSource", "dataStatus", "syncStatus", "isEvaluable")} == {
        "managementMode": "LUMETRY_MANAGED",
        "catalogSource": "prometheus",
        "dataStatus": "ACTIVE",
        "syncStatus": "SYNCED",
        "isEvaluable": True,
    }
    rule = {"name": "Down", "metricId": KEY, "type": "Static", "direction": "Below", "staticLower": 0.5}
    assert deployment.request("POST", "/api/rules", rule)[0] == 201

    def poll(expected: str) -> Any:
        """Saves the source again, which has it polled at once, and waits for the poll."""
        before = get(deployment, path)["lastPolledAt"]
        assert deployment.request("PUT", path, body)[0] == 200
        polled = wait_until(lambda: (now := get(deployment, path))["lastPolledAt"] != before and now, 20, deployment.describe)
        assert polled["lastStatus"] == expected, polled
        return polled

    prometheus.stop()
    for _ in range(3):
        failed = poll("Failed")
    assert failed["lastError"] == "the connection was refused"
    [told] = get(deployment, "/api/system-alerts")
    assert {name: told[name] for name in ("code", "status", "subjectType", "subjectId")} == {
        "code": "MetricSourceFailing",
        "status": "Open",
        "subjectType": "MetricSource",
        "subjectId": str(source["id"]),
    }
    assert get(deployment, "/api/metrics")["items"][0]["syncStatus"] == "FAILED"
    assert get(deployment, "/api/alerts") == []

    prometheus.start()
    wait_until(lambda: get(deployment, "/api/system-alerts")[0]["status"] == "Closed", 40, deployment.describe)
    assert get(deployment, path)["lastStatus"] == "Success"
    assert get(deployment, "/api/metrics")["items"][0]["syncStatus"] == "SYNCED"
    assert get(deployment, "/api/alerts") == []


def test_database_is_polled_and_its_secret_stays_with_it(deployment: Deployment, polled_postgres: PolledServer) -> None:
    """Each row is a point; a wrong password is told without the right one; the stored one is not sent to another port."""
    config: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": polled_postgres.port,
        "database": polled_postgres.database,
        "username": polled_postgres.username,
    }
    query = "select shop, open from (values ('north', 3), ('south', 5)) as shops (shop, open)"
    item: dict[str, Any] = {"metricKey": "shops.open", "query": query, "labelColumns": ["shop"], "unit": "1"}
    body: dict[str, Any] = {"name": "Shops", "type": "postgres", "config": config, "secret": polled_postgres.password, "items": [item]}
    status, source = deployment.request("POST", "/api/metric-sources", body)
    assert status == 201, source
    points = wait_until(lambda: deployment.request("GET", "/api/metrics/shops.open/series")[1], 20, deployment.describe)
    assert sorted((point["dimensionKey"], point["value"]) for point in points)[:2] == [("shop=north", 3.0), ("shop=south", 5.0)]

    path = f"/api/metric-sources/{source['id']}"
    written = {**body, "items": [{**item, "query": "create table written (a int)"}]}
    del written["secret"]
    refused = deployment.request("POST", f"{path}/test", written)[1]
    assert (refused["status"], refused["samples"]) == ("Failed", [])
    assert refused["error"] == "items[0]: the query gives no rows; it must be one that reads"
    moved = {**written, "config": {**config, "port": 1}}
    status, problem = deployment.request("POST", f"{path}/test", moved)
    assert (status, [fault["path"] for fault in problem["errors"]]) == (400, ["secret"])
    wrong = deployment.request("POST", f"{path}/test", {**body, "secret": "wrong"})[1]
    assert wrong["status"] == "Failed"
    assert polled_postgres.password not in str(wrong)
