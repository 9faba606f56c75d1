"""Kills real processes under load and compares what came out with an uninterrupted run."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil

from tests.process.conftest import Deployment, wait_until

KILLS = 50
BATCHES_PER_KILL = 4
METRICS = 4
HOSTS = 3


def batch(number: int, start: datetime) -> list[dict[str, Any]]:
    """One second of every series: mostly calm, with breaches that come and go per series."""
    moment = (start + timedelta(seconds=number)).isoformat()
    points = []
    for metric in range(METRICS):
        for host in range(HOSTS):
            phase = (number + 37 * metric + 11 * host) % 90
            value = 95.0 if phase < 12 else 85.0 if phase < 20 else 40.0 + phase / 10
            points.append(
                {"metricName": f"crash.metric.{metric}", "timestamp": moment, "value": value, "labels": {"host.id": f"srv-{host}"}}
            )
    return points


def rule(metric: int) -> dict[str, Any]:
    return {
        "name": f"Crash rule {metric}",
        "metricId": f"crash.metric.{metric}",
        "type": "Static",
        "direction": "Above",
        "staticUpper": 80,
        "alertLevels": [
            {"severity": "Warning", "triggerCount": 3, "triggerWindowMinutes": 1, "recoveryMinutes": 0},
            {"severity": "Critical", "triggerCount": 5, "triggerWindowMinutes": 1, "recoveryMinutes": 0, "staticUpper": 90},
        ],
    }


def learned_rule(metric: int) -> dict[str, Any]:
    """What was learned of earlier minutes is what the limits are, to the bit."""
    return {
        "name": f"Crash learned {metric}",
        "metricId": f"crash.metric.{metric}",
        "type": "Dynamic",
        "thresholdMode": "Stddev",
        "stddevMultiplier": 3,
        "direction": "Above",
        "windowMinutes": 30,
        "alertLevels": [{"severity": "Warning", "triggerCount": 2, "triggerWindowMinutes": 1, "recoveryMinutes": 0}],
    }


def prepare(deployment: Deployment, start: datetime) -> None:
    """Registers the metrics by one calm batch and creates the rules."""
    calm = [{**point, "value": 1.0} for point in batch(-1, start)]
    assert deployment.request("POST", "/v1/metrics", {"metrics": calm})[0] == 202
    for metric in range(METRICS):
        for candidate in (rule(metric), learned_rule(metric)):
            status, body = deployment.request("POST", "/api/rules", candidate)
            assert status == 201, body


def send(deployment: Deployment, number: int, start: datetime) -> None:
    """Sends a batch until it is accepted, as a patient client does."""

    def accepted() -> bool:
        try:
            status, _body = deployment.request("POST", "/v1/metrics", {"metrics": batch(number, start)})
        except (OSError, HTTPException):
            return False
        assert status in (202, 500, 503), status
        return status == 202

    wait_until(accepted, 60, deployment.describe)


def outcome(deployment: Deployment) -> dict[str, Any]:
    """Everything that must not depend on crashes, without the numbers that rows happen to get."""

    def drained() -> bool:
        status, jobs = deployment.request("GET", "/api/evaluation-jobs/summary")
        return status == 200 and jobs["queued"] == jobs["processing"] == 0

    wait_until(drained, 60, deployment.describe)

    def counted(path: str, *fields: str) -> list[tuple[Any, ...]]:
        rows = deployment.request("GET", f"{path}?limit=5000")[1]
        return sorted(tuple(str(row[field]) for field in fields) for row in rows)

    def correlated() -> bool:
        return all(alert["incidentId"] is not None for alert in deployment.request("GET", "/api/alerts?limit=5000")[1])

    wait_until(correlated, 30, deployment.describe)
    series = {}
    for metric in range(METRICS):
        rows = deployment.request("GET", f"/api/metrics/crash.metric.{metric}/series?from={START}")[1]
        series[metric] = [(row["timestamp"], row["dimensionKey"], row["value"]) for row in rows]
    return {
        "series": series,
        "violations": counted(
            "/api/violations", "ruleName", "dimensionKey", "timestamp", "actualValue", "severity", "expectedValue", "upperThreshold"
        ),
        "alerts": counted(
            "/api/alerts",
            "alertName",
            "dimensionKey",
            "eventStartTime",
            "eventEndTime",
            "status",
            "severity",
            "violationCount",
            "triggerReason",
        ),
        "incidents": counted("/api/incidents", "severity", "status", "startTime", "alertCount", "activeAlertCount", "violationCount"),
    }


MOMENT = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20)
START = (MOMENT - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def run(data_dir: Path, kills: int) -> dict[str, Any]:
    """Sends the load to a fresh deployment while its processes are killed, and tells what came of it."""
    chance = random.Random(7)
    deployment = Deployment(data_dir, environ={"LUMETRY_EVALUATION_GRACE_SECONDS": "0"})  # so that the last minute is learned
    deployment.start()
    try:
        prepare(deployment, MOMENT)
        sent = 0
        enough = threading.Condition()
        failure: list[BaseException] = []

        def load() -> None:
            nonlocal sent
            try:
                for number in range(KILLS * BATCHES_PER_KILL):
                    send(deployment, number, MOMENT)
                    with enough:
                        sent += 1
                        enough.notify()
            except BaseException as error:  # noqa: BLE001 -- handed to the test's own thread
                failure.append(error)
                with enough:
                    enough.notify()

        sender = threading.Thread(target=load)
        sender.start()
        for kill in range(kills):
            with enough:
                assert enough.wait_for(lambda due=kill * BATCHES_PER_KILL: failure or sent >= due, 90)
            children = wait_until(lambda: len(deployment.children()) == 2 and deployment.children(), 30, deployment.describe)
            victim = psutil.Process(children[chance.choice(["core", "core", "gateway"])])
            victim.kill()
            wait_until(lambda gone=victim: not gone.is_running() or gone.status() == psutil.STATUS_ZOMBIE, 10)
        sender.join()
        assert not failure, failure
        return outcome(deployment)
    finally:
        deployment.stop()


def test_kill_of_any_process_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Fifty kills of core and gateway under load leave exactly what an uninterrupted run leaves."""
    with ThreadPoolExecutor() as executor:
        uninterrupted = executor.submit(run, tmp_path / "calm", 0)
        killed = executor.submit(run, tmp_path / "killed", KILLS)
    calm = uninterrupted.result()
    assert len(calm["alerts"]) > 20
    assert len(calm["violations"]) > 200
    assert any(row[0].startswith("Crash learned") for row in calm["alerts"])
    assert killed.result() == calm
