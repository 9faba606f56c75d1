from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from lumetry_core.bench.alerting_setup import create_rule, create_webhooks, import_topology, make_point, send_points
from lumetry_core.bench.connection import Answer, BenchError, Connection

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


class Answering(Connection):
    """Stands for a connection whose server gives these answers, one after another; remembers what it was asked."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    def request(self, method: str, path: str, content: object = None) -> Answer:
        self.asked.append((method, path, content))
        status, body = self.answers.pop(0)
        return Answer(status, {}, msgspec.json.encode(body))


def test_make_point_carries_labels_where_there_are_some() -> None:
    """A point without labels has no member."""
    assert make_point("cpu", NOW, 1.5) == {"metricName": "cpu", "timestamp": "2026-06-01T08:00:00+00:00", "value": 1.5}
    assert make_point("cpu", NOW, 1.5, {"host.id": "a"})["labels"] == {"host.id": "a"}


def test_send_points_fills_batches() -> None:
    """A thousand points to a request, each batch accepted before the next one leaves."""
    connection = Answering((202, {}), (202, {}), (202, {}))
    send_points(connection, [make_point("cpu", NOW, 1.0)] * 2500)
    assert [len(content["metrics"]) for _method, _path, content in connection.asked] == [1000, 1000, 500]


def test_send_points_fails_when_a_batch_is_refused() -> None:
    """What was not accepted cannot be followed."""
    with pytest.raises(BenchError, match="503"):
        send_points(Answering((503, {})), [make_point("cpu", NOW, 1.0)])


def test_create_rule_opens_at_the_first_point() -> None:
    """One breach suffices, so that the way of a point is measured and no window."""
    connection = Answering((201, {"id": 1}))
    create_rule(connection, "cpu")
    ((method, path, rule),) = connection.asked
    assert (method, path, rule["metricId"]) == ("POST", "/api/rules", "cpu")
    assert [level["triggerCount"] for level in rule["alertLevels"]] == [1]


def test_create_webhooks_makes_them_the_default_route() -> None:
    """The profile pages every integration, without a cooldown."""
    connection = Answering((201, {"id": 4}), (201, {"id": 5}), (201, {"id": 1}))
    create_webhooks(connection, {"pager": "http://127.0.0.1:1/pager", "desk": "http://127.0.0.1:1/desk"})
    assert [content["endpointUrl"] for _method, _path, content in connection.asked[:2]] == [
        "http://127.0.0.1:1/pager",
        "http://127.0.0.1:1/desk",
    ]
    profile = connection.asked[2][2]
    assert (profile["isDefault"], profile["cooldownMinutes"], profile["integrationIds"]) == (True, 0, [4, 5])


def test_import_topology_fails_when_it_was_there() -> None:
    """A deployment that knows nodes already is no fresh one."""
    node, edge = {"externalId": "a"}, {"sourceExternalId": "a"}
    import_topology(Answering((200, {"nodes": {"created": 1}, "edges": {"created": 1}})), [node], [edge])
    with pytest.raises(BenchError, match="a topology of 1 nodes and 1 edges became one of 0 and 1"):
        import_topology(Answering((200, {"nodes": {"created": 0}, "edges": {"created": 1}})), [node], [edge])
