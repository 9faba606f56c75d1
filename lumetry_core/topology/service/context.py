"""What a signal is about: its CI, the service above it, and the path between them (contract lumetry 11.4.1)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lumetry_core.metrics.binding import MetricBinding, choose_binding
from lumetry_core.metrics.dimension import labels_of_member
from lumetry_core.metrics.service.bindings import find_bindings, find_member_labels
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.model import AGENT, EdgeType, Node, NodeType, PathNode
from lumetry_core.topology.store import edges as edge_store
from lumetry_core.topology.store import nodes as node_store
from lumetry_core.topology.walk import find_nearest, trace_up

HOST_LABEL = "host.id"
MAX_LEVELS = 16
"""Levels that are read one by one; where a graph goes higher, the rest of it is read at once."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A signal whose context is asked for: a member of a metric, or something that has a node of its own."""

    metric_key: str | None = None
    dimension_key: str | None = None
    node_id: int | None = None


@dataclass(frozen=True, slots=True)
class NodeContext:
    """The context of a signal. A node that is a service itself is service and not CI. The path leads from the CI to the service."""

    service_id: int | None
    service_name: str | None
    ci_id: int | None
    ci_name: str | None
    path: tuple[PathNode, ...] = ()


NO_CONTEXT = NodeContext(None, None, None, None)


async def find_contexts(tx: Transaction, organization_id: int, probes: Sequence[Probe]) -> list[NodeContext]:
    """The context of each probe, in their order, with a number of queries that does not depend on theirs."""
    if not probes or not await node_store.has_nodes(tx, organization_id):
        return [NO_CONTEXT] * len(probes)
    centres = await find_centres(tx, organization_id, probes)
    starts = {node.id: node for of_probe in centres for node in of_probe}
    contexts = await climb(tx, organization_id, starts)
    return [choose_context([contexts[node.id] for node in of_probe]) for of_probe in centres]


def choose_context(contexts: Sequence[NodeContext]) -> NodeContext:
    """Of a component that the product itself drew, and of the host where it runs: the component's once people have given it a service."""
    if not contexts:
        return NO_CONTEXT
    return contexts[0] if contexts[0].service_id is not None else contexts[-1]


async def find_centres(tx: Transaction, organization_id: int, probes: Sequence[Probe]) -> list[tuple[Node, ...]]:
    """The node that each probe is about, and after a component that the product drew, its host."""
    keys = {probe.metric_key for probe in probes if probe.metric_key is not None and probe.node_id is None}
    bindings = await find_bindings(tx, organization_id, keys) if keys else {}
    bound_ids = {binding.node_id for of_metric in bindings.values() for binding in of_metric}
    nodes = await node_store.find_by_id(tx, organization_id, bound_ids | {probe.node_id for probe in probes if probe.node_id is not None})
    bindings = {key: [binding for binding in of_metric if binding.node_id in nodes] for key, of_metric in bindings.items()}
    labels = await find_labels(tx, organization_id, probes, bindings)
    chosen = [
        None if probe.metric_key is None else choose_binding(bindings.get(probe.metric_key, ()), carried)
        for probe, carried in zip(probes, labels, strict=True)
    ]
    bound = [
        nodes.get(probe.node_id) if probe.node_id is not None else None if binding is None else nodes[binding.node_id]
        for probe, binding in zip(probes, chosen, strict=True)
    ]
    wants_host = [probe.node_id is None and (node is None or node.source == AGENT) for probe, node in zip(probes, bound, strict=True)]
    named = {carried[HOST_LABEL] for carried, wants in zip(labels, wants_host, strict=True) if wants and HOST_LABEL in carried}
    hosts = await find_hosts(tx, organization_id, named)
    centres = []
    for node, carried, wants in zip(bound, labels, wants_host, strict=True):
        host = hosts.get(carried.get(HOST_LABEL, "")) if wants else None
        centres.append(tuple(each for each in (node, host) if each is not None))
    return centres


async def find_labels(
    tx: Transaction, organization_id: int, probes: Sequence[Probe], bindings: Mapping[str, Sequence[MetricBinding]]
) -> list[dict[str, str]]:
    """The labels by which each probe finds its node.

    Those that are no dimensions are the ones that all stored series of the member share; they are read only where they may matter.
    """
    labels = [labels_of_member(probe.dimension_key) if probe.node_id is None else {} for probe in probes]
    named = {key: {name for binding in of_metric for name in binding.labels} for key, of_metric in bindings.items()}
    wanting = {
        probe.metric_key
        for probe, carried in zip(probes, labels, strict=True)
        if probe.metric_key is not None
        and probe.node_id is None
        and (not named.get(probe.metric_key, set()) <= carried.keys() or is_without_host(bindings.get(probe.metric_key), carried))
    }
    if wanting:
        shared = await find_member_labels(tx, organization_id, wanting)
        for position, probe in enumerate(probes):
            if probe.metric_key in wanting:
                labels[position] = shared.get((probe.metric_key, probe.dimension_key), {}) | labels[position]
    return labels


def is_without_host(bindings: Sequence[MetricBinding] | None, labels: Mapping[str, str]) -> bool:
    """Whether neither a binding nor the label of a host tells the node."""
    return HOST_LABEL not in labels and choose_binding(bindings or (), labels) is None


async def find_hosts(tx: Transaction, organization_id: int, host_ids: Collection[str]) -> dict[str, Node]:
    """The host that each `host.id` means: by its external id, else by its metadata; of several the one with the lowest number."""
    found: dict[str, Node] = {}
    hosts = await node_store.find_hosts(tx, organization_id, host_ids) if host_ids else []
    for node in sorted(hosts, key=lambda host: host.id):
        if node.host_id is not None:
            found.setdefault(node.host_id, node)
    return found | {node.external_id: node for node in hosts}


async def climb(tx: Transaction, organization_id: int, starts: Mapping[int, Node]) -> dict[int, NodeContext]:
    """The context of each start, the graph being read level by level until every start has met its service."""
    known = {node.id: (node.display_name, node.node_type) for node in starts.values()}
    sources_of: dict[int, list[tuple[int, EdgeType]]] = {}
    services = {node.id for node in starts.values() if node.node_type is NodeType.BUSINESS_SERVICE}
    frontier = starts.keys() - services
    hops = find_nearest(sources_of, services)
    levels = 0
    while frontier:
        levels += 1
        reads_all = levels > MAX_LEVELS
        if reads_all:
            sources_of.clear()
        added: set[int] = set()
        for target, source, edge_type, name, node_type in await edge_store.find_sources(
            tx, organization_id, None if reads_all else frontier
        ):
            sources_of.setdefault(target, []).append((source, edge_type))
            if source not in known:
                known[source] = (name, node_type)
                added.add(source)
        met = {node_id for node_id in added if known[node_id][1] is NodeType.BUSINESS_SERVICE}
        services |= met
        frontier = set() if reads_all else added - met
        hops = find_nearest(sources_of, services)
        # What lies as many edges away as levels were read is known in full, so that nothing nearer can turn up.
        if all(start in hops and hops[start].distance <= levels for start in starts):
            break
    return {start: tell_context(trace_up(start, hops), known) for start in starts}


def tell_context(path: Iterable[tuple[int, EdgeType | None]], known: Mapping[int, tuple[str, NodeType]]) -> NodeContext:
    """The context that a path upwards ends in."""
    steps = tuple(PathNode(node_id, *known[node_id], via) for node_id, via in path)
    first, last = steps[0], steps[-1]
    has_service = last.node_type is NodeType.BUSINESS_SERVICE
    has_ci = first.node_type is not NodeType.BUSINESS_SERVICE
    return NodeContext(
        service_id=last.node_id if has_service else None,
        service_name=last.display_name if has_service else None,
        ci_id=first.node_id if has_ci else None,
        ci_name=first.display_name if has_ci else None,
        path=steps,
    )
