"""Certificates of a real TLS server, from the first look over an alert to the renewal, on a whole deployment."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.core.certificates.authority import Issued, issue, make_root, serving
from tests.process.conftest import Deployment, wait_until


def make(days: float) -> Issued:
    return issue("localhost", days=days, now=datetime.now(UTC))


async def test_expiring_certificate_alerts_until_it_is_renewed(tmp_path: Path) -> None:
    """The first check alerts at once; after the renewal the next one resolves the alert."""
    roots = tmp_path / "roots.pem"
    roots.write_bytes(make_root().pem)
    deployment = Deployment(tmp_path / "data", environ={"SSL_CERT_FILE": str(roots)})
    await asyncio.to_thread(deployment.start)
    try:
        async with serving(make(5.5)) as server:
            await asyncio.to_thread(tell_story, deployment, server)
    finally:
        await asyncio.to_thread(deployment.stop)


def tell_story(deployment: Deployment, server: Any) -> None:
    body = {"hostname": "https://LOCALHOST/", "port": server.port}
    status, made = deployment.request("POST", "/api/v1/certificates", body)
    assert status == 201, made
    monitor, check = made["certificate"], made["latest_check"]
    assert (monitor["status"], monitor["last_alerted_threshold"]) == ("expiring", 7)
    assert (check["days_remaining"], check["chain_valid"], check["hostname_match"]) == (5, True, True)
    assert [entry["subject_cn"] for entry in check["chain"]] == ["localhost", "Test Trust CA 1"]
    name = f"localhost:{server.port}"
    [alert] = read(deployment, "/api/v1/alerts?source=certificate")["alerts"]
    assert {key: alert[key] for key in ("alert_type", "severity", "status", "entity_type", "entity_id", "entity_name")} == {
        "alert_type": "expiring",
        "severity": "critical",
        "status": "active",
        "entity_type": "certificate",
        "entity_id": monitor["id"],
        "entity_name": name,
    }
    [seen] = [each for each in read(deployment, "/api/alerts") if each["id"] == alert["id"]]
    assert (seen["alertName"], seen["sourceKind"]) == (f"Certificate expiring: {name}", "Monitor")
    assert deployment.request("POST", "/api/v1/certificates", body)[1]["error"]["code"] == "duplicate_monitor"

    server.present(make(90))
    status, _ = deployment.request("PUT", f"/api/v1/certificates/{monitor['id']}", {"check_interval_seconds": 3600})
    assert status == 200

    def is_renewed() -> bool:
        return bool(read(deployment, f"/api/v1/certificates/{monitor['id']}")["certificate"]["status"] == "valid")

    wait_until(is_renewed, 20, deployment.describe)
    [alert] = read(deployment, "/api/v1/alerts?source=certificate")["alerts"]
    assert alert["status"] == "resolved"
    checks = read(deployment, f"/api/v1/certificates/{monitor['id']}/checks")
    assert ([each["days_remaining"] for each in checks["checks"]], checks["total"]) == ([89, 5], 2)
    assert deployment.request("DELETE", f"/api/v1/certificates/{monitor['id']}")[0] == 204
    assert deployment.request("GET", f"/api/v1/certificates/{monitor['id']}")[0] == 404


def read(deployment: Deployment, path: str) -> Any:
    status, answer = deployment.request("GET", path)
    assert status == 200, answer
    return answer
