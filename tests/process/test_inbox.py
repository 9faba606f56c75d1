"""The inbox and the public form of a real deployment (contract workspace 9, 14, 15)."""

import json
from pathlib import Path
from typing import Any

from tests.process.conftest import Deployment, wait_until

NEVER = "00000000-0000-4000-8000-000000000000"
CALM, LOUD = 1.0, 99.0
INQUIRY = {"name": "Ada", "email": "ada@example.com", "company": "Engines", "message": "Hello\nthere"}


def break_rule(deployment: Deployment, metric: str) -> None:
    """An alert about a metric, by a rule that its second point breaks."""
    for minute, value in enumerate((CALM, LOUD)):
        point = {"metricName": metric, "timestamp": f"2026-01-01T00:0{minute}:00Z", "value": value, "labels": {"host.id": "inbox"}}
        assert deployment.request("POST", "/v1/metrics", {"metrics": [point]})[0] == 202
        if value == CALM:
            rule = {"name": metric, "metricId": metric, "type": "Static", "direction": "Above", "staticUpper": 10}
            assert deployment.request("POST", "/api/rules", rule)[0] == 201


def read(deployment: Deployment, path: str, token: str | None = None) -> Any:
    status, answer = deployment.request("GET", f"/api/v1/{path}", token=token)
    assert status == 200, answer
    return answer["data"]


def test_incident_of_a_real_alert_reaches_the_inbox(deployment: Deployment) -> None:
    """The administrator is told, reads it and all; a colleague has notices of their own, of which the administrator finds none."""
    deployment.request("POST", "/api/users", {"username": "colleague", "password": "correct horse battery", "roles": ["Viewer"]})
    colleague = deployment.command("token", "create", "--name", "inbox", "--user", "colleague")
    break_rule(deployment, "inbox.latency")

    def find() -> Any:
        return read(deployment, "notifications?kind=incident_opened&unread=true")["items"]

    [notice] = wait_until(find, 20, deployment.describe)
    incident_id = notice["resource"]["id"]
    assert notice == {
        "id": notice["id"],
        "kind": "incident_opened",
        "severity": notice["severity"],
        "title": notice["title"],
        "body": notice["body"],
        "resource": {"type": "incident", "id": incident_id},
        "projectId": None,
        "link": f"/incidents/{incident_id}",
        "readAt": None,
        "createdAt": notice["createdAt"],
    }
    assert deployment.request("GET", f"/api/incidents/{incident_id}")[0] == 200
    path = f"/api/v1/notifications/{notice['id']}"
    assert deployment.request("PATCH", path, {"read": True})[1]["data"]["readAt"] is not None
    assert deployment.request("PATCH", path, {"read": False})[1]["data"] == notice

    [other] = read(deployment, "notifications?kind=incident_opened", colleague)["items"]
    for method, body in (("GET", None), ("PATCH", {"read": True}), ("DELETE", None)):
        for number in (other["id"], NEVER, "12"):
            assert deployment.request(method, f"/api/v1/notifications/{number}", body)[0] == 404
    assert read(deployment, f"notifications/{other['id']}", colleague) == other

    unread = read(deployment, "notifications")["unreadCount"]
    assert deployment.request("POST", "/api/v1/notifications/read-all", b"") == (
        200,
        {"success": True, "data": {"updated": unread, "unreadCount": 0}},
    )
    assert read(deployment, "notifications", colleague)["unreadCount"] >= 1
    assert deployment.request("DELETE", path) == (200, {"success": True, "data": {"id": notice["id"], "deleted": True}})
    assert deployment.request("DELETE", path)[0] == 404


def test_inquiry_with_and_without_honeypot(tmp_path: Path) -> None:
    """Both get the same answer; the command line shows what people sent, and the administrator is told of that alone."""
    deployment = Deployment(tmp_path / "data")
    deployment.start()
    try:
        answers = [deployment.request("POST", "/api/v1/enterprise-inquiry", body) for body in (INQUIRY, {**INQUIRY, "website": "spam"})]
        assert [(status, sorted(answer["data"])) for status, answer in answers] == [(201, ["id", "receivedAt"])] * 2
        status, answer = deployment.request("POST", "/api/v1/enterprise-inquiry", {"name": 5, "email": "nobody"})
        assert (status, answer["error"]["code"]) == (400, "BAD_REQUEST")
        [shown] = json.loads(deployment.command("inquiries", "list", "--json"))
        assert (shown["id"], shown["email"], shown["address"]) == (answers[0][1]["data"]["id"], "ada@example.com", "127.0.0.1")
        assert deployment.command("inquiries", "list").split("\t")[1:] == ["Ada", "ada@example.com", "Engines", "Hello there"]
        [notice] = read(deployment, "notifications?kind=enterprise_inquiry")["items"]
        assert notice["resource"] == {"type": "enterprise_inquiry", "id": shown["id"]}
        statuses = [deployment.request("POST", "/api/v1/enterprise-inquiry", b"{")[0] for _ in range(3)]
        assert statuses == [400, 400, 429]
    finally:
        assert deployment.stop() == 0
