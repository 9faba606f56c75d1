"""What surrounds the alerts of a replay, as it is today: topology, maintenance windows, silences, and whom to tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from lumetry_core.alerts.maintenance import MaintenanceWindow
from lumetry_core.alerts.silences import Silence
from lumetry_core.notifications.model import Integration, Profile
from lumetry_core.topology.service.context import NodeContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All that decides what follows of alerts, apart from themselves.

    Args:
        correlation_window: See `Settings`.
        resolve_after: How long an incident may be without an active alert until it is resolved; None: for ever.
        contexts: What each member is about.
        windows: Those that may cover an alert in the range.
        covering: By service and configuration item: itself and all nodes whose maintenance is its own.
        silences: Those that may match in the range.
        profiles: By number.
        integrations: By number, the fallback included.
    """

    correlation_window: timedelta
    resolve_after: timedelta | None = None
    contexts: Mapping[str | None, NodeContext] = field(default_factory=dict)
    windows: Sequence[MaintenanceWindow] = ()
    covering: Mapping[int, frozenset[int]] = field(default_factory=dict)
    silences: Sequence[Silence] = ()
    profiles: Mapping[int, Profile] = field(default_factory=dict)
    integrations: Mapping[int, Integration] = field(default_factory=dict)
    fallback: Integration | None = None
