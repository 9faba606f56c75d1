"""What a simulated deployment holds, in lists instead of tables."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Self

from lumetry_core.alerts.decisions import Transition
from lumetry_core.alerts.maintenance import MaintenanceWindow
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.silences import Silence
from lumetry_core.incidents.candidates import CandidateType, Occurrence
from lumetry_core.incidents.model import Incident, Member
from lumetry_core.notifications.delivery import Delivery, Lane
from lumetry_core.notifications.store.held import Held
from tests.pipeline.simulation.ground import EDGES, Edge


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that reached a receiver, whether or not its answer came back."""

    time: datetime
    integration_id: int
    alert_id: int
    transition: Transition


@dataclass(slots=True)
class State:
    """Everything that a commit may change. Values are frozen, so that a copy of the containers is a copy of all."""

    edges: set[Edge] = field(default_factory=lambda: set(EDGES))
    alerts: dict[int, Alert] = field(default_factory=dict)
    newest: dict[int, int] = field(default_factory=dict)
    """By signal: its newest alert."""
    seen: set[int] = field(default_factory=set)
    """Alerts that were not covered at some time, as far as anybody noticed."""
    breaches: dict[int, list[datetime]] = field(default_factory=dict)
    """By alert: the violations that came after its opening."""
    windows: dict[int, MaintenanceWindow] = field(default_factory=dict)
    window_changes: dict[int, datetime | None] = field(default_factory=dict)
    silences: dict[int, Silence] = field(default_factory=dict)
    silence_ends: dict[int, datetime | None] = field(default_factory=dict)
    correlation: list[tuple[str, int]] = field(default_factory=list)
    """Kind and alert of what waits in the queue."""
    routing: list[tuple[str, int]] = field(default_factory=list)
    """Kind, and alert or silence."""
    incidents: dict[int, Incident] = field(default_factory=dict)
    members: dict[tuple[int, int], Member] = field(default_factory=dict)
    """By incident and alert."""
    resolutions: list[Incident] = field(default_factory=list)
    occurrences: list[Occurrence] = field(default_factory=list)
    deliveries: dict[int, Delivery] = field(default_factory=dict)
    held: dict[tuple[int, Transition], Held] = field(default_factory=dict)
    repeated: dict[int, datetime] = field(default_factory=dict)
    lanes: dict[int, Lane] = field(default_factory=dict)

    def fork(self) -> Self:
        """A copy on which work may be done that is thrown away."""
        copy = type(self)()
        for each in fields(self):
            setattr(copy, each.name, getattr(self, each.name).copy())
        return copy


@dataclass(frozen=True, slots=True)
class View:
    """What the invariants are about: of a simulation in lists or of one on the services."""

    now: datetime
    alerts: dict[int, Alert]
    incidents: dict[int, Incident]
    members: dict[tuple[int, int], Member]
    deliveries: dict[int, Delivery]
    arrivals: tuple[Arrival, ...]
    silences: tuple[Silence, ...] = ()
    hidden: frozenset[int] = frozenset()
    """Closed alerts that maintenance covered from their opening to their end."""
    hints: dict[tuple[CandidateType, str], int] = field(default_factory=dict)
    """How often each hint for problem management was seen."""
