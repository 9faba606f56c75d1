"""One real deployment, used as a new user would use it."""

import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from tests.process.conftest import Deployment, wait_until


def point(metric: str, value: float, *, ago: float = 0.0, **labels: str) -> dict[str, Any]:
    moment = datetime.now(UTC) - timedelta(seconds=ago)
    return {"metricName": metric, "timestamp": moment.isoformat(), "value": value, "labels": labels}


def test_serve_turns_a_metric_into_an_incident(deployment: Deployment) -> None:
    """A breach of a rule becomes violation, alert and incident, each readable and explained."""
    first = {"metrics": [point("shop.latency", 100, ago=30, **{"host.id": "web-1"})]}
    assert deployment.request("POST", "/v1/metrics", first)[0] == 202
    status, rule = deployment.request(
        "POST",
        "/api/rules",
        {
            "name": "Slow shop",
            "metricId": "shop.latency",
            "type": "Static",
            "direction": "Above",
            "staticUpper": 500,
            "alertLevels": [{"severity": "Critical", "triggerCount": 2, "triggerWindowMinutes": 5}],
        },
    )
    assert status == 201, rule
    breach = {"metrics": [point("shop.latency", 900 + n, ago=10 - n, **{"host.id": "web-1"}) for n in range(3)]}
    assert deployment.request("POST", "/v1/metrics", breach)[1]["accepted"] == 3
    incident = wait_until(lambda: deployment.request("GET", "/api/incidents")[1], 10, deployment.describe)[0]
    assert (incident["incidentKey"], incident["severity"], incident["status"]) == ("INC-000001", "Critical", "Open")
    [alert] = deployment.request("GET", f"/api/alerts?incidentId={incident['id']}")[1]
    assert (alert["ruleId"], alert["dimensionKey"], alert["triggerReason"]) == (
        rule["id"],
        "host.id=web-1",
        "2 violations within 5 minutes",
    )
    decisions = deployment.request("GET", f"/api/alerts/{alert['id']}/decisions")[1]
    assert [gate["gate"] for gate in decisions["gates"]] == [
        "Rule",
        "TriggerWindow",
        "Hysteresis",
        "Maintenance",
        "Silence",
        "Cooldown",
        "PostResolutionWatch",
        "Route",
        "Delivery",
    ]
    status, resolved = deployment.request(
        "POST", f"/api/incidents/{incident['id']}/resolve", {"note": "Restarted.", "resolutionClassification": "Resolved"}
    )
    assert (status, resolved["status"], resolved["activeAlertCountAtResolution"]) == (200, "Resolved", 1)
    assert deployment.request("GET", f"/api/alerts/{alert['id']}")[1]["incidentEligibility"] == "PostResolutionWatch"


def test_stop_drains_and_exits_with_0(deployment: Deployment) -> None:
    """SIGTERM ends both roles and the server, with exit code 0."""
    children = deployment.children()
    assert set(children) == {"core", "gateway"}
    assert deployment.stop() == 0
    assert not any(psutil.pid_exists(pid) for pid in children.values())


def test_children_end_when_the_server_is_killed(deployment: Deployment) -> None:
    """No role outlives a server that could not end it."""
    children = deployment.children()
    assert deployment.process is not None
    deployment.process.kill()
    deployment.process.wait(10)
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in children.values()), 30, deployment.describe)


def test_backup_is_online_and_restore_brings_it_back(deployment: Deployment, tmp_path: Path) -> None:
    """What was accepted before the backup is there after a restore; what came later is not."""
    assert deployment.request("POST", "/v1/metrics", {"metrics": [point("kept", 1)]})[0] == 202
    deployment.command("backup", str(tmp_path / "copy"))
    assert deployment.request("POST", "/v1/metrics", {"metrics": [point("lost", 1)]})[0] == 202
    assert deployment.stop() == 0
    deployment.command("restore", str(tmp_path / "copy"))
    deployment.start()
    metrics = deployment.request("GET", "/api/metrics")[1]["items"]
    assert [metric["id"] for metric in metrics] == ["kept"]
    assert [row["value"] for row in deployment.request("GET", "/api/metrics/kept/series")[1]] == [1.0]


def test_full_disk_gives_503_and_loses_nothing(deployment: Deployment) -> None:
    """While the store cannot grow no 202 is given, readiness is false and no alert opens; afterwards work goes on by itself."""
    assert deployment.request("POST", "/v1/metrics", {"metrics": [point("disk", 1, ago=60)]})[0] == 202
    rule = {"name": "Disk", "metricId": "disk", "type": "Static", "direction": "Above", "staticUpper": 10}
    assert deployment.request("POST", "/api/rules", rule)[0] == 201
    core = psutil.Process(deployment.children()["core"])
    core.rlimit(psutil.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    status, problem = deployment.request("POST", "/v1/metrics", {"metrics": [point("disk", 99, ago=30)]})
    assert (status, problem["type"], problem["status"]) == (503, "/problems/unavailable", 503)
    wait_until(lambda: deployment.request("GET", "/readyz")[0] == 503, 10, deployment.describe)
    assert deployment.request("GET", "/healthz")[0] == 200
    core.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until(lambda: deployment.request("GET", "/readyz")[0] == 200, 20, deployment.describe)
    assert deployment.request("GET", "/api/alerts")[1] == []
    assert deployment.request("POST", "/v1/metrics", {"metrics": [point("disk", 2, ago=20)]})[0] == 202
    rows = deployment.request("GET", "/api/metrics/disk/series")[1]
    assert [row["value"] for row in rows] == [1.0, 2.0]
    assert psutil.Process(deployment.children()["core"]).pid == core.pid
