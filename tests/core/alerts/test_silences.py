from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.alerts.model import Alert, SourceKind
from lumetry_core.alerts.service.transitions import new_alert
from lumetry_core.alerts.silences import Matchers, Silence, matches
from lumetry_core.rules.model import Severity
from tests.core.alerts.planning import NOW


@pytest.fixture
def alert(opening: Callable[..., Any]) -> Alert:
    """An alert of a member whose value holds what dimension keys escape."""
    changed = new_alert(7, opening(dimension_key="host.id=a|mount=/x%7Cy%257C=z"), NOW)
    return replace(changed, id=1, related_service_id=3, related_ci_id=30)


def silence(**matchers: Any) -> Silence:
    """A silence for an hour."""
    return Silence(5, 7, Matchers(**matchers), NOW, NOW + timedelta(hours=1), "Known", NOW, 42)


@pytest.mark.parametrize(
    ("matchers", "muted"),
    [
        ({"metric_key": "db.latency"}, True),
        ({"metric_key": "db"}, False),
        ({"rule_id": 17, "severity": Severity.WARNING}, True),
        ({"rule_id": 17, "severity": Severity.CRITICAL}, False),
        ({"rule_id": 18}, False),
        ({"source_kind": SourceKind.METRIC_RULE, "service_node_id": 3, "ci_node_id": 30}, True),
        ({"source_kind": SourceKind.EXTERNAL}, False),
        ({"service_node_id": 30}, False),
        ({"ci_node_id": 3}, False),
        ({"labels": {"host.id": "a"}}, True),
        ({"labels": {"host.id": "a", "mount": "/x|y%7C=z"}}, True),
        ({"labels": {"host.id": "a", "mount": "/x%7Cy%257C=z"}}, False),
        ({"labels": {"host.id": "A"}}, False),
        ({"labels": {"zone": ""}}, False),
    ],
)
def test_matches_when_all_matchers_do(alert: Alert, matchers: dict[str, Any], muted: bool) -> None:
    """Every given matcher must hold; labels are those of the dimension key, unescaped."""
    assert matches(silence(**matchers), alert) is muted


def test_matches_labels_of_external_alerts(alert: Alert) -> None:
    """An external alert has labels of its own; an alert without any matches no label."""
    assert matches(silence(labels={"team": "db"}), replace(alert, labels={"team": "db"}))
    assert not matches(silence(labels={"host.id": "a"}), replace(alert, labels={"team": "db"}))
    assert not matches(silence(labels={"host.id": "a"}), replace(alert, dimension_key=None))


def test_silence_is_active_until_its_end() -> None:
    """The start belongs to a silence, the end does not; a removed one mutes nothing."""
    one = silence(rule_id=1)
    hour = timedelta(hours=1)
    assert [one.is_active(time) for time in (NOW - hour, NOW, NOW + hour)] == [False, True, False]
    assert not replace(one, delete_time=NOW).is_active(NOW)


def test_matchers_are_empty_without_any() -> None:
    """No labels are no matcher."""
    assert Matchers(labels={}).is_empty
    assert not Matchers(labels={"a": "b"}).is_empty
