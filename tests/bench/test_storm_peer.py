import msgspec

from lumetry_core.bench.receiver import Arrival
from lumetry_core.bench.storm_peer import first_pages, peer_labels
from lumetry_core.bench.storm_topology import Topology, storm_series


def test_peer_labels_name_the_service() -> None:
    """The peer groups by as many services as the product finds in the topology."""
    labels = [peer_labels(one) for one in storm_series(Topology(3), 30)]
    assert labels[0] == {"__name__": "bench_storm_000", "host": "bench:host-0000-0", "service": "bench:host-0000"}
    assert len({one["service"] for one in labels}) == 3
    assert len({tuple(one.items()) for one in labels}) == 30


def test_first_pages_are_those_that_count() -> None:
    """A group that is told again, because alerts came after its first flush, was told at its first page."""
    told = [("a", 1.0), ("b", 2.0), ("a", 3.0)]
    pages = [Arrival(time, "peer", "", msgspec.json.encode({"groupLabels": {"service": name}})) for name, time in told]
    assert first_pages(pages) == {"a": 1.0, "b": 2.0}
