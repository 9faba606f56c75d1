from collections.abc import Mapping
from datetime import UTC, datetime

from lumetry_core.metrics.binding import MetricBinding, choose_binding


def make(number: int, labels: Mapping[str, str]) -> MetricBinding:
    return MetricBinding(number, 7, "cpu", 100 + number, labels, datetime(2026, 6, 1, tzinfo=UTC))


def test_choose_prefers_more_pairs_then_the_lower_number() -> None:
    """A narrower binding wins over a wider one, an older one over its equal."""
    everything, host, other_host, host_and_mount, again = (
        make(1, {}),
        make(2, {"host.id": "a"}),
        make(3, {"host.id": "b"}),
        make(5, {"host.id": "a", "mount": "/"}),
        make(4, {"host.id": "a", "site": "x"}),
    )
    bindings = [again, host_and_mount, other_host, host, everything]
    assert choose_binding(bindings, {"host.id": "a", "mount": "/", "site": "x"}) == again
    assert choose_binding(bindings, {"host.id": "a", "mount": "/"}) == host_and_mount
    assert choose_binding(bindings, {"host.id": "a"}) == host
    assert choose_binding(bindings, {"host.id": "b", "site": "x"}) == other_host
    assert choose_binding(bindings, {}) == everything


def test_choose_of_none_that_matches() -> None:
    """Labels must carry all pairs of a binding; without any binding there is no choice either."""
    assert choose_binding([make(1, {"host.id": "a", "mount": "/"})], {"host.id": "a"}) is None
    assert choose_binding([], {"host.id": "a"}) is None
