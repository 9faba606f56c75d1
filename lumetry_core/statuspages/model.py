"""Groups and components of the status page (contract monitoring 14.1, 14.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

QUEUE = "statuspages"
"""Gets the events after which the page may look different."""
TOPIC = "status"
"""What of the event log the public is told."""
OTHER_GROUP = "Other"
"""What the public sees above components without group."""


class Status(StrEnum):
    """How a component, or the whole page, is."""

    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    PARTIAL_OUTAGE = "partial_outage"
    UNDER_MAINTENANCE = "under_maintenance"
    MAJOR_OUTAGE = "major_outage"


class MonitorKind(StrEnum):
    """What a component watches."""

    CONTAINER = "container"
    ENDPOINT = "endpoint"
    HEARTBEAT = "heartbeat"
    CERTIFICATE = "certificate"


MonitorKey = tuple[MonitorKind, int]
"""A monitor: its kind and its number among its kind."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a monitor is, in the words of its kind.

    `status` is a container's state; only containers have a `health`. `node_id` is the node of the topology that it is about.
    """

    name: str
    status: str
    is_alerting: bool = False
    health: str | None = None
    node_id: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A heading of the page."""

    id: int
    name: str
    display_order: int
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A monitor as the page shows it. `override` is None while nobody overrides what is derived."""

    id: int
    organization_id: int
    monitor_kind: MonitorKind
    monitor_id: int
    display_name: str
    group_id: int | None
    display_order: int
    is_visible: bool
    override: Status | None
    auto_incident: bool
    create_time: datetime
    update_time: datetime

    @property
    def key(self) -> MonitorKey:
        """The monitor that it shows."""
        return self.monitor_kind, self.monitor_id


@dataclass(frozen=True, slots=True)
class Standing:
    """A component whose monitor exists, and how it is now. `group_name` is empty without group."""

    component: Component
    group_name: str
    monitor_name: str
    derived: Status
    node_id: int | None

    @property
    def effective(self) -> Status:
        """What a person says, else what is derived."""
        return self.component.override or self.derived


def audited_group(group: Group) -> Mapping[str, object]:
    """What the audit log keeps of a group, in the contract's words."""
    return {"name": group.name, "display_order": group.display_order}


def audited_component(component: Component) -> Mapping[str, object]:
    """What the audit log keeps of a component, in the contract's words."""
    return {
        "monitor_type": component.monitor_kind,
        "monitor_id": component.monitor_id,
        "display_name": component.display_name,
        "group_id": component.group_id,
        "display_order": component.display_order,
        "visible": component.is_visible,
        "status_override": component.override,
        "auto_incident": component.auto_incident,
    }
