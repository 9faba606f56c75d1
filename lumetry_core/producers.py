"""Who tells which events of the feed; every documented one has to be told by somebody (contract monitoring 17.2)."""

from collections.abc import Mapping

from lumetry_core.alerts.model import EVENTS as OF_ALERTS
from lumetry_core.certificates.model import EVENTS as OF_CERTIFICATES
from lumetry_core.containers.model import EVENTS as OF_CONTAINERS
from lumetry_core.endpoints.model import EVENTS as OF_ENDPOINTS
from lumetry_core.feed.registry import find_unproduced
from lumetry_core.heartbeats.model import EVENTS as OF_HEARTBEATS
from lumetry_core.incidents.model import EVENTS as OF_INCIDENTS
from lumetry_core.notifications.model import EVENTS as OF_NOTIFICATIONS
from lumetry_core.resources.model import EVENTS as OF_RESOURCES
from lumetry_core.updates.model import EVENTS as OF_UPDATES

PRODUCED: Mapping[str, frozenset[str]] = {
    "alerts": OF_ALERTS,
    "certificates": OF_CERTIFICATES,
    "containers": OF_CONTAINERS,
    "endpoints": OF_ENDPOINTS,
    "heartbeats": OF_HEARTBEATS,
    "incidents": OF_INCIDENTS,
    "notifications": OF_NOTIFICATIONS,
    "resources": OF_RESOURCES,
    "updates": OF_UPDATES,
}
"""Event types by area."""


def require_producers() -> None:
    """Raises RuntimeError when a documented event has no producer, or a produced one is not documented."""
    untold, undocumented = find_unproduced({event for events in PRODUCED.values() for event in events})
    if untold or undocumented:
        raise RuntimeError(f"no area tells {sorted(untold)}; not documented are {sorted(undocumented)}")
