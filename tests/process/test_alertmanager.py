"""A real Alertmanager delivers to a real deployment."""

import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.process.conftest import Deployment, wait_until

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
CONFIG = """
route:
  receiver: lumetry
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1s
receivers:
  - name: lumetry
    webhook_configs:
      - url: http://{address}{path}
        send_resolved: true
        http_config:
          authorization:
            credentials: {credential}
"""
BOUND = re.compile(r"Listening on\D+address=(127\.0\.0\.1:\d+)")


@dataclass
class Alertmanager:
    """A running Alertmanager of its own."""

    address: str

    def post(self, start: datetime, end: datetime | None = None) -> None:
        """Hands it an alert as Prometheus would; one that ends in the past is resolved."""
        alert = {
            "labels": {"alertname": "HostDown", "severity": "page", "instance": "web-1"},
            "annotations": {"summary": "web-1 is down", "description": "No answer for 5 minutes"},
            "startsAt": start.isoformat(),
            "generatorURL": "http://127.0.0.1/graph",
        } | ({} if end is None else {"endsAt": end.isoformat()})
        request = urllib.request.Request(
            f"http://{self.address}/api/v2/alerts", json.dumps([alert]).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            assert response.status == 200


@pytest.fixture
def source(deployment: Deployment) -> dict[str, Any]:
    """A source of alerts of Alertmanager, as its creation answered."""
    body = {"name": "Prometheus", "providerType": "ALERTMANAGER", "severityMapping": {"page": "Critical"}}
    status, made = deployment.request("POST", "/api/external-alert-sources", body)
    assert status == 201
    answer: dict[str, Any] = made
    return answer


@pytest.fixture
def alertmanager(deployment: Deployment, source: dict[str, Any], tmp_path: Path) -> Iterator[Alertmanager]:
    """An Alertmanager that delivers to the source. Without its program the test is skipped, except in CI, where that is a failure."""
    if PROGRAM is None:
        if os.environ.get("CI"):
            pytest.fail("Alertmanager is not installed, and CI must test with it")
        pytest.skip("Alertmanager is not installed")
    config, log = tmp_path / "alertmanager.yml", tmp_path / "alertmanager.log"
    config.write_text(CONFIG.format(address=deployment.addresses["http"], path=source["webhookPath"], credential=source["credential"]))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                PROGRAM,
                f"--config.file={config}",
                f"--storage.path={tmp_path / 'alertmanager'}",
                "--web.listen-address=127.0.0.1:0",
                "--cluster.listen-address=",
            ],
            stdout=output,
            stderr=output,
        )
    try:
        found = wait_until(lambda: BOUND.search(log.read_text()), 30, log.read_text)
        yield Alertmanager(found[1])
    finally:
        process.terminate()
        process.wait(20)


def test_alertmanager_delivers_a_whole_cycle(deployment: Deployment, source: dict[str, Any], alertmanager: Alertmanager) -> None:
    """Firing becomes an alert in an incident, being sent again changes nothing, resolved closes it."""
    status, node = deployment.request("POST", "/api/topology/nodes", {"externalId": "web-1", "nodeType": "Host", "displayName": "web-1"})
    assert status == 201, node
    body = {"sourceId": source["source"]["id"], "definitionKey": "HostDown", "topologyNodeId": node["id"]}
    status, definition = deployment.request("POST", "/api/external-alert-definitions", body)
    assert status == 201, definition
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    alertmanager.post(start)

    def correlated() -> Any:
        alerts = deployment.request("GET", "/api/alerts")[1]
        return [alert for alert in alerts if alert["incidentId"] is not None]

    [alert] = wait_until(correlated, 30, deployment.describe)
    started = start.strftime("%Y-%m-%dT%H:%M:%SZ")
    fingerprint = alert["externalInstanceKey"]
    told = {
        "sourceKind": "External",
        "ruleId": None,
        "metricId": None,
        "eventStartTime": started,
        "eventEndTime": None,
        "operationalStatus": "Open",
        "severity": "Critical",
        "triggerReason": "External source reported Firing",
        "violationCount": 0,
        "alertName": "web-1 is down",
        "title": "web-1 is down",
        "description": "No answer for 5 minutes",
        "relatedCiId": node["id"],
        "relatedCiName": "web-1",
        "topologyNodeId": node["id"],
        "externalAlertSourceId": source["source"]["id"],
        "externalAlertSourceName": "Prometheus",
        "externalAlertDefinitionId": definition["id"],
        "externalDefinitionKey": "HostDown",
        "externalOccurrenceKey": f"{fingerprint}@{started}",
    }
    assert {name: alert[name] for name in told} == told
    [incident] = deployment.request("GET", "/api/incidents")[1]
    assert (incident["id"], incident["severity"], incident["primaryCiName"]) == (alert["incidentId"], "Critical", "web-1")

    def read_source() -> Any:
        return deployment.request("GET", f"/api/external-alert-sources/{source['source']['id']}")[1]

    wait_until(lambda: read_source()["acceptedEventCount"] >= 2, 30, deployment.describe)
    assert (read_source()["mappedEventCount"], read_source()["lastError"]) == (1, None)
    assert deployment.request("POST", f"/api/alerts/{alert['id']}/close")[0] == 400
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
    alertmanager.post(start, end)

    def closed() -> Any:
        [found] = deployment.request("GET", "/api/alerts")[1]
        return found["operationalStatus"] == "Closed" and found

    assert wait_until(closed, 30, deployment.describe)["eventEndTime"] == end.strftime("%Y-%m-%dT%H:%M:%SZ")
    health = read_source()
    assert (health["mappedEventCount"], health["rejectedEventCount"], health["mappingCoveragePercent"]) == (2, 0, 100.0)
