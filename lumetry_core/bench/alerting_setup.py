"""What the benchmarks of alerting set up and ask over HTTP, as an operator's tools would."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lumetry_core.bench.connection import BenchError, Connection

QUIET_VALUE, BREACHING_VALUE, LIMIT = 1.0, 100.0, 50.0
POINTS_PER_BATCH = 1000


def make_point(metric_key: str, moment: datetime, value: float, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A point as ingestion takes it."""
    point: dict[str, Any] = {"metricName": metric_key, "timestamp": moment.isoformat(), "value": value}
    return point | ({"labels": dict(labels)} if labels else {})


def send_points(connection: Connection, points: Sequence[Mapping[str, Any]]) -> None:
    """Sends points in batches; each was accepted when this returns.

    Raises:
        BenchError: A batch was refused.
    """
    for first in range(0, len(points), POINTS_PER_BATCH):
        connection.request("POST", "/v1/metrics", {"metrics": points[first : first + POINTS_PER_BATCH]}).json(202)


def create_rule(connection: Connection, metric_key: str) -> None:
    """Creates a rule by which the first point above the limit opens an alert."""
    rule = {
        "name": f"{metric_key} is high",
        "metricId": metric_key,
        "type": "Static",
        "direction": "Above",
        "staticUpper": LIMIT,
        "alertLevels": [{"severity": "Critical", "triggerCount": 1, "triggerWindowMinutes": 1, "recoveryMinutes": 5}],
    }
    connection.request("POST", "/api/rules", rule).json(201)


def create_webhooks(connection: Connection, urls: Mapping[str, str]) -> None:
    """Creates webhook integrations by name and a default profile that pages all of them."""
    ids = []
    for name, url in urls.items():
        integration = {"name": name, "type": "Webhook", "endpointUrl": url, "isEnabled": True}
        ids.append(connection.request("POST", "/api/alerting/integrations", integration).json(201)["id"])
    profile = {"name": "bench", "isDefault": True, "isEnabled": True, "cooldownMinutes": 0, "notifyOnClose": False, "integrationIds": ids}
    connection.request("POST", "/api/alerting/profiles", profile).json(201)


def import_topology(connection: Connection, nodes: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]]) -> None:
    """Imports a topology whose nodes are all new.

    Raises:
        BenchError: Not all nodes and edges were created.
    """
    payload = {"source": "bench", "importId": "bench-1", "nodes": nodes, "edges": edges}
    answer = connection.request("POST", "/v1/topology", payload).json(200)
    created = (answer["nodes"]["created"], answer["edges"]["created"])
    if created != (len(nodes), len(edges)):
        raise BenchError(f"a topology of {len(nodes)} nodes and {len(edges)} edges became one of {created[0]} and {created[1]}")


def read_list(connection: Connection, path: str) -> list[dict[str, Any]]:
    """The rows of a list."""
    rows: list[dict[str, Any]] = connection.request("GET", path).json(200)
    return rows
