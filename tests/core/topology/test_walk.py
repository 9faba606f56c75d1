from collections.abc import Mapping
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.topology.model import EdgeType
from lumetry_core.topology.walk import Hop, Visit, close_over, find_nearest, trace_back, trace_up, visit_all

CONTAINS, DEPENDS_ON, RUNS_ON, ROUTES_TO = EdgeType


def test_nearest_service_wins_and_of_equals_the_lowest_number() -> None:
    """Distance counts first, then the service's number, then the way over the lowest numbers."""
    sources_of = {9: [(7, RUNS_ON), (8, RUNS_ON)], 8: [(2, CONTAINS)], 7: [(3, CONTAINS), (6, CONTAINS)], 6: [(1, CONTAINS)]}
    hops = find_nearest(sources_of, [1, 2, 3])
    assert hops[9] == Hop(2, 2, 8, RUNS_ON)
    assert trace_up(9, hops) == [(9, None), (8, RUNS_ON), (2, CONTAINS)]
    assert hops[7] == Hop(1, 3, 3, CONTAINS)
    assert trace_up(5, hops) == [(5, None)]
    assert trace_up(3, hops) == [(3, None)]


def test_visits_follow_shortest_paths_through_cycles() -> None:
    """A cycle is walked once; of several edges the first type is named, of several ways the one over the lowest numbers."""
    links = {1: [(3, DEPENDS_ON), (2, DEPENDS_ON), (2, CONTAINS)], 2: [(4, RUNS_ON)], 3: [(4, RUNS_ON)], 4: [(1, ROUTES_TO)]}
    visits = visit_all(1, links)
    assert visits == {1: Visit(0, None, None), 2: Visit(1, 1, CONTAINS), 3: Visit(1, 1, DEPENDS_ON), 4: Visit(2, 2, RUNS_ON)}
    assert trace_back(4, visits) == [(1, None), (2, CONTAINS), (4, RUNS_ON)]


def test_closures_hold_their_start_and_end_on_cycles() -> None:
    """Everything that is led to belongs to a closure, however long the way."""
    links = {1: [2], 2: [3], 3: [1], 5: [1]}
    assert close_over([1, 4, 5], links) == {1: frozenset({1, 2, 3}), 4: frozenset({4}), 5: frozenset({1, 2, 3, 5})}


LINKS = st.dictionaries(st.integers(1, 9), st.lists(st.tuples(st.integers(1, 9), st.sampled_from(list(EdgeType))), max_size=4), max_size=9)


@given(LINKS, st.sets(st.integers(1, 9), max_size=3))
def test_nearest_is_what_a_walk_from_each_node_finds(sources_of: Mapping[int, list[tuple[int, EdgeType]]], services: set[int]) -> None:
    """From every node the service found at once is the one that a search from that node alone finds first; its path is real."""
    hops = find_nearest(sources_of, services)
    for start in range(1, 10):
        reached = {node: visit.depth for node, visit in visit_all(start, sources_of).items() if node in services}
        if not reached:
            assert start not in hops
            continue
        service = min(reached, key=lambda node: (reached[node], node))
        assert (hops[start].distance, hops[start].service_id) == (reached[service], service)
        path = trace_up(start, hops)
        assert (path[0], path[-1][0], len(path)) == ((start, None), service, reached[service] + 1)
        for (below, _), (above, via) in pairwise(path):
            assert (above, via) in sources_of[below]
