"""Two cores on one PostgreSQL, one of which is killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import numpy as np
import psutil
import pytest

from lumetry.alerts.v1 import alert_service_pb2, alert_service_pb2_grpc
from lumetry.metrics.v1 import ingestion_service_pb2, ingestion_service_pb2_grpc, metric_service_pb2, metric_service_pb2_grpc
from lumetry.rules.v1 import rule_pb2, rule_service_pb2, rule_service_pb2_grpc
from lumetry.runtime.v1 import status_service_pb2, status_service_pb2_grpc
from lumetry.violations.v1 import violation_service_pb2, violation_service_pb2_grpc
from lumetry_core.administration import create_token
from lumetry_core.config import Config
from lumetry_core.metrics.partition import POSTGRES_PARTITIONS
from tests.conftest import run_on_server
from tests.process.conftest import Deployment, wait_until

METRICS = [f"pair.metric.{number}" for number in range(24)]
LIMIT = 80
TAKEN_OVER_SECONDS = 10
CALM, BROKEN = 1.0, 99.0


@dataclass
class Core:
    """A `lumetry core` process of its own, and calls to it as the administrator."""

    folder: Path
    config: Config
    token: str
    process: subprocess.Popen[bytes] | None = None
    address: str = ""

    def start(self) -> None:
        """Starts the process and waits until it serves."""
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "lumetry_core", "core", "--data-dir", str(self.folder), "--grpc", "127.0.0.1:0"]
        with (self.folder / "core.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--ready-fd", str(writing)],
                pass_fds=(writing,),
                stdout=log,
                stderr=log,
                env={**os.environ, "LUMETRY_DATABASE_URL": self.config.database_url},
            )
        os.close(writing)
        with os.fdopen(reading) as pipe:
            line = pipe.readline()
        assert line, self.describe()
        self.address = json.loads(line)["grpc"]

    def describe(self) -> str:
        return (self.folder / "core.log").read_text()[-4000:]

    def call(self, stub: type[Any], method: str, request: Any) -> Any:
        with grpc.insecure_channel(self.address) as channel:
            return getattr(stub(channel), method)(request, metadata=(("authorization", f"Bearer {self.token}"),), timeout=20)

    def ingest(self, metrics: Sequence[str], seconds: int, value: float) -> None:
        """Sends one point of each metric in one batch."""
        points = [ingestion_service_pb2.Point(metric_key=metric, value=value, labels={"host.id": "pair"}) for metric in metrics]
        for point in points:
            point.time.FromSeconds(START + seconds)
        request = ingestion_service_pb2.IngestMetricsRequest(points=points)
        self.call(ingestion_service_pb2_grpc.IngestionServiceStub, "IngestMetrics", request)

    def watch(self, metric: str) -> None:
        """Makes a rule that a value above the limit breaks."""
        definition = rule_pb2.RuleDefinition(name=metric, metric_key=metric, type="Static", direction="Above", static_upper=LIMIT)
        request = rule_service_pb2.CreateRuleRequest(definition=definition)
        self.call(rule_service_pb2_grpc.RuleServiceStub, "CreateRule", request)

    def alerts(self) -> dict[str, int]:
        """The violations counted by the one alert of each metric."""
        request = alert_service_pb2.ListAlertsRequest(limit=5000)
        alerts = self.call(alert_service_pb2_grpc.AlertServiceStub, "ListAlerts", request).alerts
        assert len({alert.metric_key for alert in alerts}) == len(alerts)
        return {alert.metric_key: alert.violation_count for alert in alerts}

    def violations(self) -> Counter[tuple[str, int]]:
        """How often each metric and second was noted as a violation."""
        request = violation_service_pb2.ListViolationsRequest(limit=5000)
        violations = self.call(violation_service_pb2_grpc.ViolationServiceStub, "ListViolations", request).violations
        return Counter((violation.metric_key, violation.time.seconds - START) for violation in violations)

    def series(self, metric: str) -> list[tuple[int, float]]:
        """Second and value of each stored point."""
        request = metric_service_pb2.QuerySeriesRequest(metric_key=metric)
        answer = self.call(metric_service_pb2_grpc.MetricServiceStub, "QuerySeries", request)
        times, values = np.frombuffer(answer.times, "<i8"), np.frombuffer(answer.values, "<f8")
        return [(moment // 1000 - START, value) for moment, value in zip(times.tolist(), values.tolist(), strict=True)]

    def is_ready(self) -> bool:
        answer = self.call(status_service_pb2_grpc.StatusServiceStub, "GetReadiness", status_service_pb2.GetReadinessRequest())
        return bool(answer.ready)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


START = int(time.time()) - 600


@pytest.fixture
def url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """The address of a fresh, migrated database."""
    name = f"pair_{os.getpid()}"
    asyncio.run(run_on_server(postgres_server, f"CREATE DATABASE {name} TEMPLATE {postgres_template}"))
    yield postgres_server.replace("/postgres?", f"/{name}?")
    asyncio.run(run_on_server(postgres_server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def cores(url: str, tmp_path: Path) -> Iterator[tuple[Core, Core]]:
    """Two cores that serve the same database."""
    pair = []
    token = ""
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        config = Config(data_dir=folder, database_url=url, admin_password="correct horse battery")
        token = token or asyncio.run(create_token(config, name="test", user="admin", permissions=None))
        pair.append(Core(folder, config, token))
    for core in pair:
        core.start()
    yield pair[0], pair[1]
    for core in pair:
        if core.process is not None and core.process.poll() is None:
            core.process.kill()
            core.process.wait()


def shares(url: str) -> list[int]:
    """How many partitions each owner whose lease lasts has, ascending."""

    async def ask() -> list[int]:
        connection = await asyncpg.connect(url)
        try:
            query = "SELECT count(*) FROM inbox_partitions WHERE lease_expire_time > $1 GROUP BY lease_owner ORDER BY 1"
            return [row[0] for row in await connection.fetch(query, int(time.time() * 1000))]
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_cores_share_partitions_and_take_over_from_one_that_is_killed(url: str, cores: tuple[Core, Core]) -> None:
    """Points sent to either core become alerts; a killed core's partitions move within seconds, and nothing is lost or doubled."""
    first, second = cores
    half = POSTGRES_PARTITIONS // 2
    wait_until(lambda: shares(url) == [half, half], 20, first.describe)
    first.ingest(METRICS, 0, CALM)
    for core, metric in zip(cores * (len(METRICS) // 2), METRICS, strict=True):
        core.watch(metric)

    early, late = METRICS[:12], METRICS[12:]
    seconds = range(1, 7)
    for second_of, core in zip(seconds, cores * 3, strict=True):
        core.ingest(early, second_of, BROKEN)
    wait_until(lambda: second.alerts() == dict.fromkeys(early, len(seconds)), 20, second.describe)

    assert first.process is not None
    first.ingest(METRICS, 7, BROKEN)
    first.process.kill()
    killed = time.monotonic()
    first.process.wait()
    second.ingest(METRICS, 8, BROKEN)
    after = dict.fromkeys(early, 8) | dict.fromkeys(late, 2)
    wait_until(lambda: second.alerts() == after, TAKEN_OVER_SECONDS, second.describe)
    assert time.monotonic() - killed < TAKEN_OVER_SECONDS
    assert shares(url) == [POSTGRES_PARTITIONS]
    assert second.is_ready()

    first.start()
    wait_until(lambda: shares(url) == [half, half], 20, first.describe)
    first.ingest(METRICS, 9, BROKEN)
    wait_until(lambda: second.alerts() == {metric: count + 1 for metric, count in after.items()}, 20, first.describe)
    expected = [(metric, moment) for metric in early for moment in range(1, 10)] + [
        (metric, moment) for metric in late for moment in (7, 8, 9)
    ]
    assert first.violations() == Counter(expected)
    for metric in METRICS:
        broken = range(1, 10) if metric in early else (7, 8, 9)
        assert second.series(metric) == [(0, CALM), *((moment, BROKEN) for moment in broken)]
    assert (first.stop(), second.stop()) == (0, 0)


def test_serve_keeps_the_address_of_the_database_out_of_arguments(url: str, tmp_path: Path) -> None:
    """The address may hold a password, and every user of the machine can see the arguments of processes."""
    running = Deployment(tmp_path / "data", environ={"LUMETRY_DATABASE_URL": url})
    running.start()
    try:
        assert running.request("GET", "/readyz")[0] == 200
        lines = {role: psutil.Process(pid).cmdline() for role, pid in running.children().items()}
        assert set(lines) == {"core", "gateway"}
        assert [part for line in lines.values() for part in line if "postgres" in part] == []
    finally:
        assert running.stop() == 0
