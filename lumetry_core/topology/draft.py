"""What people and inventories send, unchecked. None means absent."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDraft:
    """A node; its metadata are a JSON object."""

    external_id: str | None = None
    node_type: str = ""
    display_name: str = ""
    environment: str | None = None
    owner_team: str | None = None
    metadata_json: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeDraft:
    """An edge between external ids."""

    source_external_id: str
    target_external_id: str
    edge_type: str
    metadata_json: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingDraft:
    """A metric, or the members of it that carry all labels, at a node."""

    metric_key: str
    node_external_id: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportDraft:
    """An import (contract lumetry 15.2)."""

    source: str
    import_id: str
    mode: str | None = None
    nodes: Sequence[NodeDraft] = ()
    edges: Sequence[EdgeDraft] = ()
    bindings: Sequence[BindingDraft] = ()


def digest_of(draft: ImportDraft) -> str:
    """What tells an import from any other with its name."""
    return hashlib.sha256(msgspec.msgpack.encode(draft, order="deterministic")).hexdigest()
