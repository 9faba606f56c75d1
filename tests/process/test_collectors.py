"""The collector as operators run it, against a whole deployment: a process of its own over gRPC and over HTTP."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lumetry_core.collectors.agent.buffer import DiskBuffer
from lumetry_core.collectors.agent.reading import Sample
from lumetry_core.collectors.agent.records import build_points, encode_records
from tests.process.conftest import Deployment, wait_until

NOT_ADMITTED = 77
METRIC = "host.memory.percent"
DEFECTIVE = 200.0
"""Percent of memory that no host uses."""
RULE = {"name": "Memory", "metricId": METRIC, "type": "Static", "direction": "Above", "staticUpper": 150}


@dataclass
class Collector:
    """A registered collector, and its process when it runs."""

    deployment: Deployment
    folder: Path
    transport: str
    id: str
    token: str
    host_id: str
    skew_hours: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the server is at the moment."""
        return f"{self.transport}://{self.deployment.addresses[self.transport]}"

    def start(self, folder: Path | None = None) -> subprocess.Popen[bytes]:
        """Starts a process on the state directory, or on a copy of it."""
        program = (
            "import sys; from datetime import timedelta; from lumetry_core.runtime import clock; now = clock.SystemClock.now;"
            f"clock.SystemClock.now = lambda self: now(self) + timedelta(hours={self.skew_hours});"
            "from lumetry_core.collectors.agent.command import run_command; run_command(prog_name='lumetry-collector')"
        )
        command = ["-m", "lumetry_core.collectors.agent"] if self.skew_hours == 0 else ["-c", program]
        environment = {"LUMETRY_ENROLLMENT_TOKEN": self.token, "LUMETRY_HOST_ID": self.host_id, "LUMETRY_INTERVAL": "1"}
        with (self.folder.parent / f"{self.host_id}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command, "--url", self.url, "--state-dir", str(folder or self.folder), "--log-level", "DEBUG"],
                env={**os.environ, **environment},
                stderr=log,
            )
        self.process = self.process if folder is not None else process
        return process

    def kill(self) -> None:
        """Ends the process without giving it a chance."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> int:
        """Ends the process in good order."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def log(self) -> list[str]:
        """The events that it wrote so far."""
        lines = (self.folder.parent / f"{self.host_id}.log").read_text().splitlines()
        return [json.loads(line)["event"] for line in lines if line.startswith("{")]

    def look(self) -> dict[str, Any]:
        """The collector as the console shows it."""
        status, body = self.deployment.request("GET", f"/api/collectors/{self.id}")
        assert status == 200, body
        found: dict[str, Any] = body
        return found

    def configure(self, **config: Any) -> None:
        """Wants another configuration."""
        status, body = self.deployment.request("PUT", f"/api/collectors/{self.id}/config", config)
        assert status == 200, body

    def read_points(self) -> list[tuple[datetime, float]]:
        """Memory use of this host as the product has it, ascending by time."""
        status, found = self.deployment.request("GET", f"/api/metrics/{METRIC}/series")
        if status == 404:
            return []
        assert status == 200, found
        own = f"host.id={self.host_id}"
        return [(datetime.fromisoformat(point["timestamp"]), point["value"]) for point in found if point["dimensionKey"] == own]

    def until(self, condition: Callable[[], Any], seconds: float = 120) -> Any:
        """Waits for something, and shows the log when it does not come."""
        return wait_until(condition, seconds, lambda: "\n".join(self.log()[-30:]))


@pytest.fixture(params=["grpc", "http"])
def collector(request: pytest.FixtureRequest, deployment: Deployment, tmp_path: Path) -> Iterator[Collector]:
    """A registered collector of its own transport; its processes end with the test."""
    made = register(deployment, tmp_path, request.param)
    yield made
    end(made)


@pytest.fixture
def grpc_collector(deployment: Deployment, tmp_path: Path) -> Iterator[Collector]:
    """A registered collector over gRPC."""
    made = register(deployment, tmp_path, "grpc")
    yield made
    end(made)


def register(deployment: Deployment, folder: Path, transport: str) -> Collector:
    status, made = deployment.request("POST", "/api/collectors", {"name": f"over {transport}"})
    assert status == 201, made
    return Collector(deployment, folder / "state", transport, made["id"], made["enrollmentToken"], f"host-{transport}")


def end(collector: Collector) -> None:
    if collector.process is not None and collector.process.poll() is None:
        collector.kill()


def stay(deployment: Deployment) -> None:
    """Makes the server come back where it was."""
    deployment.options = ("--http", deployment.addresses["http"], "--grpc", deployment.addresses["grpc"])


def list_alerts(deployment: Deployment) -> list[dict[str, Any]]:
    """Alerts of the rule, whatever became of them."""
    code, body = deployment.request("GET", "/api/alerts")
    assert code == 200, body
    found: list[dict[str, Any]] = body
    return found


def test_collector_enrolls_follows_its_configuration_and_is_revoked(collector: Collector) -> None:
    """From the token to the end: points, heartbeats, a configuration that takes effect without a restart, and revocation."""
    collector.configure(heartbeatIntervalSeconds=10, hostMetrics={"enabled": True, "intervalSeconds": 30})
    began = time.monotonic()
    process = collector.start()
    seen = collector.until(lambda: (found := collector.look())["configRevisionApplied"] == 2 and found)
    assert time.monotonic() - began < 10
    assert (seen["status"], seen["isOnline"], seen["configApplyStatus"], seen["droppedCount"]) == ("active", True, "applied", 0)
    assert abs(seen["clockSkewMs"]) < 2_000
    collector.until(lambda: len(collector.read_points()) >= 2)
    collector.configure(heartbeatIntervalSeconds=10, hostMetrics={"enabled": False}, buffer={"maxBytes": 1024 * 1024})
    collector.until(lambda: collector.look()["configRevisionApplied"] == 3)
    collector.until(lambda: collector.look()["queueDepth"] == 0)
    code, body = collector.deployment.request("POST", f"/api/collectors/{collector.id}/revoke")
    assert code == 200, body
    assert process.wait(60) == NOT_ADMITTED
    assert len([event for event in collector.log() if "its credential was revoked" in event]) == 1
    points = len(collector.read_points())
    assert collector.start().wait(30) == NOT_ADMITTED
    assert len(collector.read_points()) == points


def test_collector_rotates_its_credential(collector: Collector) -> None:
    """A credential of great age is replaced while the collector runs; the next start uses the fresh one."""
    collector.start()
    collector.until(lambda: len(collector.read_points()) >= 1)
    before = json.loads((collector.folder / "credential.json").read_bytes())
    with sqlite3.connect(collector.deployment.data_dir / "lumetry.db", timeout=20) as database:
        database.execute("UPDATE collectors SET credential_time = credential_time - 8640000000 WHERE id = ?", (collector.id,))
    database.close()
    collector.configure(heartbeatIntervalSeconds=10)  # its acknowledgement is a heartbeat
    collector.until(lambda: json.loads((collector.folder / "credential.json").read_bytes())["secret"] != before["secret"])
    after = json.loads((collector.folder / "credential.json").read_bytes())
    assert (after["collector_id"], after["next_secret"], after["mode"]) == (before["collector_id"], "", "collector")
    assert collector.stop() == 0
    points = len(collector.read_points())
    collector.start()
    collector.until(lambda: len(collector.read_points()) > points)


def test_collector_survives_an_outage_and_its_own_death(collector: Collector) -> None:
    """Half an hour without server and kill -9 in its midst: every point that was buffered arrives once, and no alert opens afterwards."""
    stay(collector.deployment)
    host_id, collector.host_id = collector.host_id, "earlier"
    collector.start()
    collector.until(lambda: len(collector.read_points()) >= 1)
    collector.kill()
    collector.host_id = host_id
    code, rule = collector.deployment.request("POST", "/api/rules", RULE)
    assert code == 201, rule
    last = (datetime.now(UTC) - timedelta(minutes=31)).replace(microsecond=0)
    point = {"metricName": METRIC, "timestamp": last.isoformat(), "value": 50, "labels": {"host.id": host_id}}
    code, accepted = collector.deployment.request("POST", "/v1/metrics", {"metrics": [point]})
    assert code == 202, accepted
    assert collector.deployment.stop() == 0
    left = leave_behind(collector)
    collector.start()
    collector.until(lambda: collector.log().count("the server cannot be reached, points are buffered") >= 1)
    collector.kill()
    collector.start()
    collector.until(lambda: collector.log().count("the server cannot be reached, points are buffered") >= 2)
    collector.deployment.start()
    collector.until(lambda: collector.look()["queueDepth"] == 0 and "the server is back" in collector.log())
    newest = datetime.now(UTC)
    collector.until(lambda: collector.read_points()[-1][0] > newest)
    points = collector.read_points()
    assert [time for time, value in points if value == DEFECTIVE] == left
    assert len({time for time, _ in points}) == len(points)
    assert collector.look()["droppedCount"] == 0
    assert list_alerts(collector.deployment) == []


def leave_behind(collector: Collector) -> list[datetime]:
    """Half an hour of points in the buffer, ten seconds apart, as the collector makes them; their times."""
    now = datetime.now(UTC).replace(microsecond=0)
    labels = {"host.id": collector.host_id, "host.name": "h", "os.type": "linux", "arch": "x86_64"}
    times = [now - timedelta(minutes=30) + timedelta(seconds=10 * number) for number in range(150)]
    buffer = DiskBuffer(collector.folder / "buffer")
    for moment in times:
        [(payload, count)] = encode_records(build_points([Sample(METRIC, DEFECTIVE)], labels, moment))
        buffer.append(payload, count)
    buffer.close()
    return times


def test_cloned_state_directory_is_suspected(grpc_collector: Collector, tmp_path: Path) -> None:
    """Two processes with one identity are told apart, and each says what is wrong."""
    grpc_collector.configure(heartbeatIntervalSeconds=10)
    grpc_collector.start()
    grpc_collector.until(lambda: grpc_collector.look()["configRevisionApplied"] == 2)
    clone = tmp_path / "clone"
    shutil.copytree(grpc_collector.folder, clone)
    other = grpc_collector.start(clone)
    try:
        grpc_collector.until(lambda: grpc_collector.look()["status"] == "duplicate_suspected")
        told = "the server suspects that two processes run under this collector's identity"
        grpc_collector.until(lambda: len([event for event in grpc_collector.log() if event.startswith(told)]) == 2)
    finally:
        other.kill()
        other.wait(20)


@pytest.mark.parametrize("hours", [-2, 2])
def test_collector_with_a_wrong_clock_sends_usable_points(grpc_collector: Collector, hours: int) -> None:
    """A clock that is hours off is reported as it is; points have the server's time, also those made before the first contact."""
    stay(grpc_collector.deployment)
    grpc_collector.deployment.stop()
    grpc_collector.skew_hours = hours
    began = datetime.now(UTC)
    grpc_collector.start()
    grpc_collector.until(lambda: "the server cannot be reached to enroll, points are buffered" in grpc_collector.log())
    grpc_collector.deployment.start()
    grpc_collector.until(lambda: len(grpc_collector.read_points()) >= 3)
    points = grpc_collector.read_points()
    assert began - timedelta(seconds=2) <= points[0][0] <= points[-1][0] <= datetime.now(UTC) + timedelta(seconds=2)
    assert abs(grpc_collector.look()["clockSkewMs"] - hours * 3_600_000) < 5_000
    assert [event for event in grpc_collector.log() if "rejected" in event] == []
