"""Gathers, in few statements whatever the number of alerts, all that routing must know of one organization's waiting items."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lumetry_core.alerts.decisions import Explanation, Gate, Record, Transition
from lumetry_core.alerts.maintenance import MaintenanceWindow
from lumetry_core.alerts.model import Alert, Eligibility
from lumetry_core.alerts.service.decisions import read_explanations
from lumetry_core.alerts.service.maintenance import find_windows
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.alerts.service.silences import active_silences
from lumetry_core.alerts.silences import Silence, matches
from lumetry_core.incidents.model import SEVERITY_RANK, Incident
from lumetry_core.incidents.service.reading import find_incidents
from lumetry_core.notifications.circumstances import Choice, Cover, Facts, LastOpening, Page, Told, choose, cooldown_key
from lumetry_core.notifications.delivery import Cause, Delivery, Lane
from lumetry_core.notifications.gates import has_held
from lumetry_core.notifications.model import FALLBACK_ID, Integration, Profile
from lumetry_core.notifications.service.profiles import find_integrations, find_profiles
from lumetry_core.notifications.store import deliveries as store
from lumetry_core.notifications.store import held as held_store
from lumetry_core.notifications.store.held import RELEASED, STORM, Held
from lumetry_core.notifications.store.lanes import read_lanes
from lumetry_core.rules.model import Severity
from lumetry_core.rules.service import find_alerting_profiles
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Transaction

STORM_PERIOD = timedelta(minutes=1)
STORM_MEMBERS = 10
"""Members that an incident gains within the period of a storm."""
LONGEST_COOLDOWN = timedelta(minutes=1440)

Key = tuple[int, int, Transition]
"""Alert, integration and transition told."""


@dataclass(slots=True)
class Known:
    """What is known of an organization while its items are worked off, kept up to date with what they decide.

    Args:
        deliveries: Of all alerts at hand.
        traces: Of transitions that something held until now.
        pages: Severity last told by incident, integration and alert, of alerts that are active.
        opened: Alerts of each incident whose opening came within the period of a storm.
        planned: Keys of `deliveries` that were decided on now.
    """

    organization_id: int
    now: datetime
    alerts: dict[int, Alert]
    incidents: dict[int, Incident]
    profiles: dict[int, Profile]
    integrations: dict[int, Integration]
    fallback: Integration | None
    profile_of_rule: dict[int, int]
    windows: dict[int, MaintenanceWindow]
    silences: list[Silence]
    traces: dict[tuple[int, Transition], Explanation]
    held: dict[tuple[int, Transition], Held]
    deliveries: dict[int, dict[tuple[int, Transition], Delivery]]
    pages: dict[int, dict[int, dict[int, Severity]]]
    opened: dict[int, set[int]]
    last_openings: dict[str, LastOpening]
    lanes: dict[int, Lane]
    choices: dict[int | None, Choice | None] = field(default_factory=dict)

    def choice_of(self, alert: Alert) -> Choice | None:
        """Where the routing order leads for an alert."""
        wanted = None if alert.rule_id is None else self.profile_of_rule.get(alert.rule_id)
        if wanted not in self.choices:
            self.choices[wanted] = choose(wanted, self.profiles, self.integrations, self.fallback)
        return self.choices[wanted]

    def pages_of(self, alert: Alert, without: Collection[int] = ()) -> dict[int, Page]:
        """The worst page of another alert of the incident at each integration."""
        found = {}
        for integration_id, told in self.pages.get(alert.incident_id or 0, {}).items():
            if integration_id in without:
                continue
            others = [(-SEVERITY_RANK[severity], alert_id) for alert_id, severity in told.items() if alert_id != alert.id]
            if others:
                _, alert_id = min(others)
                found[integration_id] = Page(alert_id, told[alert_id])
        return found

    def is_storm(self, incident_id: int | None) -> bool:
        """Whether an incident grows so fast that further openings are repetitions."""
        return incident_id is not None and len(self.opened.get(incident_id, ())) >= STORM_MEMBERS

    def facts_of(self, alert: Alert, transition: Transition, without: Collection[int] = ()) -> Facts:
        """What decides about a transition.

        Args:
            without: Integrations whose pages do not count.
        """
        choice = self.choice_of(alert)
        key = None if choice is None or choice.profile is None else cooldown_key(choice.profile.id, alert)
        trace = self.traces.get((alert.id, transition))
        holds = {} if trace is None else {decision.gate: decision for decision in trace.gates if has_held(decision)}
        return Facts(
            alert=alert,
            transition=transition,
            now=self.now,
            choice=choice,
            profiles=self.profiles,
            integrations=self.integrations,
            incident=self.incidents.get(alert.incident_id or alert.last_resolved_incident_id or 0),
            window=self.window_of(alert),
            silence=self.silence_of(alert),
            last_opening=None if key is None else self.last_openings.get(key),
            earlier={
                key: Told(delivery.id, delivery.profile_id, delivery.status, delivery.severity, delivery.reason)
                for key, delivery in self.deliveries.get(alert.id, {}).items()
            },
            pages=self.pages_of(alert, without),
            is_storm=self.is_storm(alert.incident_id),
            holds={gate: holds[gate] for gate in (Gate.MAINTENANCE, Gate.SILENCE, Gate.COOLDOWN) if gate in holds},
        )

    def window_of(self, alert: Alert) -> Cover | None:
        """The window that covers an alert."""
        if alert.incident_eligibility is not Eligibility.MAINTENANCE_SUPPRESSED:
            return None
        window = self.windows.get(alert.maintenance_window_id or 0)
        if window is None:
            return Cover(Record("MaintenanceWindow", str(alert.maintenance_window_id or ""), ""), "Covered by a window", None)
        record = Record("MaintenanceWindow", str(window.id), window.reason)
        return Cover(record, f"Covered by a {window.scope_type.value} window", window.occurrence_end)

    def silence_of(self, alert: Alert) -> Cover | None:
        """The silence that matches an alert and lasts longest."""
        matching = [silence for silence in self.silences if matches(silence, alert)]
        if not matching:
            return None
        last = max(matching, key=lambda silence: (silence.end_time, silence.id))
        return Cover(Record("Silence", str(last.id), last.reason), f"Matched by a silence until {spell_time(last.end_time)}", last.end_time)

    def names(self) -> Mapping[int, str]:
        """Of integrations, by number."""
        return {number: integration.name for number, integration in self.integrations.items()}


async def gather(
    tx: Transaction,
    organization_id: int,
    alert_ids: Collection[int],
    fallback: Integration | None,
    now: datetime,
) -> Known:
    """Reads what is known of alerts and what surrounds them."""
    alerts = {alert.id: alert for alert in await find_alerts(tx, organization_id, alert_ids)}
    profiles = {profile.id: profile for profile in await find_profiles(tx, organization_id)}
    integrations = await find_integrations(tx, organization_id)
    if fallback is not None:
        integrations[FALLBACK_ID] = fallback
    incident_ids = {number for alert in alerts.values() for number in (alert.incident_id, alert.last_resolved_incident_id) if number}
    window_ids = {alert.maintenance_window_id for alert in alerts.values() if alert.maintenance_window_id is not None}
    rule_ids = {alert.rule_id for alert in alerts.values() if alert.rule_id is not None}
    held = {(each.alert_id, each.transition): each for each in await held_store.read_of_alerts(tx, organization_id, alerts)}
    of_alerts: dict[int, dict[tuple[int, Transition], Delivery]] = {}
    for delivery in await store.read_of_alerts(tx, organization_id, alerts, lock=True):
        of_alerts.setdefault(delivery.alert_id, {})[delivery.integration_id, delivery.transition] = delivery
    members = {alert.incident_id for alert in alerts.values() if alert.incident_id is not None}
    pages = await read_pages(tx, organization_id, members) if integrations else {}
    # The page for which openings wait may have gone meanwhile: what they see in its place is the storm.
    growing = pages.keys() | {each.incident_id for each in held.values() if each.incident_id is not None}
    known = Known(
        organization_id=organization_id,
        now=now,
        alerts=alerts,
        incidents=await find_incidents(tx, organization_id, incident_ids) if incident_ids else {},
        profiles=profiles,
        integrations=integrations,
        fallback=fallback,
        profile_of_rule=await find_alerting_profiles(tx, organization_id, rule_ids) if profiles else {},
        windows=await find_windows(tx, organization_id, window_ids) if window_ids else {},
        silences=await active_silences(tx, organization_id, now),
        traces=await read_explanations(tx, organization_id, find_held_before(held, of_alerts)),
        held=held,
        deliveries=of_alerts,
        pages=pages,
        opened=await read_opened(tx, organization_id, growing, now) if growing else {},
        last_openings={},
        lanes=await read_lanes(tx, organization_id, integrations),
    )
    known.last_openings.update(await read_last_openings(tx, known))
    return known


def find_held_before(
    held: Mapping[tuple[int, Transition], Held], deliveries: Mapping[int, Mapping[tuple[int, Transition], Delivery]]
) -> set[tuple[int, Transition]]:
    """The transitions that a gate has held until now, or may have: traces are read of no others before they are decided."""
    found = {key for key, each in held.items() if each.cause != STORM or each.record_id == RELEASED}
    for alert_id, rows in deliveries.items():
        found |= {(alert_id, row.traced) for row in rows.values() if row.reason in HOLDING}
    return found


HOLDING = (Cause.MAINTENANCE, Cause.SILENCE, Cause.REPETITION)


async def read_pages(tx: Transaction, organization_id: int, incident_ids: Collection[int]) -> dict[int, dict[int, dict[int, Severity]]]:
    """What stands of incidents."""
    pages: dict[int, dict[int, dict[int, Severity]]] = {}
    for incident_id, integration_id, alert_id, severity in await store.read_standing(tx, organization_id, incident_ids):
        told = pages.setdefault(incident_id, {}).setdefault(integration_id, {})
        if alert_id not in told or SEVERITY_RANK[severity] > SEVERITY_RANK[told[alert_id]]:
            told[alert_id] = severity
    return pages


async def read_opened(tx: Transaction, organization_id: int, incident_ids: Collection[int], now: datetime) -> dict[int, set[int]]:
    """The alerts of incidents whose opening was decided on, or began to wait, within the period of a storm."""
    since = now - STORM_PERIOD
    pairs = await store.read_opened_since(tx, organization_id, incident_ids, since)
    pairs |= await held_store.read_waiting_in(tx, organization_id, incident_ids, since)
    opened: dict[int, set[int]] = {}
    for incident_id, alert_id in pairs:
        opened.setdefault(incident_id, set()).add(alert_id)
    return opened


async def read_last_openings(tx: Transaction, known: Known) -> dict[str, LastOpening]:
    """The newest delivered opening of each cooldown that the alerts may fall into."""
    keys = set()
    for alert in known.alerts.values():
        choice = known.choice_of(alert)
        if choice is not None and choice.profile is not None and choice.profile.cooldown_minutes:
            keys.add(cooldown_key(choice.profile.id, alert))
    if not keys:
        return {}
    found = await store.read_last_openings(tx, known.organization_id, keys, known.now - LONGEST_COOLDOWN)
    return {key: LastOpening(*values) for key, values in found.items()}
