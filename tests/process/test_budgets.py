"""Budgets of a real deployment: what they stop, what they leave alone, and who hears of it (contract workspace 8, 15; logs 1.7)."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.process.conftest import Deployment, wait_until

ENTRY = {"timestamp": "2026-01-26T14:30:00Z", "level": "info", "message": "héllo", "metadata": {"user_id": "u1"}}
ENTRY_BYTES = 98
PASSWORD = "correct horse battery"
BOUNDARY = "between-the-parts"


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment in which a byte of logs is worth two micro-units."""
    running = Deployment(tmp_path / "data", environ={"LUMETRY_BILLING_LOG_BYTES_RATE": "2"})
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


def send(deployment: Deployment, path: str, body: bytes, content_type: str) -> tuple[int, Any, Any]:
    """Status, headers and body of a POST."""
    headers = {"Authorization": f"Bearer {deployment.token}", "Content-Type": content_type}
    request = urllib.request.Request(f"http://{deployment.addresses['http']}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, json.loads(error.read())


def push(deployment: Deployment, count: int) -> tuple[int, Any, Any]:
    return send(deployment, "/v1/logs", json.dumps({"logs": [ENTRY] * count}).encode(), "application/json")


def upload(deployment: Deployment, content: bytes) -> tuple[int, Any]:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="notes.txt"\r\nContent-Type: text/plain\r\n\r\n'
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    status, _, answer = send(deployment, "/api/v1/files", body, f"multipart/form-data; boundary={BOUNDARY}")
    return status, answer


def login(deployment: Deployment) -> str:
    _, answer = deployment.request("POST", "/api/auth/login", {"username": "admin", "password": PASSWORD})
    return str(answer["accessToken"])


def put(deployment: Deployment, person: str, *items: Mapping[str, Any]) -> list[Any]:
    status, answer = deployment.request("PUT", "/api/v1/billing/budgets", {"items": items}, person)
    assert status == 200, answer
    return list(answer["data"]["items"])


def read(deployment: Deployment, path: str) -> Any:
    status, answer = deployment.request("GET", f"/api/v1{path}")
    assert status == 200, answer
    return answer["data"]


def test_hard_budget_on_logs(deployment: Deployment) -> None:
    """A push that does not fit is a 429, whole; points go on; what was answered is what is charged, also after kill -9."""
    person = login(deployment)
    [budget] = put(deployment, person, {"name": "Logs", "meter": "log_bytes", "period": "month", "limit": 5 * ENTRY_BYTES, "mode": "hard"})
    assert [push(deployment, 2)[0] for _ in range(2)] == [200, 200]
    status, headers, body = push(deployment, 2)
    assert (status, body["error"]["code"]) == (429, "quota_exhausted")
    assert headers["X-RateLimit-Remaining"] == "0"
    assert 1 <= int(headers["Retry-After"]) <= 3600
    assert push(deployment, 1)[0] == 200
    point = {"metricName": "cpu", "timestamp": "2026-01-26T14:30:00Z", "value": 1}
    assert deployment.request("POST", "/v1/metrics", {"metrics": [point] * 3})[0] == 202
    for child in deployment.children().values():
        os.kill(child, 9)
    wait_until(lambda: answers(deployment), 60, deployment.describe)
    assert push(deployment, 1)[0] == 429
    usage = deployment.request("GET", "/v1/logs/usage")[1]
    assert (usage["totals"]["entries"], usage["totals"]["bytes_used"]) == (5, 5 * ENTRY_BYTES)
    assert usage["quota"][0]["remaining"] == 0
    billing = read(deployment, "/billing")
    assert billing["balance"]["creditMicrounits"] == -2 * 5 * ENTRY_BYTES
    assert billing["budgets"] == {"total": 1, "exceeded": 1}
    assert [meter["quantity"] for meter in billing["meters"][:3]] == [5 * ENTRY_BYTES, 5, 3]
    notices = wait_until(lambda: told(deployment, budget["id"], 3), 20, deployment.describe)
    assert sorted(notices) == ["budget_threshold", "budget_threshold", "quota_exhausted"]


def test_hard_budget_on_files_and_points(deployment: Deployment) -> None:
    """An upload that does not fit is a 402, points over their budget a 429, and neither stops logs."""
    person = login(deployment)
    files = {"name": "Files", "meter": "file_bytes", "limit": 10, "mode": "hard"}
    points = {"name": "Points", "meter": "metric_points", "period": "day", "limit": 2, "mode": "hard"}
    put(deployment, person, files, points)
    assert upload(deployment, b"12345678")[0] == 201
    status, answer = upload(deployment, b"123")
    assert (status, answer["error"]["code"]) == (402, "PAYMENT_REQUIRED")
    assert read(deployment, "/billing/budgets")["items"][0]["used"] == 8
    point = {"metricName": "cpu", "timestamp": "2026-01-26T14:30:00Z", "value": 1}
    assert deployment.request("POST", "/v1/metrics", {"metrics": [point] * 2})[0] == 202
    status, headers, problem = send(deployment, "/v1/metrics", json.dumps({"metrics": [point]}).encode(), "application/json")
    assert (status, problem["type"]) == (429, "/problems/rate-limited")
    assert 1 <= int(headers["Retry-After"]) <= 3600
    assert push(deployment, 1)[0] == 200
    put(deployment, person)
    assert deployment.request("POST", "/v1/metrics", {"metrics": [point]})[0] == 202
    assert upload(deployment, b"123")[0] == 201


def test_programs_do_not_manage_budgets(deployment: Deployment) -> None:
    """A token of an administrator is told that this takes a browser, and changes nothing."""
    status, answer = deployment.request("PUT", "/api/v1/billing/budgets", {"items": []})
    assert (status, answer["error"]) == (403, {"code": "FORBIDDEN", "message": "Budget management requires a browser session"})
    for path in ("/api/v1/billing/invoices", "/api/v1/billing/checkout", "/api/v1/billing/subscriptions"):
        assert deployment.request("GET", path)[0] == 404


def answers(deployment: Deployment) -> bool:
    """Whether the deployment is back."""
    try:
        return deployment.request("GET", "/readyz")[0] == 200
    except OSError:
        return False


def told(deployment: Deployment, budget_id: str, count: int) -> list[str]:
    """The kinds of the notifications about a budget, once there are so many."""
    items = read(deployment, "/notifications")["items"]
    kinds = [item["kind"] for item in items if item["resource"] == {"type": "budget", "id": budget_id}]
    return kinds if len(kinds) >= count else []
