"""What deliveries note in the timelines of incidents."""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.incidents import timeline
from lumetry_core.incidents.store import timeline as timeline_store
from lumetry_core.runtime.database import Transaction


async def tell_sent(tx: Transaction, organization_id: int, items: Sequence[tuple[int, int | None, str]], now: datetime) -> None:
    """Notes that people were told.

    Args:
        items: Incident, integration (None: the deployment's fallback) and what the timeline says, in order.
    """
    entries = [(incident_id, timeline.notification_sent(integration_id, message)) for incident_id, integration_id, message in items]
    await timeline_store.insert_entries(tx, organization_id, entries, now)
