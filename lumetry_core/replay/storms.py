"""What a replay remembers of incidents that grow fast: recent openings, and repetitions that may have to be told (ADR 0013).

Where the live routing counts rows of the outbox, it counts here what it decided.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from lumetry_core.alerts.decisions import Transition
from lumetry_core.incidents.model import SEVERITY_RANK
from lumetry_core.notifications.delivery import Cause
from lumetry_core.notifications.service.facts import STORM_MEMBERS, STORM_PERIOD, Known
from lumetry_core.notifications.service.repetitions import CANDIDATES, Unheard
from lumetry_core.notifications.service.routing import REPETITION_ROUND
from lumetry_core.notifications.service.walk import Walk
from lumetry_core.rules.model import Severity


class Openings:
    """When the alerts of each incident were opened, for as long as it may matter."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._decided: dict[int, dict[int, datetime]] = defaultdict(dict)
        self._waiting: dict[int, dict[tuple[int, Transition], datetime]] = defaultdict(dict)
        self._waits_in: dict[tuple[int, Transition], int] = {}

    def find_recent(self, alert_ids: Iterable[int], now: datetime) -> dict[int, set[int]]:
        """Alerts whose opening came within the period of a storm, by incident of which a page stands: all, or enough for a storm."""
        since = now - STORM_PERIOD
        recent = {}
        for incident_id in {self._known.alerts[alert_id].incident_id for alert_id in alert_ids}:
            if incident_id is not None and any(self._known.pages.get(incident_id, {}).values()):
                found = take_since(self._decided[incident_id], since)
                recent[incident_id] = set(found) | {alert_id for alert_id, _ in take_since(self._waiting[incident_id], since)}
        return recent

    def note(self, walk: Walk) -> None:
        """Takes up what a round decided, and what waits since then."""
        for key in walk.dropped | walk.waiting.keys():
            incident_id = self._waits_in.pop(key, None)
            if incident_id is not None:
                self._waiting[incident_id].pop(key, None)
        for key, held in walk.waiting.items():
            if held.incident_id is not None:
                self._waits_in[key] = held.incident_id
                self._waiting[held.incident_id][key] = held.create_time
        for (alert_id, _, transition), delivery in walk.changed.items():
            if transition is Transition.OPEN and delivery.incident_id is not None:
                times = self._decided[delivery.incident_id]
                times[alert_id] = max(delivery.create_time, times.pop(alert_id, delivery.create_time))


Key = TypeVar("Key")


def take_since(times: dict[Key, datetime], since: datetime) -> list[Key]:
    """Keys whose time is not before another, the last ones first, no more than a storm takes. Older ones on the way are forgotten."""
    found, forgotten = [], []
    for key in reversed(times):
        if times[key] < since:
            forgotten.append(key)
        else:
            found.append(key)
            if len(found) == STORM_MEMBERS:
                break
    for key in forgotten:
        del times[key]
    return found


class Repeated:
    """Openings of active alerts that were not told at an integration because their incident had been, with the alerts' severities."""

    def __init__(self) -> None:
        self.severities: dict[int, Severity] = {}
        self._ordered: list[tuple[int, int]] = []

    def add(self, alert_id: int, severity: Severity) -> None:
        """Adds an alert, or changes its severity."""
        if self.severities.get(alert_id) is not severity:
            self.severities[alert_id] = severity
            heapq.heappush(self._ordered, (-SEVERITY_RANK[severity], alert_id))

    def remove(self, alert_id: int) -> None:
        """Takes an alert out, if it is there."""
        self.severities.pop(alert_id, None)

    def take_first(self) -> list[int]:
        """The alerts that are tried first: the worst, then the oldest."""
        first: list[tuple[int, int]] = []
        while self._ordered and len(first) < CANDIDATES:
            entry = heapq.heappop(self._ordered)
            rank, alert_id = entry
            severity = self.severities.get(alert_id)
            if severity is not None and SEVERITY_RANK[severity] == -rank and entry not in first:
                first.append(entry)
        for entry in first:
            heapq.heappush(self._ordered, entry)
        return [alert_id for _, alert_id in first]


class Repetitions:
    """Repetitions by incident and integration.

    An incident that has some is looked at once in each period, but only when something happened to it: else the look would find nothing.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self._repeated: dict[int, dict[int, Repeated]] = defaultdict(lambda: defaultdict(Repeated))
        self._look_time: dict[int, datetime] = {}
        self._looks: list[tuple[datetime, int]] = []
        self._scheduled: set[int] = set()

    @property
    def next_time(self) -> datetime | None:
        """When an incident is looked at next; None: none is."""
        return self._looks[0][0] if self._looks else None

    def find_unheard(self, now: datetime) -> list[Unheard]:
        """Where, of the incidents that are looked at now, no page stands, or none as bad as what it stands for."""
        unheard = []
        while self._looks and self._looks[0][0] <= now:
            _, incident_id = heapq.heappop(self._looks)
            self._scheduled.discard(incident_id)
            repeated = self._repeated[incident_id]
            pages = self._known.pages.get(incident_id, {})
            for integration_id, of_integration in sorted(repeated.items()):
                first = of_integration.take_first()
                worst = SEVERITY_RANK[of_integration.severities[first[0]]] if first else 0
                if worst > max((SEVERITY_RANK[page] for page in pages.get(integration_id, {}).values()), default=0):
                    unheard.append(Unheard(incident_id, integration_id, tuple(first)))
            if any(of_integration.severities for of_integration in repeated.values()):
                self._look_time[incident_id] = now + REPETITION_ROUND
            else:
                del self._look_time[incident_id]
        return unheard

    def note(self, walk: Walk, now: datetime) -> None:
        """Takes up what a round decided."""
        touched = set(walk.repeated)
        for (alert_id, integration_id, transition), delivery in walk.changed.items():
            if delivery.incident_id is None or transition is Transition.CLOSE:
                continue
            touched.add(delivery.incident_id)
            if transition is Transition.OPEN:
                of_integration = self._repeated[delivery.incident_id][integration_id]
                if delivery.reason is Cause.REPETITION:
                    of_integration.add(alert_id, delivery.severity)
                else:
                    of_integration.remove(alert_id)
        for alert_id in walk.closed:
            incident_id = self._known.alerts[alert_id].incident_id
            if incident_id is not None:
                touched.add(incident_id)
                for of_integration in self._repeated[incident_id].values():
                    of_integration.remove(alert_id)
        for incident_id in walk.repeated:
            self._look_time.setdefault(incident_id, now + REPETITION_ROUND)
        for incident_id in touched & self._look_time.keys():
            self._schedule(incident_id, now)

    def _schedule(self, incident_id: int, now: datetime) -> None:
        """Has an incident looked at when its present period ends."""
        if incident_id in self._scheduled:
            return
        time = self._look_time[incident_id]
        if time <= now:
            time += ((now - time) // REPETITION_ROUND + 1) * REPETITION_ROUND
            self._look_time[incident_id] = time
        self._scheduled.add(incident_id)
        heapq.heappush(self._looks, (time, incident_id))
