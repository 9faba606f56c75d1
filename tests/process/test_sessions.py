"""Agents and sessions on a real deployment, through a workspace key and beside an incident."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.process.conftest import Deployment, wait_until

PASSWORD = "correct horse battery"


def test_investigate_an_incident(deployment: Deployment) -> None:
    """A bot opens a session of an incident through its key, writes, and reads what the product adds; another project hides it all."""
    _, login = deployment.request("POST", "/api/auth/login", {"username": "admin", "password": PASSWORD})
    status, minted = deployment.request("POST", "/api/v1/api-keys", {"name": "bot"}, token=login["accessToken"])
    assert status == 201
    key = minted["data"]["key"]

    def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, answer = deployment.request(method, f"/api/v1{path}", body, token=key)
        return status, answer["data"] if answer["success"] else answer["error"]["code"]

    send = lambda path, body: deployment.request("POST", path, body)  # noqa: E731 -- as above, of other families
    start = datetime.now(UTC) - timedelta(minutes=5)

    def point(value: float, second: int) -> dict[str, Any]:
        return {"metricName": "latency", "timestamp": (start + timedelta(seconds=second)).isoformat(), "value": value, "labels": {}}

    send("/v1/metrics", {"metrics": [point(1, 0)]})
    assert send("/api/rules", {"name": "r", "metricId": "latency", "type": "Static", "direction": "Above", "staticUpper": 10})[0] == 201
    send("/v1/metrics", {"metrics": [point(99, 1)]})
    [incident] = wait_until(lambda: deployment.request("GET", "/api/incidents")[1], 20, deployment.describe)

    status, agent = ask("POST", "/agents", {"name": "Night watch"})
    assert (status, agent["slug"], agent["status"]) == (201, "night-watch", "online")
    assert ask("PATCH", "/agents/night-watch", {"allowedTools": []}) == (403, "FORBIDDEN")
    status, session = ask("POST", "/sessions", {"label": "Latency", "incidentId": incident["id"], "agentId": agent["id"]})
    assert (status, session["agentName"], session["incidentId"]) == (201, "Night watch", incident["id"])
    messages = f"/sessions/{session['id']}/messages"
    said = {"content": "Seen it, @admin", "agentId": "night-watch", "references": [{"type": "metric", "id": "latency"}]}
    status, message = ask("POST", messages, said)
    assert (status, message["role"], message["authorName"]) == (201, "agent", "Night watch")
    assert "mention" in [notice["kind"] for notice in ask("GET", "/notifications")[1]["items"]]

    assert send(f"/api/incidents/{incident['id']}/acknowledge", {"note": "on it"})[0] == 200
    listed = wait_until(lambda: len(found := ask("GET", messages)[1]["items"]) > 1 and found, 20, deployment.describe)
    key_text = incident["incidentKey"]
    assert [(each["role"], each["authorName"], each["content"]) for each in listed] == [
        ("agent", "Night watch", "Seen it, @admin"),
        ("system", "Lumetry", f"{key_text} was acknowledged by admin\n\non it"),
    ]
    assert [each["id"] for each in ask("GET", "/agents/night-watch/messages")[1]["items"]] == [message["id"]]
    assert ask("PATCH", f"/sessions/{session['id']}", {"status": "closed"})[1]["status"] == "closed"
    assert ask("POST", messages, {"content": "late"}) == (409, "CONFLICT")
    assert ask("DELETE", f"/sessions/{session['id']}") == (200, {"id": session["id"], "deleted": True})
    assert ask("GET", messages) == (404, "NOT_FOUND")
