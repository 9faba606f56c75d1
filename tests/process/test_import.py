"""Moving in from another product."""

import json
import subprocess
import sys
from pathlib import Path

from tests.process.conftest import Deployment

SAMPLES = Path(__file__).parents[1] / "core" / "importing" / "samples"


def run_import(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `lumetry import` as a person who is logged in on the server's machine."""
    environ = {**deployment.environment(), "LUMETRY_TOKEN": deployment.token, "LUMETRY_DATA_DIR": str(deployment.data_dir)}
    command = [sys.executable, "-m", "lumetry_core", "import", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**environ, "SLACK_TOKEN": "s3cr3t"}, timeout=60, check=False)


def results_of(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """How many items met which fate."""
    assert (done.returncode, done.stderr) == (0, "")
    assert "s3cr3t" not in done.stdout
    fates = [result["result"] for result in json.loads(done.stdout)["results"]]
    return {fate: fates.count(fate) for fate in fates}


def test_import_from_uptime_kuma(deployment: Deployment) -> None:
    """A dry run makes nothing, the first run everything, the second nothing; what was made is there for all to see."""
    backup = str(SAMPLES / "uptime_kuma.json")
    assert results_of(run_import(deployment, "uptime-kuma", backup, "--json", "--dry-run")) == {"planned": 18}
    assert deployment.request("GET", "/api/v1/endpoints")[1]["total"] == 0
    assert results_of(run_import(deployment, "uptime-kuma", backup, "--json")) == {"created": 18}
    assert results_of(run_import(deployment, "uptime-kuma", backup, "--json")) == {"existing": 18}
    endpoints = deployment.request("GET", "/api/v1/endpoints")[1]["endpoints"]
    assert sorted(endpoint["name"] for endpoint in endpoints) == ["Anything", "Cache", "Database", "Mail", "Shop", "Shop front", "Stock"]
    heartbeats = deployment.request("GET", "/api/v1/heartbeats")[1]["heartbeats"]
    assert {beat["name"]: (beat["interval_seconds"], beat["grace_seconds"]) for beat in heartbeats} == {
        "Nightly backup": (3600, 300),
        "Fast beat": (60, 60),
    }


def test_import_from_gatus(deployment: Deployment) -> None:
    """Endpoints, certificates, heartbeats and channels of a configuration are there after it; what was there stays."""
    configuration = str(SAMPLES / "gatus.yaml")
    made = results_of(run_import(deployment, "gatus", configuration, "--json"))
    assert sum(made.values()) == 15
    assert results_of(run_import(deployment, "gatus", configuration, "--json")) == {"existing": 15}


def test_import_something_else(deployment: Deployment) -> None:
    """A file of another kind is refused, and nothing is asked of the server."""
    done = run_import(deployment, "gatus", str(SAMPLES / "uptime_kuma.json"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: The file has no `endpoints`; it should be the configuration of Gatus.\n"
