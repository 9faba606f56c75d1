"""A collector made from the generated stubs delivers notifications of a real server from inside "its" network."""

import gzip
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1 import work_pb2
from lumetry.collectors.v1.collector_service_pb2_grpc import CollectorServiceStub
from tests.process.conftest import Deployment, wait_until
from tests.process.receiver import receiving

METRIC = "inside.disk"
MOMENT = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
CAPABILITIES = ["notification"]


@dataclass
class Collector:
    """A collector that does nothing but deliver."""

    deployment: Deployment
    id: str
    credential: str
    instance_id: str = field(default_factory=lambda: str(uuid4()))
    tokens: list[str] = field(default_factory=list)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Who calls."""
        return (("authorization", f"Bearer {self.credential}"),)

    def beat(self, stub: CollectorServiceStub) -> None:
        """Reports that it is there."""
        request = pb.SendHeartbeatRequest(instance_id=self.instance_id, version="0", capabilities=CAPABILITIES)
        request.send_time.GetCurrentTime()
        stub.SendHeartbeat(request, metadata=self.metadata, timeout=20)

    def deliver(self, stub: CollectorServiceStub, work: work_pb2.WorkItem) -> None:
        """Sends one notification and reports it."""
        self.tokens.append(work.claim_token)
        asked = work.notification
        request = urllib.request.Request(asked.url, asked.body, dict(asked.headers), method=asked.method)
        try:
            with urllib.request.urlopen(request, timeout=work.budget_ms / 1000) as response:
                status = response.status
        except urllib.error.HTTPError as error:
            with error:
                status = error.code
        outcome = work_pb2.WorkOutcome(succeeded=status < 300, status_code=status)
        completion = pb.CompleteWorkRequest(claim_id=work.claim_id, claim_token=work.claim_token, outcome=outcome)
        stub.CompleteWork(completion, metadata=self.metadata, timeout=20)

    @contextmanager
    def working(self) -> Iterator[CollectorServiceStub]:
        """Watches and delivers during the block."""
        with grpc.insecure_channel(self.deployment.addresses["grpc"]) as channel:
            stub = CollectorServiceStub(channel)
            self.beat(stub)
            stream = stub.WatchCollector(pb.WatchCollectorRequest(capabilities=CAPABILITIES, max_outstanding=2), metadata=self.metadata)

            def work() -> None:
                try:
                    for directive in stream:
                        if directive.HasField("work"):
                            self.deliver(stub, directive.work)
                except grpc.RpcError:
                    return  # the block has ended

            thread = threading.Thread(target=work)
            thread.start()
            try:
                yield stub
            finally:
                stream.cancel()
                thread.join(20)


def create(deployment: Deployment, path: str, body: dict[str, Any], expected: int = 201) -> dict[str, Any]:
    status, answer = deployment.request("POST", path, body)
    assert status == expected, answer
    assert isinstance(answer, dict)
    return answer


def enroll(deployment: Deployment, name: str = "Edge") -> Collector:
    """A collector that may deliver notifications."""
    registered = create(deployment, "/api/collectors", {"name": name})
    status, answer = deployment.request("PUT", f"/api/collectors/{registered['id']}/config", {"notifications": {"enabled": True}})
    assert status == 200, answer
    body = {"installationId": str(uuid4()), "hostname": "edge", "version": "0", "capabilities": CAPABILITIES}
    status, enrolled = deployment.request("POST", "/v1/collectors/enroll", body, token=registered["enrollmentToken"])
    assert status == 201, enrolled
    return Collector(deployment, registered["id"], enrolled["credential"])


def batch(value: float, moment: datetime) -> dict[str, Any]:
    return {"metrics": [{"metricName": METRIC, "timestamp": moment.isoformat(), "value": value, "labels": {"host.id": "srv"}}]}


def test_notifications_arrive_by_way_of_the_collector(tmp_path: Path) -> None:
    """The server may reach nothing private; a test and an alert's opening and close arrive although the core is killed in between."""
    deployment = Deployment(tmp_path)
    deployment.start()
    try:
        with receiving() as receiver:
            collector = enroll(deployment)
            target = {"name": "Inside", "type": "Webhook", "endpointUrl": receiver.url, "collectorId": collector.id, "secret": "signing"}
            inside = create(deployment, "/api/alerting/integrations", target)
            create(deployment, "/api/alerting/profiles", {"name": "All", "isDefault": True, "integrationIds": [inside["id"]]})

            tested = create(deployment, f"/api/alerting/integrations/{inside['id']}/test", {}, 200)
            assert (tested["success"], tested["error"]) == (False, "Collector Edge is offline.")
            with collector.working():
                tested = create(deployment, f"/api/alerting/integrations/{inside['id']}/test", {}, 200)
            assert (tested["success"], tested["statusCode"], tested["error"]) == (True, 204, None)
            assert [body["test"] for body in receiver.bodies] == [True]

            create(deployment, "/v1/metrics", batch(1.0, MOMENT - timedelta(minutes=1)), 202)
            level = {"severity": "Critical", "recoveryMinutes": 0}
            rule = {"name": "Full", "metricId": METRIC, "type": "Static", "direction": "Above", "staticUpper": 90, "alertLevels": [level]}
            create(deployment, "/api/rules", rule)
            create(deployment, "/v1/metrics", batch(99.0, MOMENT), 202)
            [pending] = wait_until(lambda: deployment.request("GET", "/api/alerting/deliveries")[1], 30, deployment.describe)
            assert pending["status"] == "Pending"
            kill_core(deployment)
            with collector.working():
                wait_until(lambda: len(receiver.keys) == 2, 60, deployment.describe)
                create(deployment, "/v1/metrics", batch(1.0, MOMENT + timedelta(minutes=1)), 202)
                wait_until(lambda: len(receiver.keys) == 3, 60, deployment.describe)
                wait_until(lambda: statuses(deployment) == ["Success", "Success"], 30, deployment.describe)
            assert receiver.keys[1:] == [f"{pending['alertId']}:open", f"{pending['alertId']}:close"]

            status, _ = deployment.request("POST", f"/api/collectors/{collector.id}/revoke")
            assert status == 200
            claim = {"capabilities": CAPABILITIES, "max": 1}
            assert deployment.request("POST", "/v1/collectors/claims", claim, token=collector.credential)[0] == 401
            tested = create(deployment, f"/api/alerting/integrations/{inside['id']}/test", {}, 200)
            assert (tested["success"], tested["error"]) == (False, "Collector Edge is revoked.")
            log = (tmp_path / "server.log").read_text()
            assert [token for token in collector.tokens if token in log] == []
    finally:
        deployment.stop()


def test_claims_over_http_are_completed_once(tmp_path: Path) -> None:
    """Where no HTTP/2 passes, work is claimed and completed over the routes; once, and by nobody else."""
    deployment = Deployment(tmp_path)
    deployment.start()
    try:
        collector = enroll(deployment)
        with grpc.insecure_channel(deployment.addresses["grpc"]) as channel:
            collector.beat(CollectorServiceStub(channel))
        target = {"name": "Inside", "type": "Webhook", "endpointUrl": "http://10.0.0.8/hook", "collectorId": collector.id}
        inside = create(deployment, "/api/alerting/integrations", target)
        answers: list[dict[str, Any]] = []
        path = f"/api/alerting/integrations/{inside['id']}/test"
        thread = threading.Thread(target=lambda: answers.append(create(deployment, path, {}, 200)))
        thread.start()

        def claim() -> list[dict[str, Any]]:
            body = {"capabilities": CAPABILITIES, "max": 20}
            status, answer = deployment.request("POST", "/v1/collectors/claims", body, token=collector.credential)
            assert status == 200, answer
            return list(answer["items"])

        [item] = wait_until(claim, 15, deployment.describe)
        assert (item["kind"], item["payload"]["url"], item["payload"]["method"]) == ("notification", "http://10.0.0.8/hook", "POST")
        complete = f"/v1/collectors/claims/{item['claimId']}/complete"
        body = {"claimToken": item["claimToken"], "status": "failed", "error": "no route to 10.0.0.8", "result": {"durationMs": 3}}
        wrong = deployment.request("POST", complete, {**body, "claimToken": "lmtw_x"}, token=collector.credential)
        other = enroll(deployment, "Other")
        foreign = deployment.request("POST", complete, body, token=other.credential)
        never = complete.replace(item["claimId"], "00000000-0000-4000-8000-000000000000")
        unknown = deployment.request("POST", never, body, token=other.credential)
        first = send_zipped(deployment, complete, body, collector.credential)
        second = deployment.request("POST", complete, body, token=collector.credential)
        thread.join(30)
        assert [(status, answer and answer["type"]) for status, answer in (wrong, first, second)] == [
            (400, "/problems/conflict"),
            (204, None),
            (400, "/problems/conflict"),
        ]
        assert [(status, answer["type"]) for status, answer in (foreign, unknown)] == [(404, "about:blank")] * 2
        assert [(answer["success"], answer["error"]) for answer in answers] == [(False, "no route to 10.0.0.8")]
    finally:
        deployment.stop()


def send_zipped(deployment: Deployment, path: str, body: dict[str, Any], credential: str) -> tuple[int, Any]:
    """A request whose body is compressed, as collectors may send any of theirs."""
    headers = {"Authorization": f"Bearer {credential}", "Content-Type": "application/json", "Content-Encoding": "gzip"}
    url = f"http://{deployment.addresses['http']}{path}"
    with urllib.request.urlopen(urllib.request.Request(url, gzip.compress(json.dumps(body).encode()), headers), timeout=30) as response:
        return response.status, json.loads(response.read() or b"null")


def test_the_collector_itself_delivers(tmp_path: Path) -> None:
    """`lumetry collector run` takes notifications over gRPC as they come, and over HTTP when it asks."""
    deployment = Deployment(tmp_path / "data")
    deployment.start()
    try:
        with receiving() as receiver:
            for scheme in ("grpc", "http"):
                registered = create(deployment, "/api/collectors", {"name": f"Edge {scheme}"})
                config = {"notifications": {"enabled": True}, "hostMetrics": {"enabled": False}}
                assert deployment.request("PUT", f"/api/collectors/{registered['id']}/config", config)[0] == 200
                target = {"name": scheme, "type": "Webhook", "endpointUrl": receiver.url, "collectorId": registered["id"]}
                inside = create(deployment, "/api/alerting/integrations", target)
                options = ["--url", f"{scheme}://{deployment.addresses[scheme]}", "--state-dir", str(tmp_path / scheme)]
                with running([*options, "--enrollment-token", registered["enrollmentToken"]], deployment.environment()):
                    path = f"/api/collectors/{registered['id']}"
                    wait_until(lambda path=path: deployment.request("GET", path)[1]["isOnline"], 60, deployment.describe)
                    tested = create(deployment, f"/api/alerting/integrations/{inside['id']}/test", {}, 200)
                assert (tested["success"], tested["statusCode"], tested["error"]) == (True, 204, None)
            assert [body["test"] for body in receiver.bodies] == [True, True]
    finally:
        deployment.stop()


@contextmanager
def running(options: list[str], environment: dict[str, str]) -> Iterator[None]:
    """A collector process during the block."""
    process = subprocess.Popen([sys.executable, "-m", "lumetry_core", "collector", "run", *options], env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def statuses(deployment: Deployment) -> list[str]:
    return sorted(delivery["status"] for delivery in deployment.request("GET", "/api/alerting/deliveries")[1])


def kill_core(deployment: Deployment) -> None:
    """Kills the core and waits until another one serves."""
    import psutil  # noqa: PLC0415

    core = deployment.children()["core"]
    psutil.Process(core).kill()
    wait_until(lambda: deployment.children().get("core", core) != core, 60, deployment.describe)

    def serves() -> bool:
        try:
            return deployment.request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    wait_until(serves, 60, deployment.describe)
