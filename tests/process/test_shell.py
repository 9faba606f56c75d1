"""The life of an incident, asked and told from a shell."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.process.conftest import Deployment, wait_until


class Shell:
    """Runs `lumetry` as a person who is logged in on the server's machine."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.environ = {**deployment.environment(), "LUMETRY_TOKEN": deployment.token, "LUMETRY_DATA_DIR": str(deployment.data_dir)}

    def __call__(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lumetry_core", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env={**self.environ, **environ}, timeout=60, check=False)

    def read(self, *arguments: str) -> Any:
        """The document of a command that succeeds."""
        done = self(*arguments, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def watch(self, area: str, *arguments: str, output: Path) -> subprocess.Popen[bytes]:
        """A command that goes on, once it misses nothing any more; its output is in a file."""
        command = [sys.executable, "-m", "lumetry_core", area, "watch", *arguments]
        notes = output.with_suffix(".notes")
        with output.open("wb") as out, notes.open("wb") as err:
            process = subprocess.Popen(command, stdout=out, stderr=err, env=self.environ)
        wait_until(lambda: "Ctrl-C" in notes.read_text(), 15, notes.read_text)
        return process


def open_alert(deployment: Deployment) -> None:
    """Makes a rule and points that break it."""

    def point(value: float, ago: int) -> dict[str, Any]:
        time = datetime.now(UTC) - timedelta(seconds=ago)
        return {"metricName": "shop.latency", "timestamp": time.isoformat(), "value": value, "labels": {"host.id": "web-1"}}

    rule = {"name": "Slow shop", "metricId": "shop.latency", "type": "Static", "direction": "Above", "staticUpper": 500}
    level = {"severity": "Critical", "triggerCount": 2, "triggerWindowMinutes": 5}
    assert deployment.request("POST", "/v1/metrics", {"metrics": [point(100, 30)]})[0] == 202
    assert deployment.request("POST", "/api/rules", {**rule, "alertLevels": [level]})[0] == 201
    assert deployment.request("POST", "/v1/metrics", {"metrics": [point(900, 10), point(901, 9)]})[0] == 202


def interrupt(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGINT)
    return process.wait(30)


def test_incident_is_followed_from_a_shell(deployment: Deployment, tmp_path: Path) -> None:
    """Watch, list, show, why, acknowledge and resolve; what they print as JSON is what the HTTP contract answers."""
    shell = Shell(deployment)
    lines, documents = tmp_path / "lines", tmp_path / "documents"
    watches = [
        shell.watch("incidents", "--utc", output=lines),
        shell.watch("alerts", "--json", "--topic", "alerts", "--topic", "incidents", output=documents),
    ]
    open_alert(deployment)
    incident = wait_until(lambda: deployment.request("GET", "/api/incidents")[1], 10, deployment.describe)[0]
    number, key = incident["id"], incident["incidentKey"]
    [alert] = shell.read("alerts", "list", "--incident", key, "--status", "open")
    assert [alert] == deployment.request("GET", f"/api/alerts?incidentId={number}")[1]
    assert shell.read("alerts", "why", str(alert["id"])) == deployment.request("GET", f"/api/alerts/{alert['id']}/decisions")[1]
    assert shell.read("incidents", "why", key) == deployment.request("GET", f"/api/incidents/{number}/explanation")[1]
    shown = shell.read("incidents", "show", key)
    parts = {part: deployment.request("GET", f"/api/incidents/{number}/{part}")[1] for part in ("alerts", "metrics", "timeline")}
    assert {part: shown[part] for part in parts} == parts
    table = shell("incidents", "list").stdout.splitlines()
    assert [line.split()[:3] for line in table] == [["INCIDENT", "SEVERITY", "STATUS"], [key, "Critical", "Open"]]
    assert shell("incidents", "ack", key, "--note", "mine").stdout == f"{key} is Acknowledged\n"
    assert shell("alerts", "ack", str(alert["id"])).stdout == f"Alert {alert['id']} is Acknowledged: Slow shop\n"
    resolved = shell("incidents", "resolve", key, "--classification", "Resolved", "--note", "Restarted.")
    assert (resolved.returncode, resolved.stdout) == (0, f"{key} is Resolved\n")
    again = shell("incidents", "resolve", key, "--classification", "Resolved", "--note", "Restarted.")
    assert (again.returncode, again.stdout) == (1, "")
    wait_until(lambda: "incident.resolved" in lines.read_text() and "incident.resolved" in documents.read_text(), 10, lines.read_text)
    assert [interrupt(watch) for watch in watches] == [0, 0]
    assert [line.split()[1:4] for line in lines.read_text().splitlines() if ".opened" in line or ".resolved" in line] == [
        ["incident.opened", "Critical", key],
        ["incident.resolved", "Critical", key],
    ]
    told = [json.loads(line) for line in documents.read_text().splitlines()]
    assert {(event["event"], event["data"]["id"]) for event in told} >= {("alert.opened", alert["id"]), ("incident.opened", number)}


def test_watch_goes_on_after_a_restart(deployment: Deployment, tmp_path: Path) -> None:
    """A killed core comes back on its address; nothing that happens then is missed, and codes tell what went wrong meanwhile."""
    shell = Shell(deployment)
    output = tmp_path / "output"
    watch = shell.watch("alerts", "--json", output=output)
    open_alert(deployment)
    wait_until(lambda: "alert.opened" in output.read_text(), 15, output.read_text)
    address = deployment.addresses["grpc"]
    assert deployment.stop() == 0
    gone = shell("alerts", "list", "--server", address)
    assert (gone.returncode, gone.stdout) == (3, "")
    assert gone.stderr.startswith(f"Error: cannot reach the server at {address} (--server or LUMETRY_SERVER): ")
    deployment.options = ("--grpc", address)
    deployment.start()
    assert shell("alerts", "close", "1").returncode == 0
    wait_until(lambda: "alert.closed" in output.read_text(), 30, output.read_text)
    assert interrupt(watch) == 0
    assert shell("alerts", "list", LUMETRY_TOKEN="").returncode == 2
    assert shell("alerts", "list", LUMETRY_TOKEN="lmt_wrong").returncode == 1
