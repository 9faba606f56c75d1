"""Notifications of a replay: transitions go through the live routing, event time being the clock (contract lumetry 14.4, 19.3).

What live routing reads of the past is what the replay has decided. Every delivery is taken to succeed at once.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lumetry_core.alerts.decisions import Record, Transition
from lumetry_core.alerts.maintenance import MaintenanceWindow
from lumetry_core.alerts.model import Alert
from lumetry_core.incidents.model import Incident
from lumetry_core.notifications.delivery import Cause, Delivery, DeliveryStatus
from lumetry_core.notifications.service.facts import Key, Known
from lumetry_core.notifications.service.walk import Walk
from lumetry_core.replay.covering import Periods
from lumetry_core.replay.storms import Openings, Repetitions
from lumetry_core.replay.surroundings import Surroundings
from lumetry_core.rules.model import Rule
from lumetry_core.runtime.queue import WorkItem

RELEASE = "release"


class Outcome(StrEnum):
    """What becomes of a notification, as the contract calls it."""

    SENT = "Sent"
    SKIPPED = "Skipped"
    SUPPRESSED = "Suppressed"


OUTCOMES = {DeliveryStatus.SKIPPED: Outcome.SKIPPED, DeliveryStatus.SUPPRESSED: Outcome.SUPPRESSED}


@dataclass(frozen=True, slots=True)
class Notification:
    """What an integration is (not) told of an alert, and when that was decided.

    Args:
        place: Of the alert.
        integration_id: 0: the deployment's fallback target.
        reason: None when it is sent, as
        record: which names incidents by their numbers within the replay.
    """

    place: int
    transition: Transition
    time: datetime
    profile_id: int | None
    integration_id: int
    outcome: Outcome
    reason: Cause | None
    record: Record | None


class Telling:
    """The routing of a replay under way."""

    def __init__(self, rule: Rule, alerts: dict[int, Alert], surroundings: Surroundings, start: datetime) -> None:
        """Begins with nobody told.

        Args:
            alerts: By number; kept up to date by the caller.
        """
        self.notifications: list[Notification] = []
        self._organization_id = rule.organization_id
        self._silences = Periods((one.start_time, one.end_time, one.id, one) for one in surroundings.silences)
        self._known = Known(
            organization_id=rule.organization_id,
            now=start,
            alerts=alerts,
            incidents={},
            profiles=dict(surroundings.profiles),
            integrations=dict(surroundings.integrations),
            fallback=surroundings.fallback,
            profile_of_rule={} if rule.alerting_profile_id is None else {rule.id: rule.alerting_profile_id},
            windows={},
            silences=[],
            traces={},
            held={},
            deliveries={},
            pages={},
            opened={},
            last_openings={},
            lanes={},
        )
        self._openings = Openings(self._known)
        self._repetitions = Repetitions(self._known)
        self._due: list[tuple[datetime, int, Transition]] = []
        self._shown: dict[Key, tuple[Outcome, Cause | None, Record | None]] = {}

    @property
    def next_time(self) -> datetime | None:
        """When something that waits is due; None: nothing is."""
        times = (self._due[0][0] if self._due else None, self._repetitions.next_time)
        return min((time for time in times if time is not None), default=None)

    def meet(self, incident: Incident) -> None:
        """Notes an incident of which an alert is a member now."""
        self._known.incidents[incident.id] = incident

    def pass_time(
        self,
        now: datetime,
        changes: Sequence[tuple[int, Transition]],
        released: Sequence[int],
        windows: Mapping[int, MaintenanceWindow],
    ) -> None:
        """Works off what happens at a time and what is due then, as one round of live routing.

        Args:
            changes: Numbers of alerts and their transitions.
            released: Alerts that maintenance covers no more.
            windows: Those that are active.
        """
        known = self._known
        due = self._take_due(now)
        unheard = self._repetitions.find_unheard(now)
        if not (changes or released or due or unheard):
            return
        self._silences.advance(now)
        known.now, known.silences, known.windows = now, list(self._silences.lasting.values()), dict(windows)
        named = (
            {alert_id for alert_id, _ in (*changes, *due)} | set(released) | {alert_id for each in unheard for alert_id in each.alert_ids}
        )
        known.opened = self._openings.find_recent(named, now)
        walk = Walk(known)
        kinds = [(RELEASE, alert_id) for alert_id in released] + [(transition.value, alert_id) for alert_id, transition in changes]
        waiting = [known.held[key] for key in due]
        walk.follow([WorkItem(0, self._organization_id, kind, {"alert_id": alert_id}, now) for kind, alert_id in kinds])
        for held in waiting:
            walk.look_again(held)
        for each in unheard:
            walk.tell_unheard(each)
        self._note(walk, now)

    def _take_due(self, now: datetime) -> list[tuple[int, Transition]]:
        """What waits until now, an alert's opening before its escalation."""
        found = set()
        while self._due and self._due[0][0] <= now:
            time, alert_id, transition = heapq.heappop(self._due)
            held = self._known.held.get((alert_id, transition))
            if held is not None and held.due_time == time:
                found.add((alert_id, transition))
        return sorted(found, key=lambda key: (key[0], key[1] is not Transition.OPEN))

    def _note(self, walk: Walk, now: datetime) -> None:
        for key, held in walk.waiting.items():
            if held.due_time is not None:
                heapq.heappush(self._due, (held.due_time, *key))
        self._openings.note(walk)
        self._repetitions.note(walk, now)
        self.notifications += self._show(walk.changed.items(), now)

    def _show(self, changed: Iterable[tuple[Key, Delivery]], now: datetime) -> Iterable[Notification]:
        """The notifications of deliveries that were decided on, but of those that were decided the same before."""
        for key, delivery in changed:
            outcome = OUTCOMES.get(delivery.status, Outcome.SENT)
            shown = (outcome, delivery.reason, delivery.record)
            if self._shown.get(key) != shown:
                self._shown[key] = shown
                yield Notification(delivery.alert_id, delivery.transition, now, delivery.profile_id, delivery.integration_id, *shown)
