"""Applies imports: everything of one, or nothing (contract lumetry 15.2)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from lumetry_core.access.service.audit import Change, record_audit, record_revisions
from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.metrics.service.bindings import bind_all
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults
from lumetry_core.topology.audit import audit_edge, audit_node
from lumetry_core.topology.draft import ImportDraft, digest_of
from lumetry_core.topology.importing import (
    FAILED,
    MAX_NAME,
    Mode,
    WantedEdge,
    check_bindings,
    check_edges,
    check_envelope,
    check_sizes,
    find_retiring,
    find_vanishing,
    has_changed,
    merge_nodes,
    named_external_ids,
    number_bindings,
)
from lumetry_core.topology.model import Edge, EdgeType, Node, NodeType
from lumetry_core.topology.service.containment import find_containers
from lumetry_core.topology.store import edges as edge_store
from lumetry_core.topology.store import imports as import_store
from lumetry_core.topology.store import nodes as node_store
from lumetry_core.topology.store import versions
from lumetry_core.topology.structure import Containment, Key, check_structure


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of nodes or edges."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    retired: int = 0


@dataclass(frozen=True, slots=True)
class BindingCounts:
    """What became of bindings."""

    created: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did; a replayed one did it earlier."""

    nodes: Counts
    edges: Counts
    bindings: BindingCounts
    replayed: bool = False


result_decoder = msgspec.json.Decoder(ImportResult)


@dataclass(frozen=True, slots=True)
class Checked:
    """An import without faults: what there will be, what was there, and what goes."""

    merged: Mapping[str, Node]
    stored: Mapping[str, Node]
    retiring: Sequence[Node]
    edges: Sequence[WantedEdge]
    vanishing: Sequence[Edge]
    bindings: Collection[tuple[str, str, tuple[tuple[str, str], ...]]]
    numbers: dict[str, int]
    """By external id."""


async def apply_import(tx: Transaction, caller: Caller, draft: ImportDraft, now: datetime) -> ImportResult:
    """Writes an import, unless it is a repetition. Fails with VALIDATION_FAILED, naming every fault by its path."""
    organization_id = caller.organization_id
    await versions.raise_version(tx, organization_id)
    await read_evaluation_version(tx, organization_id, hold=True)  # the metrics that are bound stay meanwhile
    envelope = Faults()
    mode = check_envelope(draft, envelope)
    digest = digest_of(draft)
    earlier = None if envelope else await import_store.find_import(tx, organization_id, draft.source, draft.import_id)
    if earlier is not None and earlier.digest == digest:
        return replace(result_decoder.decode(earlier.answer), replayed=True)
    result = await write_import(tx, caller, await check_import(tx, caller, draft, now), now)
    answer = import_store.StoredImport(digest, msgspec.json.encode(result).decode())
    await import_store.keep_import(tx, organization_id, draft.source, draft.import_id, answer, now)
    told = {"source": draft.source, "importId": draft.import_id, "mode": mode.value, **counts_of(result)}
    await record_audit(tx, caller, "TopologyImport.Applied", "TopologyImport", f"{draft.source}:{draft.import_id}", now, None, told)
    return result


def counts_of(result: ImportResult) -> dict[str, object]:
    """The numbers of a result as its answer spells them."""
    return {name: msgspec.to_builtins(getattr(result, name)) for name in ("nodes", "edges", "bindings")}


async def check_import(tx: Transaction, caller: Caller, draft: ImportDraft, now: datetime) -> Checked:
    """Checks everything of an import. Fails with VALIDATION_FAILED, naming every fault by its path."""
    organization_id = caller.organization_id
    faults = Faults()
    check_sizes(draft, faults)
    faults.raise_if_any(FAILED)  # more than fits is not worth a closer look
    is_snapshot = check_envelope(draft, faults) is Mode.SNAPSHOT and not faults
    stored = await node_store.find_by_external_id(tx, organization_id, named_external_ids(draft))
    merged = merge_nodes(draft, stored, organization_id, now, faults)
    owned = await node_store.find_of_source(tx, organization_id, draft.source) if is_snapshot else []
    named = {node.external_id for node in draft.nodes if node.external_id is not None}
    retiring = find_retiring(owned, named)
    left = {node.external_id for node in retiring}
    known = {node.external_id: node for node in stored.values() if not node.is_retired and node.external_id not in left} | merged
    doubtful = named - merged.keys()
    wanted = check_edges(draft.edges, known, doubtful, faults)
    members = {node.id for node in owned} | {node.id for node in merged.values() if node.id}
    at_members = await edge_store.find_edges_at(tx, organization_id, members) if is_snapshot else []
    kept = {(edge.source.id, edge.target.id, edge.edge_type) for edge in wanted}
    vanishing = find_vanishing(at_members, {node.id for node in retiring}, members, kept)
    await check_containment(tx, organization_id, wanted, vanishing, faults)
    keys = {binding.metric_key for binding in draft.bindings if len(binding.metric_key) <= MAX_NAME and "\0" not in binding.metric_key}
    bindings = check_bindings(draft.bindings, known, doubtful, await find_metrics(tx, organization_id, keys), faults)
    faults.raise_if_any(FAILED)
    return Checked(merged, stored, retiring, wanted, vanishing, bindings, {node.external_id: node.id for node in known.values()})


async def write_import(tx: Transaction, caller: Caller, checked: Checked, now: datetime) -> ImportResult:
    """Writes what a checked import asks for."""
    organization_id, vanishing = caller.organization_id, checked.vanishing
    changes: list[Change] = []
    nodes = await write_nodes(tx, organization_id, checked, changes, now)
    await edge_store.delete_edges(tx, organization_id, [edge.id for edge in vanishing])
    changes += [Change("TopologyEdge.Deleted", "TopologyEdge", edge.id, audit_edge(edge), None) for edge in vanishing]
    edges = await write_edges(tx, organization_id, checked.edges, checked.numbers, changes, now)
    await record_revisions(tx, caller, changes, now)
    added = await bind_all(tx, caller, number_bindings(checked.bindings, checked.numbers), now)
    return ImportResult(
        nodes=nodes,
        edges=replace(edges, retired=len(vanishing)),
        bindings=BindingCounts(len(added), len(checked.bindings) - len(added)),
    )


async def check_containment(
    tx: Transaction, organization_id: int, wanted: Sequence[WantedEdge], vanishing: Sequence[Edge], faults: Faults
) -> None:
    """Notes the edges of the payload that break the tree of containment as it will be."""
    new = [edge for edge in wanted if edge.edge_type is EdgeType.CONTAINS]
    if not new:
        return
    named: dict[Key, Node] = {key_of(node): node for edge in new for node in (edge.source, edge.target)}
    gone = {(edge.source_id, edge.target_id) for edge in vanishing if edge.edge_type is EdgeType.CONTAINS}
    stored = await find_containers(tx, organization_id, {node.id for node in named.values() if node.id}) - gone
    others = await node_store.find_by_id(tx, organization_id, {key for link in stored for key in link if key not in named})
    nodes = named | others
    edges = [Containment(*link, nodes[link[0]].node_type is NodeType.CLUSTER, None) for link in sorted(stored)]
    edges += [Containment(key_of(edge.source), key_of(edge.target), edge.source.node_type is NodeType.CLUSTER, edge.path) for edge in new]
    check_structure(edges, lambda key: nodes[key].external_id, faults)


def key_of(node: Node) -> Key:
    """What tells a node from others that may have no numbers yet."""
    return node.id or node.external_id


async def write_nodes(tx: Transaction, organization_id: int, checked: Checked, changes: list[Change], now: datetime) -> Counts:
    """Writes what nodes are new or other than they were, notes their numbers, and what is to be kept as their history."""
    merged, stored, retiring, numbers = checked.merged, checked.stored, checked.retiring, checked.numbers
    new = [node for node in merged.values() if not node.id]
    changed = [node for node in merged.values() if node.id and has_changed(stored[node.external_id], node)]
    retired = [replace(node, is_retired=True, update_time=now) for node in retiring]
    numbers.update(await node_store.insert_nodes(tx, new))
    await node_store.update_nodes(tx, [*changed, *retired])
    kind = "TopologyNode"
    changes += [Change(f"{kind}.Created", kind, numbers[node.external_id], None, audit_node(node)) for node in new]
    changes += [Change(f"{kind}.Updated", kind, node.id, audit_node(stored[node.external_id]), audit_node(node)) for node in changed]
    pairs = zip(retiring, retired, strict=True)
    changes += [Change(f"{kind}.Updated", kind, after.id, audit_node(before), audit_node(after)) for before, after in pairs]
    unchanged = len(merged) - len(new) - len(changed)
    return Counts(created=len(new), updated=len(changed), unchanged=unchanged, retired=len(retiring))


async def write_edges(
    tx: Transaction, organization_id: int, wanted: Sequence[WantedEdge], numbers: Mapping[str, int], changes: list[Change], now: datetime
) -> Counts:
    """Writes what edges are new or have other metadata, and notes what is to be kept as their history."""
    asked = [(edge, make_edge(edge, organization_id, numbers, now)) for edge in wanted]
    ids = await edge_store.insert_edges(tx, [edge for _, edge in asked])
    new = [edge for _, edge in asked if link_of(edge) in ids]
    others = [(sent, edge) for sent, edge in asked if link_of(edge) not in ids]
    stored = {link_of(edge): edge for edge in await edge_store.find_edges_from(tx, organization_id, {edge.source_id for _, edge in others})}
    pairs = [(stored[link_of(edge)], edge) for sent, edge in others if sent.metadata is not None]
    changed = [(was, replace(was, metadata=edge.metadata)) for was, edge in pairs if was.metadata != edge.metadata]
    await edge_store.update_metadata(tx, [after for _, after in changed])
    kind = "TopologyEdge"
    changes += [Change(f"{kind}.Created", kind, ids[link_of(edge)], None, audit_edge(edge)) for edge in new]
    changes += [Change(f"{kind}.Updated", kind, after.id, audit_edge(was), audit_edge(after)) for was, after in changed]
    return Counts(created=len(new), updated=len(changed), unchanged=len(wanted) - len(new) - len(changed))


def make_edge(edge: WantedEdge, organization_id: int, numbers: Mapping[str, int], now: datetime) -> Edge:
    """An edge of the payload as it is stored when it is new."""
    source_id, target_id = numbers[edge.source.external_id], numbers[edge.target.external_id]
    return Edge(0, organization_id, source_id, target_id, edge.edge_type, edge.metadata or {}, now)


def link_of(edge: Edge) -> tuple[int, int, EdgeType]:
    """What tells an edge from every other."""
    return edge.source_id, edge.target_id, edge.edge_type
