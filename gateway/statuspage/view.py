"""What the page shows."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a component, `YYYY-MM-DD`. `percent` is None when nothing is known of it."""

    date: str
    percent: float | None


@dataclass(frozen=True, slots=True)
class Component:
    """A component. `status` is a word of the contract; `days` are newest first, none for what has no uptime."""

    id: int
    name: str
    status: str
    uptime: float | None
    days: Sequence[Day]


@dataclass(frozen=True, slots=True)
class Group:
    """A heading with its components."""

    name: str
    components: Sequence[Component]


@dataclass(frozen=True, slots=True)
class Update:
    """A step of an incident. Times are spelled as in JSON."""

    status: str
    message: str
    time: str


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident, its newest update first."""

    id: int
    title: str
    severity: str
    is_resolved: bool
    updates: Sequence[Update]


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A maintenance window."""

    id: int
    title: str
    start: str
    end: str
    components: Sequence[str]
    is_active: bool


@dataclass(frozen=True, slots=True)
class View:
    """All of it. `organisation` is the name under which the operator runs the page."""

    organisation: str
    status: str
    message: str
    update_time: str
    last_event_id: int
    groups: Sequence[Group]
    incidents: Sequence[Incident]
    maintenance: Sequence[Maintenance]
