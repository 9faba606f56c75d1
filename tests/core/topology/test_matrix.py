from itertools import product

import pytest

from lumetry_core.topology.matrix import is_allowed, refusal_of
from lumetry_core.topology.model import EdgeType, NodeType

ALLOWED = """
contains: BusinessService>BusinessService BusinessService>Application Application>Component Application>Database Component>Component
contains: Cluster>Host Cluster>Component Cluster>Database
runs_on: Application>Host Application>Cluster Component>Host Component>Cluster Database>Host Database>Cluster Cluster>Host
routes_to: Application>Component Application>Cluster Application>Host Component>Component Component>Cluster Component>Host
routes_to: Cluster>Component Cluster>Cluster Cluster>Host
"""
DEPENDENT = ("BusinessService", "Application", "Component", "Database")


def documented() -> set[tuple[str, str, str]]:
    """The edges of the contract's table (15.1)."""
    lines = [line.split(": ") for line in ALLOWED.strip().splitlines()]
    found = {(pair.split(">")[0], edge_type, pair.split(">")[1]) for edge_type, pairs in lines for pair in pairs.split()}
    return found | {(source, "depends_on", target) for source in DEPENDENT for target in (*DEPENDENT, "Cluster")}


@pytest.mark.parametrize("edge_type", EdgeType)
def test_edges_that_may_exist_are_the_documented_ones(edge_type: EdgeType) -> None:
    """Of all pairs of types exactly those of the contract's table are allowed."""
    found = {(source, edge_type, target) for source, target in product(NodeType, NodeType) if is_allowed(source, edge_type, target)}
    assert found == {each for each in documented() if each[1] == edge_type}


def test_refusal_names_types_and_edge() -> None:
    """The message is the one that clients know."""
    assert refusal_of(NodeType.HOST, EdgeType.RUNS_ON, NodeType.COMPONENT) == "Edge not allowed: a 'Host' cannot 'runs_on' a 'Component'."
