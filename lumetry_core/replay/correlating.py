"""Incidents of a replay: alerts go through the live correlator's decisions, event time being the clock (contract lumetry 11.4).

The replay starts without incidents, and nobody resolves one; one that has been without an active alert for as long as the organization's
settings say takes no further members. An incident's number is its place, from 1.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.alerts.model import Alert
from lumetry_core.incidents.correlation import Standing, correlate, follow
from lumetry_core.incidents.keys import correlation_key_of
from lumetry_core.incidents.model import Incident, Member
from lumetry_core.incidents.service.correlating import new_member


@dataclass(frozen=True, slots=True)
class ReplayedIncident:
    """An incident at the end of a replay, and the places of its alerts in order of joining."""

    incident: Incident
    alerts: tuple[int, ...]


class Correlation:
    """The incidents of a replay under way."""

    def __init__(self, window: timedelta, resolve_after: timedelta | None = None) -> None:
        """Begins without incidents.

        Args:
            resolve_after: How long an incident may be without an active alert; None: for ever.
        """
        self._window = window
        self._resolve_after = resolve_after
        self._standings: list[Standing] = []
        self._joined: list[list[int]] = []
        self._members: dict[int, Member] = {}
        self._of_key: dict[str | None, list[int]] = defaultdict(list)

    @property
    def incidents(self) -> list[ReplayedIncident]:
        """All of them, in the order of their opening."""
        return [ReplayedIncident(standing.incident, tuple(ids)) for standing, ids in zip(self._standings, self._joined, strict=True)]

    def follow(self, alert: Alert, now: datetime) -> None:
        """Notes what happened to an alert, if it is a member."""
        member = self._members.get(alert.id)
        if member is not None:
            place = member.incident_id - 1
            self._standings[place], self._members[alert.id] = follow(self._standings[place], member, alert, now)

    def place(self, alerts: Sequence[Alert], now: datetime) -> dict[int, Incident]:
        """Makes alerts that wait members of incidents; answers the incident of each one that became a member."""
        places = sorted(self._find_candidates(alerts, now))
        standings, placements = correlate(alerts, [self._standings[place] for place in places], self._window, now)
        for place, standing in zip(places, standings, strict=False):
            self._standings[place] = standing
        for standing in standings[len(places) :]:
            places.append(len(self._standings))
            numbered = replace(standing.incident, id=len(self._standings) + 1, number=len(self._standings) + 1)
            self._of_key[numbered.correlation_key].append(len(self._standings))
            self._standings.append(replace(standing, incident=numbered))
            self._joined.append([])
        for placement in placements:
            place = places[placement.position]
            self._members[placement.alert.id] = new_member(place + 1, placement.alert, placement.joining, now)
            self._joined[place].append(placement.alert.id)
        return {placement.alert.id: self._standings[places[placement.position]].incident for placement in placements}

    def _find_candidates(self, alerts: Iterable[Alert], now: datetime) -> Iterator[int]:
        """The places of the incidents that alerts may join; of others the live correlator knows nothing either."""
        starts: dict[str, list[datetime]] = defaultdict(list)
        for alert in alerts:
            key = correlation_key_of(alert)
            if key is not None:
                starts[key].append(alert.start_time)
        for key, of_key in starts.items():
            first, last = min(of_key) - self._window, max(of_key) + self._window
            for place in self._of_key[key]:
                incident = self._standings[place].incident
                if incident.active_alert_count or (first <= incident.newest_alert_time <= last and not self._is_over(incident, now)):
                    yield place

    def _is_over(self, incident: Incident, now: datetime) -> bool:
        inactive_time, limit = incident.inactive_time, self._resolve_after
        return limit is not None and inactive_time is not None and inactive_time + limit <= now
