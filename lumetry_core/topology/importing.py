"""What an import makes of the graph: pure steps from what was sent and what is stored to what is to be written (contract lumetry 15.2)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from lumetry_core.metrics.binding import NewBinding
from lumetry_core.metrics.labels import check_labels
from lumetry_core.metrics.validation import read_metadata
from lumetry_core.runtime.errors import Faults
from lumetry_core.topology.draft import BindingDraft, EdgeDraft, ImportDraft
from lumetry_core.topology.fields import GIVEN_EXTERNAL_ID, NodeFields, check_node, read_choice
from lumetry_core.topology.matrix import is_allowed, refusal_of
from lumetry_core.topology.model import Edge, EdgeType, Node, NodeType

FAILED = "Topology import payload validation failed."
MAX_NODES = 5_000
MAX_EDGES = 20_000
MAX_BINDINGS = 20_000
MAX_NAME = 255
Link = tuple[int, int, EdgeType]


class Mode(StrEnum):
    """What becomes of that which an import does not name."""

    UPSERT = "upsert"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class WantedEdge:
    """An edge of the payload whose ends exist."""

    source: Node
    target: Node
    edge_type: EdgeType
    metadata: Mapping[str, Any] | None
    path: str


def check_envelope(draft: ImportDraft, faults: Faults) -> Mode:
    """Reads all that is not a node, edge or binding."""
    for value, path in ((draft.source, "source"), (draft.import_id, "importId")):
        faults.check(1 <= len(value) <= MAX_NAME and bool(value.strip()), path, f"must have 1 to {MAX_NAME} characters")
        faults.check("\0" not in value, path, "must not contain the character NUL")
    return Mode.UPSERT if draft.mode is None else read_choice(Mode, draft.mode, "mode", faults) or Mode.UPSERT


def check_sizes(draft: ImportDraft, faults: Faults) -> None:
    """Notes what there is too much of."""
    sizes = (
        ("nodes", len(draft.nodes), MAX_NODES),
        ("edges", len(draft.edges), MAX_EDGES),
        ("bindings", len(draft.bindings), MAX_BINDINGS),
    )
    for path, size, limit in sizes:
        faults.check(size <= limit, path, f"must be at most {limit}")


def named_external_ids(draft: ImportDraft) -> set[str]:
    """Every external id in an import that a stored node may have."""
    named = {node.external_id for node in draft.nodes} | {binding.node_external_id for binding in draft.bindings}
    for edge in draft.edges:
        named |= {edge.source_external_id, edge.target_external_id}
    return {external_id for external_id in named if external_id and len(external_id) <= MAX_NAME and "\0" not in external_id}


def merge_nodes(draft: ImportDraft, stored: Mapping[str, Node], organization_id: int, now: datetime, faults: Faults) -> dict[str, Node]:
    """The nodes of the payload by external id, as they will be stored; new ones have the number 0.

    A node whose own fields are faulty is there all the same, so that edges to it are not called unknown.
    """
    merged: dict[str, Node] = {}
    places: dict[str, int] = {}
    for position, sent in enumerate(draft.nodes):
        prefix = f"nodes[{position}]."
        if sent.external_id is None:
            faults.add(f"{prefix}externalId", "is required")
        fields = check_node(sent, prefix, faults)
        external_id = fields.external_id or ""
        if not external_id:
            continue
        if external_id in places:
            faults.add(f"{prefix}externalId", f"repeats nodes[{places[external_id]}]")
            continue
        places[external_id] = position
        before = stored.get(external_id)
        if before is None:
            form = GIVEN_EXTERNAL_ID.fullmatch(external_id) is None
            faults.check(form, f"{prefix}externalId", "has the form that nodes without an external id get")
        elif fields.node_type is not None:
            is_same = fields.node_type is before.node_type
            faults.check(is_same, f"{prefix}nodeType", f"cannot be changed from '{before.node_type}' to '{fields.node_type}'")
        if before is not None or fields.node_type is not None:
            merged[external_id] = merge_node(fields, before, external_id, draft.source, organization_id, now)
    return merged


def merge_node(fields: NodeFields, before: Node | None, external_id: str, source: str, organization_id: int, now: datetime) -> Node:
    """A node after an upsert: given fields overwrite, absent ones stay, and a retired node lives again."""
    return Node(
        id=before.id if before else 0,
        organization_id=organization_id,
        external_id=external_id,
        node_type=before.node_type if before else fields.node_type or NodeType.HOST,
        display_name=fields.display_name,
        environment=(fields.environment or None) if fields.environment is not None or before is None else before.environment,
        owner_team=(fields.owner_team or None) if fields.owner_team is not None or before is None else before.owner_team,
        metadata=fields.metadata if fields.metadata is not None else before.metadata if before else {},
        source=source,
        is_retired=False,
        create_time=before.create_time if before else now,
        update_time=now,
    )


def has_changed(before: Node, after: Node) -> bool:
    """Whether a node is other than it was."""
    return replace(after, update_time=before.update_time) != before


def check_edges(sent: Sequence[EdgeDraft], known: Mapping[str, Node], doubtful: Collection[str], faults: Faults) -> list[WantedEdge]:
    """The edges of the payload that could be stored, each of them once.

    Args:
        known: The nodes that there will be, by external id.
        doubtful: External ids of nodes of the payload of which too little is known to judge their edges.
    """
    wanted: dict[tuple[str, str, EdgeType], WantedEdge] = {}
    for position, edge in enumerate(sent):
        path = f"edges[{position}]"
        edge_type = read_choice(EdgeType, edge.edge_type, f"{path}.edgeType", faults)
        metadata = None if edge.metadata_json is None else read_metadata(edge.metadata_json, faults, f"{path}.metadata")
        ends = [
            find_end(external_id, f"{path}.{name}", known, doubtful, faults)
            for external_id, name in ((edge.source_external_id, "sourceExternalId"), (edge.target_external_id, "targetExternalId"))
        ]
        source, target = ends
        if source is None or target is None or edge_type is None:
            continue
        if source.external_id == target.external_id:
            faults.add(path, "An edge cannot lead from a node to itself.")
        elif not is_allowed(source.node_type, edge_type, target.node_type):
            faults.add(path, refusal_of(source.node_type, edge_type, target.node_type))
        else:
            key = (source.external_id, target.external_id, edge_type)
            earlier = wanted.get(key)
            overwritten = earlier.metadata if metadata is None and earlier is not None else metadata
            wanted[key] = WantedEdge(source, target, edge_type, overwritten, earlier.path if earlier else path)
    return list(wanted.values())


def find_end(external_id: str, path: str, known: Mapping[str, Node], doubtful: Collection[str], faults: Faults) -> Node | None:
    """The node at an end of something; None when there is none, which is a fault."""
    node = known.get(external_id)
    if node is None and external_id not in doubtful:
        faults.add(path, f"node '{readable(external_id)}' does not exist" if external_id else "is required")
    return node


def check_bindings(
    sent: Sequence[BindingDraft], known: Mapping[str, Node], doubtful: Collection[str], metric_keys: Collection[str], faults: Faults
) -> dict[tuple[str, str, tuple[tuple[str, str], ...]], Node]:
    """The bindings of the payload that could be stored, each of them once: metric, external id and sorted labels, with their nodes."""
    wanted = {}
    for position, binding in enumerate(sent):
        path = f"bindings[{position}]"
        if binding.metric_key not in metric_keys:
            what = f"metric '{readable(binding.metric_key)}' does not exist" if binding.metric_key else "is required"
            faults.add(f"{path}.metricKey", what)
        check_labels(binding.labels, f"{path}.labels", faults)
        node = find_end(binding.node_external_id, f"{path}.nodeExternalId", known, doubtful, faults)
        if node is not None:
            wanted[binding.metric_key, node.external_id, tuple(sorted(binding.labels.items()))] = node
    return wanted


def number_bindings(wanted: Iterable[tuple[str, str, tuple[tuple[str, str], ...]]], number_of: Mapping[str, int]) -> list[NewBinding]:
    """The bindings to nodes that have their numbers now."""
    return [NewBinding(metric_key, number_of[external_id], dict(labels)) for metric_key, external_id, labels in wanted]


def find_retiring(owned: Iterable[Node], merged: Collection[str]) -> list[Node]:
    """The nodes of a source that its snapshot does not name."""
    return [node for node in owned if node.external_id not in merged]


def find_vanishing(stored: Iterable[Edge], retiring: Collection[int], owned: Collection[int], kept: Collection[Link]) -> list[Edge]:
    """The edges that a snapshot removes.

    Args:
        stored: All edges at nodes of the source.
        retiring: The nodes that leave the graph; so do all their edges.
        owned: The nodes of the source.
        kept: What the snapshot names.
    """
    return [
        edge
        for edge in stored
        if edge.source_id in retiring
        or edge.target_id in retiring
        or (edge.source_id in owned and edge.target_id in owned and (edge.source_id, edge.target_id, edge.edge_type) not in kept)
    ]


def readable(text: str) -> str:
    """A text of the payload as it may stand in a message."""
    return text[:MAX_NAME].replace("\0", "\ufffd")
