"""Reads what surrounds the alerts of a preview today (contract lumetry 19.3), in few statements whatever the number of alerts."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from lumetry_core.access.service.settings import read_settings
from lumetry_core.alerts.maintenance import NODE_SCOPES
from lumetry_core.alerts.service.maintenance import find_windows_within
from lumetry_core.alerts.service.silences import find_silences_within
from lumetry_core.notifications.model import FALLBACK_ID
from lumetry_core.notifications.service.profiles import find_integrations, find_profiles
from lumetry_core.replay.outcome import ReplayedAlert
from lumetry_core.replay.settings import Settings
from lumetry_core.replay.surroundings import Surroundings
from lumetry_core.rules.model import Rule
from lumetry_core.runtime.clock import from_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.service.context import Probe, find_contexts
from lumetry_core.topology.service.coverage import find_covering_nodes


async def read_surroundings(
    tx: Transaction, rule: Rule, alerts: Sequence[ReplayedAlert], end: datetime, settings: Settings
) -> Surroundings:
    """Reads what decides about a rule's alerts.

    Args:
        end: Of the range.
    """
    organization_id = rule.organization_id
    in_force = await read_settings(tx, organization_id, settings.defaults)
    window, minutes = in_force.correlation_window, in_force.incidents_auto_resolve_after_minutes
    if not alerts:
        return Surroundings(correlation_window=window)
    start = from_ms(min(alert.start for alert in alerts))
    members = list(dict.fromkeys(alert.dimension_key for alert in alerts))
    found = await find_contexts(tx, organization_id, [Probe(metric_key=rule.metric_key, dimension_key=member) for member in members])
    windows = await find_windows_within(tx, organization_id, start, end)
    related = {number for context in found for number in (context.service_id, context.ci_id) if number is not None}
    by_node = related and any(one.scope_type in NODE_SCOPES for one in windows)
    integrations = await find_integrations(tx, organization_id)
    if settings.fallback is not None:
        integrations[FALLBACK_ID] = settings.fallback
    return Surroundings(
        correlation_window=window,
        resolve_after=None if minutes is None else timedelta(minutes=minutes),
        contexts=dict(zip(members, found, strict=True)),
        windows=windows,
        covering=await find_covering_nodes(tx, organization_id, related) if by_node else {},
        silences=await find_silences_within(tx, organization_id, start, end),
        profiles={profile.id: profile for profile in await find_profiles(tx, organization_id)},
        integrations=integrations,
        fallback=settings.fallback,
    )
