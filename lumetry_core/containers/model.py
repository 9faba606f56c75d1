"""What is known of containers, and what happened to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lumetry_core.rules.model import Severity

EVENTS = frozenset(
    {
        "container.state_changed",
        "container.health_changed",
        "container.restart_alert",
        "container.discovered",
        "container.archived",
        "container.restart_recovery",
    }
)
"""What the area tells."""
UNGROUPED = "Ungrouped"


class ContainerState(StrEnum):
    """What a container does."""

    RUNNING = "running"
    EXITED = "exited"
    COMPLETED = "completed"
    RESTARTING = "restarting"
    PAUSED = "paused"
    CREATED = "created"
    DEAD = "dead"


class Health(StrEnum):
    """What a container's own check says."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    STARTING = "starting"


class GroupSource(StrEnum):
    """Where the name of a group is from."""

    LABEL = "label"
    NAMESPACE = "namespace"
    COMPOSE = "compose"
    ORCHESTRATION = "orchestration"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container, or the record of one that is gone. Its identity is its name with group and unit, whatever engine number it has now."""

    id: int
    organization_id: int
    external_id: str
    name: str
    image: str
    image_id: str
    image_digests: tuple[str, ...] = ()
    """As registries know the image; none of one that was built on the host."""
    state: ContainerState
    health: Health | None = None
    has_health_check: bool = False
    orchestration_group: str | None = None
    orchestration_unit: str | None = None
    custom_group: str | None = None
    is_ignored: bool = False
    alert_severity: Severity = Severity.WARNING
    restart_threshold: int = 3
    alert_channels: str | None = None
    """As the label has it: names of channels, separated by commas."""
    first_seen_time: datetime
    last_state_change_time: datetime
    archive_time: datetime | None = None
    runtime_type: str = "docker"
    error_detail: str | None = None
    controller_kind: str | None = None
    namespace: str | None = None
    pod_count: int = 0
    ready_count: int = 0
    exit_code: int | None = None
    oom_killed: bool = False
    topology_node_id: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    counted_time: datetime
    """Up to here its seconds are in the daily rollups."""

    @property
    def is_archived(self) -> bool:
        """Whether it is gone."""
        return self.archive_time is not None

    @property
    def is_up(self) -> bool:
        """Whether its time counts as uptime (4.4)."""
        return is_up(self.state, self.health)

    @property
    def identity(self) -> tuple[str, str | None, str | None]:
        """What tells it from others for good (4.3)."""
        return self.name, self.orchestration_group, self.orchestration_unit

    @property
    def group(self) -> tuple[str, GroupSource]:
        """Under which name lists show it, and where the name is from."""
        if self.custom_group:
            return self.custom_group, GroupSource.LABEL
        if not self.orchestration_group:
            return UNGROUPED, GroupSource.DEFAULT
        if self.runtime_type == "kubernetes":
            return self.orchestration_group, GroupSource.NAMESPACE
        is_composed = any(label.endswith("compose.project") for label in self.labels)
        return self.orchestration_group, GroupSource.COMPOSE if is_composed else GroupSource.ORCHESTRATION

    @property
    def is_scheduled(self) -> bool:
        """Whether it runs again and again because that is its work, so that runs are no restarts."""
        return self.controller_kind == "CronJob"

    @property
    def channel_names(self) -> tuple[str, ...]:
        """To which channels its alerts are narrowed; none: all."""
        return tuple(name for name in (part.strip() for part in (self.alert_channels or "").split(",")) if name)

    @property
    def node_names(self) -> tuple[str, ...]:
        """The external ids under which a topology may know it, the one that counts most first (9.5)."""
        names = [f"container:{self.name}"]
        if self.orchestration_group and self.orchestration_unit:
            names.append(f"compose:{self.orchestration_group}/{self.orchestration_unit}")
        return tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A change of state or health."""

    id: int = 0
    organization_id: int
    container_id: int
    previous_state: ContainerState
    new_state: ContainerState
    previous_health: Health | None
    new_health: Health | None
    exit_code: int | None = None
    log_snippet: str | None = None
    time: datetime
    absent_since: datetime | None = None
    """Since when the record was archived, of the transition with which it came back."""

    @property
    def is_restart(self) -> bool:
        """Whether it counts towards a restart loop (4.5)."""
        return self.new_state is ContainerState.RUNNING and self.previous_state in ENDED

    @property
    def is_incident(self) -> bool:
        """Whether uptime ended with it."""
        return is_up(self.previous_state, self.previous_health) and not is_up(self.new_state, self.new_health)


ENDED = frozenset({ContainerState.EXITED, ContainerState.COMPLETED, ContainerState.RESTARTING})
DOWN = frozenset({ContainerState.EXITED, ContainerState.DEAD})
"""States that alert when they last (4.5)."""
ALIVE = frozenset({ContainerState.RUNNING, ContainerState.RESTARTING, ContainerState.PAUSED})
"""States of a container that runs, as far as removing its record is concerned."""


def is_up(state: ContainerState, health: Health | None) -> bool:
    """Whether time in a state counts as uptime (4.4)."""
    return state in (ContainerState.RUNNING, ContainerState.COMPLETED) and health is not Health.UNHEALTHY


@dataclass(frozen=True, slots=True)
class State:
    """What status pages need of a container."""

    name: str
    status: str
    is_alerting: bool
    topology_node_id: int | None
    health: str | None = None
    is_archived: bool = False
