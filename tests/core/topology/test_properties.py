"""Random imports against a plain picture of what the graph must be (contract lumetry 15.1, 15.2, 11.4.1)."""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lumetry_core.runtime.database import open_database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.topology.draft import EdgeDraft, ImportDraft
from lumetry_core.topology.matrix import is_allowed
from lumetry_core.topology.model import EdgeType, NodeType
from lumetry_core.topology.service.context import NodeContext, Probe, find_contexts
from tests.core.topology.building import ORGANIZATION, TYPES, Graph, edge, push

NAMES = [f"{kind}-{number}" for kind in ("svc", "app", "comp", "host", "cluster", "db") for number in range(3)]
NOW = datetime(2026, 6, 1, tzinfo=UTC)
TYPE_OF = {name: NodeType(TYPES[name.split("-", maxsplit=1)[0]]) for name in NAMES}
EDGES = [
    edge(source, edge_type, target)
    for source in NAMES
    for target in NAMES
    for edge_type in EdgeType
    if source != target and is_allowed(TYPE_OF[source], edge_type, TYPE_OF[target])
]
IMPORTS = st.builds(
    lambda nodes, edges, source, mode: push(sorted(nodes), edges, source=source, mode=mode),
    st.sets(st.sampled_from(NAMES), max_size=len(NAMES)),
    st.lists(st.sampled_from(EDGES), max_size=14),
    st.sampled_from(["a", "b"]),
    st.sampled_from([None, "upsert", "snapshot"]),
)
EdgeText = tuple[str, str, str]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(IMPORTS, min_size=1, max_size=6))
def test_random_imports_keep_the_graph_sound(sqlite_template: Path, imports: list[ImportDraft]) -> None:
    """No node contains itself or has two parents; a replay and an invalid import change nothing; contexts are what a plain search finds."""

    async def run() -> None:
        with TemporaryDirectory() as folder:
            shutil.copy(sqlite_template, f"{folder}/lumetry.db")
            database = open_database(f"sqlite:///{folder}/lumetry.db", synchronous="OFF")
            try:
                graph = Graph(database, NOW)
                for number, draft in enumerate(imports):
                    await apply_and_check(graph, replace(draft, import_id=str(number)))
            finally:
                await database.close()

    asyncio.run(run())


async def apply_and_check(graph: Graph, draft: ImportDraft) -> None:
    """Applies an import, and again, and looks at what became of the graph."""
    before = (await graph.ids(), await graph.edges())
    try:
        result = await graph.apply(draft)
    except LumetryError:
        assert (await graph.ids(), await graph.edges()) == before
        return
    ids, edges = await graph.ids(), await graph.edges()
    assert {name for name in ids if name in {node.external_id for node in draft.nodes}} == {node.external_id for node in draft.nodes}
    assert {text_of(each) for each in draft.edges} <= edges
    if draft.mode != "snapshot":
        assert before[1] <= edges
    assert await graph.apply(draft) == replace(result, replayed=True)
    assert (await graph.ids(), await graph.edges()) == (ids, edges)
    check_tree(edges)
    await check_contexts(graph, ids, edges)


def text_of(sent: EdgeDraft) -> EdgeText:
    """What tells an edge from others."""
    return sent.source_external_id, sent.edge_type, sent.target_external_id


def check_tree(edges: set[EdgeText]) -> None:
    """One parent, one cluster, no cycle."""
    held = [(target, TYPE_OF[source] is NodeType.CLUSTER) for source, edge_type, target in edges if edge_type == "contains"]
    assert len(held) == len(set(held))
    parent = {target: source for source, edge_type, target in edges if edge_type == "contains" and TYPE_OF[source] is not NodeType.CLUSTER}
    for start in parent:
        seen = set()
        node: str | None = start
        while node is not None:
            assert node not in seen
            seen.add(node)
            node = parent.get(node)


async def check_contexts(graph: Graph, ids: Mapping[str, int], edges: set[EdgeText]) -> None:
    """The context of every node that is in the graph is the one that a search from it alone finds."""
    linked = {name for source, _, target in edges for name in (source, target)}
    names = sorted(linked)
    async with graph.database.read() as tx:
        contexts = await find_contexts(tx, ORGANIZATION, [Probe(node_id=ids[name]) for name in names])
    for name, context in zip(names, contexts, strict=True):
        assert (context.service_id, len(context.path)) == search(name, ids, edges)
        check_path(context, ids, edges)


def search(start: str, ids: Mapping[str, int], edges: set[EdgeText]) -> tuple[int | None, int]:
    """The nearest service above a node, and how many nodes lie on the way."""
    level, seen, length = {start}, {start}, 1
    while level:
        services = [ids[name] for name in level if TYPE_OF[name] is NodeType.BUSINESS_SERVICE]
        if services:
            return min(services), length
        level = {source for source, _, target in edges if target in level} - seen
        seen |= level
        length += 1
    return None, 1


def check_path(context: NodeContext, ids: Mapping[str, int], edges: set[EdgeText]) -> None:
    """Every step of a path is an edge, walked against its direction."""
    numbered = {(ids[source], edge_type, ids[target]) for source, edge_type, target in edges}
    for below, above in pairwise(context.path):
        assert (above.node_id, above.via, below.node_id) in numbered
