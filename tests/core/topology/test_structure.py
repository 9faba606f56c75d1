from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.runtime.errors import Faults, LumetryError
from lumetry_core.topology.structure import Containment, check_structure, find_cyclic


def faults_of(*edges: Containment) -> list[tuple[str, str]]:
    """What is noted of edges between nodes that are named after their keys."""
    faults = Faults()
    check_structure(edges, str, faults)
    try:
        faults.raise_if_any()
    except LumetryError as error:
        return [(fault.path, fault.message) for fault in error.faults]
    return []


def test_second_parent_is_refused_and_a_cluster_is_none() -> None:
    """A stored parent came first, whatever the order; a cluster counts apart, and only one does."""
    edges = (
        Containment("b", 1, False, "edges[0]"),
        Containment("a", 1, False, None),
        Containment("c", 1, True, "edges[1]"),
        Containment("d", 1, True, "edges[2]"),
        Containment("a", 2, False, "edges[3]"),
    )
    assert faults_of(*edges) == [
        ("edges[0]", "A node has one parent at most: '1' is contained in 'a'."),
        ("edges[2]", "A node has one cluster at most: '1' is contained in 'c'."),
    ]


def test_cycle_is_blamed_on_the_edges_of_the_request() -> None:
    """A cycle over a stored edge is named at each new edge on it, and at no edge beside it."""
    edges = (
        Containment(1, 2, False, None),
        Containment(2, 3, False, "edges[0]"),
        Containment(3, 1, False, "edges[1]"),
        Containment(3, 4, False, "edges[2]"),
    )
    assert faults_of(*edges) == [
        ("edges[0]", "'2' and '3' would contain each other."),
        ("edges[1]", "'3' and '1' would contain each other."),
    ]


@given(st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20))
def test_cyclic_nodes_are_those_between_which_one_can_go_round(links: set[tuple[int, int]]) -> None:
    """Exactly the nodes stay that cycles lead to and that lead to cycles."""
    reach = {node: reach_of(node, links) for node in range(9)}
    on_cycle = {node for node in range(9) if node in reach[node]}
    expected = {
        node for node in range(9) if node in on_cycle or (reach[node] & on_cycle and any(node in reach[other] for other in on_cycle))
    }
    assert find_cyclic(links) == expected


def reach_of(start: int, links: set[tuple[int, int]]) -> set[int]:
    """Everything that one or more steps lead to."""
    found: set[int] = set()
    waiting = [start]
    while waiting:
        current = waiting.pop()
        for source, target in links:
            if source == current and target not in found:
                found.add(target)
                waiting.append(target)
    return found
