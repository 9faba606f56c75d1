"""Kills real processes in a storm of alerts and compares its incidents with those of an uninterrupted run."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil

from tests.process.conftest import Deployment, wait_until
from tests.process.receiver import Receiver, receiving

KILLS = 12
SERVICES = 6
HOSTS = 5
MOUNTS = 8
METRIC = "storm.disk"
MOMENT = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)


def topology() -> dict[str, Any]:
    """Services, each with an application that runs on hosts of its own."""
    nodes, edges = [], []
    for service in range(SERVICES):
        nodes += [
            {"externalId": f"svc-{service}", "nodeType": "BusinessService", "displayName": f"Service {service}"},
            {"externalId": f"app-{service}", "nodeType": "Application", "displayName": f"Application {service}"},
        ]
        edges.append({"sourceExternalId": f"svc-{service}", "targetExternalId": f"app-{service}", "edgeType": "contains"})
        for host in range(HOSTS):
            name = f"srv-{service}-{host}"
            nodes.append({"externalId": name, "nodeType": "Host", "displayName": name})
            edges.append({"sourceExternalId": f"app-{service}", "targetExternalId": name, "edgeType": "runs_on"})
    return {"source": "test", "importId": "1", "nodes": nodes, "edges": edges}


def batch(mount: int, value: float, moment: datetime) -> dict[str, Any]:
    """One point of a mount of every host."""
    return {
        "metrics": [
            {
                "metricName": METRIC,
                "timestamp": moment.isoformat(),
                "value": value,
                "labels": {"host.id": f"srv-{service}-{host}", "mount": f"/data{mount}"},
            }
            for service in range(SERVICES)
            for host in range(HOSTS)
        ]
    }


def prepare(deployment: Deployment, receiver: Receiver) -> None:
    """The topology, a rule, and a profile that pages the receiver."""

    def create(path: str, body: dict[str, Any], expected: int = 201) -> dict[str, Any]:
        status, answer = deployment.request("POST", path, body)
        assert status == expected, answer
        return answer

    create("/v1/topology", topology(), 200)
    hook = create("/api/alerting/integrations", {"name": "Hook", "type": "Webhook", "endpointUrl": receiver.url})
    create("/api/alerting/profiles", {"name": "Default", "isDefault": True, "integrationIds": [hook["id"]]})
    create("/v1/metrics", batch(0, 1.0, MOMENT - timedelta(minutes=1)), 202)
    create(
        "/api/rules",
        {
            "name": "Disk full",
            "metricId": METRIC,
            "type": "Static",
            "direction": "Above",
            "staticUpper": 90,
            "alertLevels": [{"severity": "Critical", "recoveryMinutes": 0}],
        },
    )


def send(deployment: Deployment, body: dict[str, Any]) -> None:
    """Sends a batch until it is accepted, as a patient client does."""

    def accepted() -> bool:
        try:
            status, _ = deployment.request("POST", "/v1/metrics", body)
        except (OSError, HTTPException):
            return False
        assert status in (202, 500, 503), status
        return status == 202

    wait_until(accepted, 60, deployment.describe)


def run(data_dir: Path, kills: int) -> tuple[list[Any], list[dict[str, Any]], list[str]]:
    """Sends the storm while processes are killed: the incidents, the deliveries and the keys that the receiver got."""
    chance = random.Random(7)
    with receiving() as receiver:
        deployment = Deployment(data_dir, environ={"LUMETRY_ALLOW_PRIVATE_WEBHOOKS": "true"})
        deployment.start()
        try:
            prepare(deployment, receiver)
            storm = [batch(mount, 99.0, MOMENT) for mount in range(MOUNTS)]
            # A second wave of the same mounts is no new alert; it keeps work going while processes die.
            storm += [batch(mount, 98.0, MOMENT + timedelta(seconds=1)) for mount in range(MOUNTS)]
            failure: list[BaseException] = []

            def load() -> None:
                try:
                    for body in storm:
                        send(deployment, body)
                except BaseException as error:  # noqa: BLE001 -- handed to the test's own thread
                    failure.append(error)

            sender = threading.Thread(target=load)
            sender.start()
            for _ in range(kills):
                children = wait_until(lambda: len(deployment.children()) == 2 and deployment.children(), 30, deployment.describe)
                victim = psutil.Process(children[chance.choice(["core", "core", "gateway"])])
                victim.kill()
                wait_until(lambda gone=victim: not gone.is_running() or gone.status() == psutil.STATUS_ZOMBIE, 10)
            sender.join()
            assert not failure, failure
            return outcome(deployment, receiver)
        finally:
            deployment.stop()


def outcome(deployment: Deployment, receiver: Receiver) -> tuple[list[Any], list[dict[str, Any]], list[str]]:
    """What became of the storm once everything is correlated, routed and delivered."""

    def ask(path: str) -> Any:
        status, body = deployment.request("GET", path)
        return body if status == 200 else None

    expected = SERVICES * HOSTS * MOUNTS
    wait_until(lambda: (found := ask("/api/alerts?limit=5000")) and len(found) == expected, 60, deployment.describe)
    wait_until(lambda: all(alert["incidentId"] is not None for alert in ask("/api/alerts?limit=5000") or [{}]), 60, deployment.describe)

    def routed() -> list[dict[str, Any]] | None:
        rows = ask("/api/alerting/deliveries?limit=5000")
        done = rows is not None and len(rows) == expected and all(row["status"] in ("Success", "Skipped") for row in rows)
        return rows if done else None

    deliveries = wait_until(routed, 60, deployment.describe)
    fields = ("primaryServiceName", "severity", "status", "startTime", "alertCount", "activeAlertCount", "violationCount")
    incidents = sorted(tuple(str(row[field]) for field in fields) for row in ask("/api/incidents?limit=5000"))
    return incidents, deliveries, receiver.keys


def test_kill_in_a_storm_makes_the_same_incidents(tmp_path: Path) -> None:
    """Kills of core and gateway while alerts storm in: the same incidents, each told of, no delivery twice and none missing."""
    with ThreadPoolExecutor() as executor:
        uninterrupted = executor.submit(run, tmp_path / "calm", 0)
        killed = executor.submit(run, tmp_path / "killed", KILLS)
    calm = uninterrupted.result()
    storm = killed.result()
    assert len(calm[0]) == SERVICES
    assert storm[0] == calm[0]
    for _, deliveries, keys in (calm, storm):
        assert max(Counter((row["alertId"], row["transition"], row["integrationId"]) for row in deliveries).values()) == 1
        # A receiver that answered just before the core died hears of it again, under the same key.
        assert set(keys) == {f"{row['alertId']}:{row['transition']}" for row in deliveries if row["status"] == "Success"}
