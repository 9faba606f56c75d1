"""What people may write of a heartbeat (contract monitoring 6.2)."""

from dataclasses import dataclass

from lumetry_core.heartbeats.model import LIMIT_NAME, MAX_INTERVAL, MIN_INTERVAL, Heartbeat
from lumetry_core.runtime.errors import Faults


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatDraft:
    """A heartbeat as it was sent; None: not given, which keeps what is."""

    name: str | None = None
    interval_seconds: int | None = None
    grace_seconds: int | None = None
    topology_node_id: int | None = None
    clears_topology_node: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """What a draft makes of a heartbeat."""

    name: str
    interval: int
    grace: int
    node_id: int | None


def merge(draft: HeartbeatDraft, before: Heartbeat | None, faults: Faults) -> Definition:
    """The draft over what there is, if anything; notes all faults of the whole."""
    for field in ("name", "interval_seconds"):
        faults.check(before is not None or getattr(draft, field) is not None, field, "is required")
    name = draft.name if draft.name is not None else before.name if before else "-"
    interval = draft.interval_seconds if draft.interval_seconds is not None else before.interval_seconds if before else MIN_INTERVAL
    grace = draft.grace_seconds if draft.grace_seconds is not None else before.grace_seconds if before else 0
    node_id = draft.topology_node_id if draft.topology_node_id is not None else before.topology_node_id if before else None
    faults.check(bool(name.strip()) and len(name) <= LIMIT_NAME, "name", f"must have 1 to {LIMIT_NAME} characters")
    faults.check("\0" not in name, "name", "must not contain NUL characters")
    faults.check(MIN_INTERVAL <= interval <= MAX_INTERVAL, "interval_seconds", f"must be between {MIN_INTERVAL} and {MAX_INTERVAL}")
    is_known = draft.interval_seconds is not None or before is not None
    faults.check(grace >= 0, "grace_seconds", "must be at least 0")
    if is_known:
        faults.check(grace <= interval, "grace_seconds", "must not be greater than interval_seconds")
    return Definition(name, interval, grace, None if draft.clears_topology_node else node_id)
