from typing import Any

import pytest

from lumetry_core.incidents.keys import Anchor, CorrelationKey, KeyKind, anchor_of, correlation_key_of, key_of
from tests.core.incidents.building import an_alert

SERVICE = {"related_service_id": 42, "related_service_name": "Mobile Banking"}
CI = {"related_ci_id": 51, "related_ci_name": "srv-1"}
MONITOR = {"metric_key": None, "subject_type": "endpoint", "subject_id": 7, "subject_name": "Shop"}


@pytest.mark.parametrize(
    ("context", "key", "text"),
    [
        (SERVICE | CI, CorrelationKey(KeyKind.SERVICE, "42", "Mobile Banking"), "service:42"),
        (CI, CorrelationKey(KeyKind.CI, "51", "srv-1"), "ci:51"),
        ({}, CorrelationKey(KeyKind.METRIC, "cpu.usage", "CPU usage"), "metric:cpu.usage"),
        ({"dimension_key": "host.id=srv-1"}, CorrelationKey(KeyKind.METRIC, "cpu.usage", "CPU usage"), "metric:cpu.usage"),
        (MONITOR, CorrelationKey(KeyKind.MONITOR, "endpoint:7", "Shop"), "monitor:endpoint:7"),
        (MONITOR | CI, CorrelationKey(KeyKind.CI, "51", "srv-1"), "ci:51"),
        ({"metric_key": None}, None, None),
        ({"metric_key": ""}, None, None),
        ({"metric_key": None, "subject_type": "endpoint"}, None, None),
    ],
)
def test_key_of_an_alert(context: dict[str, Any], key: CorrelationKey | None, text: str | None) -> None:
    """The service decides, else the configuration item, else the metric, else the monitor; a host without node is no key."""
    alert = an_alert(**context)
    found = key_of(alert)
    assert (found, found and found.name, correlation_key_of(alert)) == (key, key and key.name, text)


@pytest.mark.parametrize(
    ("ci_node_id", "metric_key", "anchor"),
    [(51, "cpu.usage", Anchor(51, None)), (None, "cpu.usage", Anchor(None, "cpu.usage")), (None, "", None), (None, None, None)],
)
def test_anchor_of_what_is_known(ci_node_id: int | None, metric_key: str | None, anchor: Anchor | None) -> None:
    """The node, else the metric; nothing known is nothing shared."""
    assert anchor_of(ci_node_id, metric_key) == anchor
