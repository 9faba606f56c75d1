"""What people send of groups and components, and what is wrong with it (contract monitoring 14.1)."""

from dataclasses import dataclass

from lumetry_core.runtime.errors import Faults
from lumetry_core.statuspages.model import MonitorKind, Status

MAX_NAME_LENGTH = 100
LARGEST_ORDER = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDraft:
    """What is given of a group; None: nothing."""

    name: str | None = None
    display_order: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentDraft:
    """What is given of a component; None: nothing. A `group_id` of 0 is no group."""

    monitor_kind: MonitorKind | None = None
    monitor_id: int = 0
    display_name: str | None = None
    group_id: int | None = None
    display_order: int | None = None
    is_visible: bool | None = None
    auto_incident: bool | None = None
    overrides: bool = False
    """Whether `override` is given, None being nothing."""
    override: Status | None = None


def read_name(text: str | None, field: str, faults: Faults) -> str:
    """A name without surrounding space."""
    name = (text or "").strip()
    faults.check(0 < len(name) <= MAX_NAME_LENGTH, field, f"must have 1 to {MAX_NAME_LENGTH} characters")
    faults.check("\0" not in name, field, "must not contain NUL characters")
    return name


def read_new(draft: ComponentDraft, faults: Faults) -> tuple[MonitorKind, str]:
    """Kind of the monitor and name of a new component."""
    faults.check(draft.monitor_kind is not None, "monitor_type", f"must be one of {', '.join(MonitorKind)}")
    faults.check(draft.monitor_id > 0, "monitor_id", "must be a positive number")
    return draft.monitor_kind or MonitorKind.ENDPOINT, read_name(draft.display_name, "display_name", faults)
