from datetime import UTC, datetime
from itertools import pairwise

import pytest
from sqlalchemy import event

from lumetry_core.metrics.binding import NewBinding
from lumetry_core.metrics.definition import Definition, pack_labels
from lumetry_core.metrics.service.bindings import bind_all
from lumetry_core.metrics.service.catalog import register_series
from lumetry_core.runtime.database import Database
from lumetry_core.topology.model import EdgeType, NodeType, PathNode
from lumetry_core.topology.service.context import NO_CONTEXT, NodeContext, Probe, find_contexts
from lumetry_core.topology.service.coverage import find_covering_nodes
from lumetry_core.topology.service.nodes import find_all_node_names, find_node_names, find_nodes
from tests.core.topology.building import CALLER, ORGANIZATION, Graph, node, push

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BANK = push(
    ["svc-bank", "svc-shop", "app-bank", "comp-web", "host-1", node("host-2", metadata_json='{"hostId": "srv-2"}'), "cluster-web", "db-1"],
    [
        ("svc-bank", "contains", "app-bank"),
        ("svc-shop", "depends_on", "app-bank"),
        ("app-bank", "contains", "comp-web"),
        ("comp-web", "runs_on", "cluster-web"),
        ("cluster-web", "contains", "host-1"),
        ("comp-web", "depends_on", "db-1"),
        ("db-1", "depends_on", "comp-web"),
    ],
)


@pytest.fixture
async def ids(graph: Graph) -> dict[str, int]:
    """The numbers of the nodes of a bank."""
    await graph.apply(BANK)
    return await graph.ids()


async def ask(database: Database, *probes: Probe) -> list[NodeContext]:
    async with database.read() as tx:
        return await find_contexts(tx, ORGANIZATION, probes)


async def bind(database: Database, *bindings: NewBinding) -> None:
    async with database.write() as tx:
        await bind_all(tx, CALLER, bindings, NOW)


async def test_host_label_leads_up_to_the_service(database: Database, ids: dict[str, int]) -> None:
    """The path runs from the host over its cluster to the service with the lower number of those equally near, with the edges walked."""
    [found] = await ask(database, Probe("cpu", "core=1|host.id=host-1"))
    assert found == NodeContext(
        service_id=ids["svc-bank"],
        service_name="SVC-BANK",
        ci_id=ids["host-1"],
        ci_name="HOST-1",
        path=(
            PathNode(ids["host-1"], "HOST-1", NodeType.HOST, None),
            PathNode(ids["cluster-web"], "CLUSTER-WEB", NodeType.CLUSTER, EdgeType.CONTAINS),
            PathNode(ids["comp-web"], "COMP-WEB", NodeType.COMPONENT, EdgeType.RUNS_ON),
            PathNode(ids["app-bank"], "APP-BANK", NodeType.APPLICATION, EdgeType.CONTAINS),
            PathNode(ids["svc-bank"], "SVC-BANK", NodeType.BUSINESS_SERVICE, EdgeType.CONTAINS),
        ),
    )


async def test_contexts_stand_in_the_order_of_their_probes(database: Database, ids: dict[str, int]) -> None:
    """A node without a service above has itself alone; a service is service and not CI; what has no node has no context."""
    alone, service, unknown, by_node, gone = await ask(
        database,
        Probe("cpu", "host.id=srv-2"),
        Probe(node_id=ids["svc-shop"]),
        Probe("cpu", "host.id=elsewhere"),
        Probe("cpu", "host.id=host-1", node_id=ids["db-1"]),
        Probe(node_id=10_000),
    )
    assert alone == NodeContext(None, None, ids["host-2"], "HOST-2", (PathNode(ids["host-2"], "HOST-2", NodeType.HOST, None),))
    assert service == NodeContext(
        ids["svc-shop"], "SVC-SHOP", None, None, (PathNode(ids["svc-shop"], "SVC-SHOP", NodeType.BUSINESS_SERVICE, None),)
    )
    assert (unknown, gone) == (NO_CONTEXT, NO_CONTEXT)
    assert (by_node.ci_id, by_node.service_id) == (ids["db-1"], ids["svc-bank"])


async def test_binding_outranks_the_host(database: Database, ids: dict[str, int]) -> None:
    """The binding with most pairs counts; one that does not match leaves the host."""
    await bind(database, NewBinding("cpu", ids["db-1"], {}), NewBinding("cpu", ids["comp-web"], {"host.id": "host-1"}))
    await bind(database, NewBinding("load", ids["db-1"], {"host.id": "host-1"}))
    found = await ask(database, Probe("cpu", "host.id=host-1"), Probe("cpu", "host.id=x"), Probe("load", "host.id=srv-2"), Probe("load"))
    assert [context.ci_id for context in found] == [ids["comp-web"], ids["db-1"], ids["host-2"], None]


async def test_labels_that_are_no_dimensions_count_when_all_series_share_them(database: Database, ids: dict[str, int]) -> None:
    """A metric's member is known by its dimensions and by what all its stored series carry besides."""
    carried = [
        ("cpu", {"core": "1", "site.id": "x", "host.id": "host-1"}),
        ("single", {}),
        ("single", {"host.id": "host-1"}),
        ("req", {"path": "/", "site.id": "x"}),
        ("req", {"path": "/b", "site.id": "x"}),
        ("req", {"path": "/b", "site.id": "y"}),
    ]
    definitions = {
        bytes([number] * 16): Definition(key, pack_labels(labels), "default", "custom") for number, (key, labels) in enumerate(carried)
    }
    async with database.write() as tx:
        await register_series(tx, ORGANIZATION, definitions, 1, NOW)
    await bind(database, NewBinding("req", ids["comp-web"], {"site.id": "x"}))
    found = await ask(database, Probe("req", "path=/"), Probe("req", "path=/b"), Probe("single"), Probe("cpu", "core=1|host.id=host-1"))
    assert [context.ci_id for context in found] == [ids["comp-web"], None, None, ids["host-1"]]


async def test_retired_nodes_are_no_context(database: Database, graph: Graph, ids: dict[str, int]) -> None:
    """Neither a binding nor a host label leads to a node that left the graph; history still knows its name."""
    await bind(database, NewBinding("cpu", ids["db-1"], {}))
    await graph.apply(push(["svc-bank"], import_id="2", mode="snapshot"))
    assert await ask(database, Probe("cpu"), Probe("cpu", "host.id=host-1"), Probe(node_id=ids["host-2"])) == [NO_CONTEXT] * 3
    async with database.write() as tx:
        assert (await find_nodes(tx, ORGANIZATION, ids.values())).keys() == {ids["svc-bank"]}
        assert await find_node_names(tx, ORGANIZATION, ids.values()) == {ids["svc-bank"]: "SVC-BANK"}
        assert await find_all_node_names(tx, ORGANIZATION, [ids["host-1"], 99]) == {ids["host-1"]: "HOST-1"}


async def test_number_of_queries_does_not_depend_on_the_probes(graph: Graph, database: Database) -> None:
    """A thousand probes ask as often as one; without any node one question is enough."""
    counts = [await count_queries(database, [Probe("cpu", "host.id=host-1")] * 3)]
    await graph.apply(BANK)
    for number in (1, 1000):
        probes = [Probe(f"cpu.{each}", f"host.id={('host-1', 'srv-2', 'x')[each % 3]}") for each in range(number)]
        counts.append(await count_queries(database, probes))
    assert (counts[0], counts[1] >= counts[2]) == (1, True)


async def count_queries(database: Database, probes: list[Probe]) -> int:
    async with database.read() as tx:
        statements: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            statements.append(statement)

        event.listen(tx.connection.sync_engine, "before_cursor_execute", note)
        await find_contexts(tx, ORGANIZATION, probes)
        event.remove(tx.connection.sync_engine, "before_cursor_execute", note)
    return len(statements)


async def test_covering_nodes_contain_or_carry(database: Database, graph: Graph, ids: dict[str, int]) -> None:
    """A workload is covered by what it runs on and by all that contains either; dependencies cover nothing."""
    async with database.read() as tx:
        covering = await find_covering_nodes(tx, ORGANIZATION, [ids["comp-web"], ids["host-1"], ids["db-1"], 99])
        assert await find_covering_nodes(tx, 8, [ids["comp-web"]]) == {ids["comp-web"]: frozenset({ids["comp-web"]})}
    assert covering == {
        ids["comp-web"]: frozenset(ids[name] for name in ("comp-web", "app-bank", "svc-bank", "cluster-web")),
        ids["host-1"]: frozenset({ids["host-1"], ids["cluster-web"]}),
        ids["db-1"]: frozenset({ids["db-1"]}),
        99: frozenset({99}),
    }


async def test_long_ways_are_walked_to_the_end(graph: Graph, database: Database) -> None:
    """A service behind more edges than are read level by level is found, and so is one beside it that is nearer."""
    names = [f"comp-{number}" for number in range(40)]
    links = [(above, "depends_on", below) for above, below in pairwise(names)]
    await graph.apply(push([*names, "svc-far", "svc-near", "comp-x"], [("svc-far", "depends_on", "comp-0"), *links]))
    ids = await graph.ids()
    far, near = await ask(database, Probe(node_id=ids["comp-39"]), Probe(node_id=ids["comp-x"]))
    assert (far.service_id, len(far.path), near.service_id) == (ids["svc-far"], 41, None)
    await graph.apply(push([], [("svc-near", "depends_on", "comp-20")], import_id="2"))
    [nearer] = await ask(database, Probe(node_id=ids["comp-39"]))
    assert (nearer.service_id, len(nearer.path)) == (ids["svc-near"], 21)
