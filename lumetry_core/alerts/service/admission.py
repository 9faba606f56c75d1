"""Takes in new alerts of every kind: their numbers, what they affect, and what keeps them from being told."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.alerts.maintenance import MaintenanceWindow
from lumetry_core.alerts.model import Alert, Eligibility
from lumetry_core.alerts.service.maintenance import find_coverage
from lumetry_core.alerts.service.silences import active_silences
from lumetry_core.alerts.silences import Silence, matches
from lumetry_core.alerts.store import alerts as store
from lumetry_core.alerts.store import paths as path_store
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.service.context import NodeContext, Probe, find_contexts


async def admit(tx: Transaction, organization_id: int, drafts: Sequence[Alert], now: datetime) -> list[Alert]:
    """Inserts alerts, in order and with rising numbers, as they stand after the topology, windows and silences were asked."""
    contexts = await find_contexts(tx, organization_id, [probe_of(draft) for draft in drafts])
    placed = [relate(draft, context) for draft, context in zip(drafts, contexts, strict=True)]
    windows = await find_coverage(tx, organization_id, placed, now)
    silences = await active_silences(tx, organization_id, now)
    judged = [
        cover(replace(alert, silence_id=find_silence(alert, silences)), window) for alert, window in zip(placed, windows, strict=True)
    ]
    ids = await store.insert_alerts(tx, judged)
    await path_store.insert_paths(tx, organization_id, {number: context.path for number, context in zip(ids, contexts, strict=True)})
    return [replace(alert, id=number) for alert, number in zip(judged, ids, strict=True)]


def cover(alert: Alert, window: MaintenanceWindow | None) -> Alert:
    """The alert under a window."""
    if window is None:
        return alert
    return replace(alert, incident_eligibility=Eligibility.MAINTENANCE_SUPPRESSED, maintenance_window_id=window.id)


def find_silence(alert: Alert, silences: Sequence[Silence]) -> int | None:
    """The silence that matches an alert and lasts longest; None: none does."""
    matching = [silence for silence in silences if matches(silence, alert)]
    return max(matching, key=lambda silence: (silence.end_time, silence.id)).id if matching else None


async def judge_silenced(tx: Transaction, organization_id: int, risen: Sequence[Alert], now: datetime) -> list[Alert]:
    """Alerts that silences muted, as they stand after they rose: silences that ask for a severity may match them no more."""
    silences = await active_silences(tx, organization_id, now) if risen else []
    return [replace(alert, silence_id=find_silence(alert, silences)) for alert in risen]


def probe_of(alert: Alert) -> Probe:
    """What the topology is asked about an alert."""
    return Probe(metric_key=alert.metric_key, dimension_key=alert.dimension_key, node_id=alert.topology_node_id)


def relate(alert: Alert, context: NodeContext) -> Alert:
    """The alert with what it affects."""
    return replace(
        alert,
        related_service_id=context.service_id,
        related_service_name=context.service_name,
        related_ci_id=context.ci_id,
        related_ci_name=context.ci_name,
    )
