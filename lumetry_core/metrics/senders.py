"""What the platform decides about the points of host agents, collectors and hosts in clusters (contract lumetry 4.5, 17)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from lumetry_core.metrics.columns import Columns
from lumetry_core.metrics.definition import Definition, pack_labels, unpack_labels
from lumetry_core.metrics.dimension import COLLECTOR_LABEL
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.errors import LumetryError, Reason

AGENT_LABEL, HOST_LABEL, GROUP_LABEL = "agent.id", "host.id", "host.group"
AGENT_CATALOG = "agent"
"""Catalog source of metrics that a host agent names first (4.3)."""
MAX_REFUSED = 100_000
"""Refused series that are told apart; more are not counted."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What ingestion knows of an enrolled host agent."""

    organization_id: int
    agent_id: int
    agent_key: str
    host_id: str
    host_group: str | None = None
    """External id of the cluster that the agent is placed in."""
    is_enabled: bool = True
    required_collector_id: str | None = None
    """The collector whose relay it must come through."""
    max_series: int = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The cluster of each placed host, by `host.id`. Compared by identity: another object means that placements have changed."""

    by_host: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Cap:
    """How many series a host agent may send, and which it has sent of late; others are refused."""

    max_series: int
    admitted: set[bytes] = field(default_factory=set)
    refused: set[bytes] = field(default_factory=set)

    def admit(self, identity: bytes) -> bool:
        """Whether a series may be stored."""
        if identity in self.admitted:
            return True
        if len(self.admitted) < self.max_series:
            self.admitted.add(identity)
            self.refused.discard(identity)
            return True
        if len(self.refused) < MAX_REFUSED:
            self.refused.add(identity)
        return False

    def forget(self) -> None:
        """Lets series that are not sent any more make room."""
        self.admitted.clear()
        self.refused.clear()


@dataclass(frozen=True, slots=True)
class Marking:
    """What the labels of a caller's points become."""

    identity: tuple[tuple[str, str], ...] = ()
    """Labels that the credential sets, whatever was sent; an empty value removes the label."""
    groups: Groups | None = None
    catalog_source: str | None = None
    cap: Cap | None = None

    def mark(self, definition: Definition) -> Definition:
        """The series that a definition stands for."""
        if not self.identity and self.groups is None:
            return definition
        labels = {**unpack_labels(definition.labels), **dict(self.identity)}
        if self.groups is not None and (group := self.groups.by_host.get(labels.get(HOST_LABEL, ""))) is not None:
            labels[GROUP_LABEL] = group
        packed = pack_labels({name: value for name, value in labels.items() if value})
        return replace(definition, labels=packed, catalog_source=self.catalog_source or definition.catalog_source)


PLAIN = Marking()


@dataclass(frozen=True, slots=True, eq=False)
class Senders:
    """An organization's host agents."""

    by_agent: Mapping[int, Sender] = field(default_factory=dict)
    groups: Groups | None = None
    """None: no host is placed."""


def mark_caller(caller: Caller, senders: Senders, cap: Cap | None = None) -> Marking:
    """What is done to the labels of a caller's points.

    Args:
        cap: Of the host agent that calls.

    Fails with UNAUTHENTICATED for a host agent that is none any more, AGENT_DISABLED, RELAY_REQUIRED.
    """
    if caller.kind is CredentialKind.COLLECTOR and caller.collector_id is not None:
        return Marking(((COLLECTOR_LABEL, caller.collector_id), (AGENT_LABEL, "")), senders.groups)
    if caller.kind is not CredentialKind.AGENT:
        return PLAIN if senders.groups is None else Marking((), senders.groups)
    sender = senders.by_agent.get(caller.agent_id or 0)
    if sender is None:
        raise LumetryError(Reason.UNAUTHENTICATED, "The credential is missing, unknown, expired or revoked.")
    check_relay(caller, sender.required_collector_id)
    if not sender.is_enabled:
        raise LumetryError(Reason.AGENT_DISABLED, "The agent is disabled; it may send nothing but heartbeats.")
    labels = (
        (AGENT_LABEL, sender.agent_key),
        (HOST_LABEL, sender.host_id),
        (GROUP_LABEL, sender.host_group or ""),
        (COLLECTOR_LABEL, ""),
    )
    return Marking(labels, None, AGENT_CATALOG, cap)


def check_relay(caller: Caller, required_collector_id: str | None) -> None:
    """Fails with RELAY_REQUIRED unless a host agent comes as its enrollment profile demands."""
    if required_collector_id is not None and caller.relay_collector_id != required_collector_id:
        raise LumetryError(
            Reason.RELAY_REQUIRED,
            f"This agent must come through the relay of collector {required_collector_id}.",
            collector_id=required_collector_id,
        )


def limit_series(columns: Columns, identify: Callable[[int], bytes], cap: Cap) -> Columns:
    """The columns without the points of series above the cap; batches may become empty.

    Args:
        identify: The stored series of a number.
    """
    refused = [number for number in dict.fromkeys(columns.indexes.tolist()) if not cap.admit(identify(number))]
    if not refused:
        return columns
    kept = ~np.isin(columns.indexes, refused)
    ends = np.concatenate([[0], np.cumsum(columns.batch_sizes)])
    counts = np.concatenate([[0], np.cumsum(kept)])
    return Columns(columns.indexes[kept], columns.times_ms[kept], columns.values[kept], np.diff(counts[ends]))
