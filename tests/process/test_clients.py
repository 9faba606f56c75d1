"""Clients that know only the published protos, in processes of their own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.conftest import Deployment, wait_until

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def watch(deployment: Deployment, metric: str) -> None:
    """Registers a metric and a rule that 300 breaks."""
    calm = {"metrics": [{"metricName": metric, "timestamp": "2026-01-01T00:00:00Z", "value": 1, "labels": {"host.id": "x"}}]}
    assert deployment.request("POST", "/v1/metrics", calm)[0] == 202
    rule = {"name": metric, "metricId": metric, "type": "Static", "direction": "Above", "staticUpper": 250}
    assert deployment.request("POST", "/api/rules", rule)[0] == 201


def run(*command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "proto" / "gen")}
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env=environment).stdout


def test_python_stubs_ingest_and_list(deployment: Deployment) -> None:
    """Points streamed by generated Python stubs are accepted, and the alert they cause is listed by the next run."""
    watch(deployment, "python.client")
    command = (sys.executable, str(HERE / "client.py"), deployment.addresses["grpc"], deployment.token, "python.client")
    assert run(*command).startswith("3 ")
    assert wait_until(lambda: "python.client" in run(*command), 20, deployment.describe)


def test_node_stubs_ingest_and_list(deployment: Deployment) -> None:
    """The same with `@grpc/grpc-js` in Node."""
    if shutil.which("node") is None or not (HERE / "node" / "node_modules").is_dir():
        if os.environ.get("CI"):
            pytest.fail("the Node client is not installed, and CI must test it")
        pytest.skip("run `npm install --no-package-lock` in tests/process/node")
    watch(deployment, "node.client")
    arguments = (deployment.addresses["grpc"], deployment.token, str(ROOT / "proto"), "node.client")

    def told() -> dict[str, object]:
        answer: dict[str, object] = json.loads(run("node", str(HERE / "node" / "client.js"), *arguments))
        return answer

    assert told()["accepted"] == 3
    assert wait_until(lambda: told()["alerts"] == ["node.client"], 20, deployment.describe)
