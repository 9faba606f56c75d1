"""What belongs to a project, as people name it (contract workspace 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lumetry_core.projects.links import MONITOR_TYPES, LinkType
from lumetry_core.runtime.errors import Faults

MAX_ENTRIES = 500
LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ResourceDraft:
    """The lists that were sent; None: the list stays as it is."""

    monitors: tuple[tuple[str, int], ...] | None = None
    """Types and numbers."""
    node_ids: tuple[int, ...] | None = None
    metric_keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LinkedMonitor:
    """A monitor of a project."""

    type: LinkType
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class LinkedNode:
    """A topology node of a project."""

    id: int
    name: str
    node_type: str


@dataclass(frozen=True, slots=True)
class Resources:
    """What belongs to a project: monitors by type and number, nodes by number, keys in the order of their letters."""

    monitors: Sequence[LinkedMonitor] = ()
    nodes: Sequence[LinkedNode] = ()
    metric_keys: Sequence[str] = ()
    log_key_count: int = 0


def read_draft(draft: ResourceDraft) -> dict[LinkType, tuple[str, ...]]:
    """The links of the lists that were sent, each once. Fails with VALIDATION_FAILED."""
    faults = Faults()
    links: dict[LinkType, list[str]] = {}
    lists: Mapping[str, Sequence[object] | None] = {
        "monitors": draft.monitors,
        "topologyNodeIds": draft.node_ids,
        "metricKeys": draft.metric_keys,
    }
    for path, entries in lists.items():
        faults.check(entries is None or len(entries) <= MAX_ENTRIES, path, f"must have at most {MAX_ENTRIES} entries")
    if draft.monitors is not None:
        links |= {kind: [] for kind in MONITOR_TYPES}
        for position, (kind, number) in enumerate(draft.monitors[:MAX_ENTRIES]):
            is_known = kind in MONITOR_TYPES
            faults.check(is_known, f"monitors[{position}].type", "must be container, endpoint, heartbeat or certificate")
            if is_known:
                links[LinkType(kind)].append(str(number))
    if draft.node_ids is not None:
        links[LinkType.TOPOLOGY_NODE] = [str(number) for number in draft.node_ids]
    if draft.metric_keys is not None:
        links[LinkType.METRIC] = list(draft.metric_keys)
    faults.raise_if_any()
    return {kind: tuple(dict.fromkeys(refs)) for kind, refs in links.items()}


def audited(resources: Resources) -> Mapping[str, object]:
    """What the audit keeps, under the contract's names."""
    return {
        "monitors": [{"type": monitor.type.value, "id": monitor.id} for monitor in resources.monitors],
        "topologyNodeIds": [node.id for node in resources.nodes],
        "metricKeys": list(resources.metric_keys),
    }
