from collections import Counter

from lumetry_core.bench.storm_topology import StormSeries, Topology, storm_series

LEGAL = {
    ("BusinessService", "contains", "Application"),
    ("Application", "contains", "Component"),
    ("Component", "depends_on", "Component"),
    ("Component", "runs_on", "Host"),
}


def test_topology_has_legal_edges_between_its_own_nodes() -> None:
    """What the contract allows, nothing twice, nothing to strangers."""
    topology = Topology(50)
    nodes = {node["externalId"]: node["nodeType"] for node in topology.nodes()}
    edges = [(edge["sourceExternalId"], edge["edgeType"], edge["targetExternalId"]) for edge in topology.edges()]
    assert len(nodes) == len(topology.nodes()) == 500
    assert len(set(edges)) == len(edges)
    assert {(nodes[source], kind, nodes[target]) for source, kind, target in edges} == LEGAL
    assert Counter(nodes.values()) == {"BusinessService": 50, "Application": 50, "Component": 150, "Host": 250}


def test_every_host_belongs_to_one_service() -> None:
    """Walking edges backwards from a host ends at its own service alone, so services are the incidents of a storm."""
    topology = Topology(3)
    sources: dict[str, set[str]] = {}
    for edge in topology.edges():
        sources.setdefault(edge["targetExternalId"], set()).add(edge["sourceExternalId"])
    found = Counter()  # type: ignore[var-annotated]
    for host in topology.hosts():
        reached, front = {host}, {host}
        while front:
            front = {source for node in front for source in sources.get(node, ())} - reached
            reached |= front
        services = [node for node in reached if node.startswith("bench:service-")]
        assert len(services) == 1
        found[services[0]] += 1
    assert found == {f"bench:service-{number:04d}": 5 for number in range(3)}


def test_storm_series_spread_evenly() -> None:
    """Every host has as many metrics as the others, and neighbours in a batch belong to different services."""
    topology = Topology(50)
    series = storm_series(topology, 5000)
    assert series[251] == StormSeries("bench_storm_001", "bench:host-0001-0")
    assert len(set(series)) == 5000
    assert set(Counter(one.host for one in series).values()) == {20}
    assert set(Counter(one.metric_key for one in series).values()) == {250}
    assert len({one.host.rsplit("-", 1)[0] for one in series[:50]}) == 50
