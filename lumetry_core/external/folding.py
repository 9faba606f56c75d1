"""Takes the transitions of a source, one after the other, and says what becomes of alerts in the end: each is touched once."""

from collections.abc import Mapping
from datetime import datetime

from lumetry_core.alerts.model import CloseCause
from lumetry_core.alerts.reports import Report, ReportedEnd, Reporter, Retelling
from lumetry_core.external.lifecycle import Effect, advance
from lumetry_core.external.model import Definition, Occurrence, Source, Transition
from lumetry_core.rules.model import Severity


class Fold:
    """The occurrences of a source while transitions go through them.

    `reports` holds what opens alerts, by occurrence; an alert that opens here gets its number in `occurrences` before `retellings` and
    `ends` are asked.
    """

    def __init__(self, source: Source, definitions: Mapping[str, Definition], known: Mapping[str, Occurrence]) -> None:
        self.occurrences: dict[str, Occurrence] = dict(known)
        self.reports: dict[str, Report] = {}
        self.unmapped: list[Transition] = []
        self._source = source
        self._definitions = definitions
        self._severities: dict[str, Severity] = {}
        self._end_times: dict[str, datetime] = {}

    def add(self, identity: str, transition: Transition) -> None:
        """Takes the next transition, of the occurrence with this identity."""
        definition = self._definitions.get(transition.definition_key)
        if definition is not None and not definition.is_enabled:
            definition = None
        if definition is None:
            self.unmapped.append(transition)
        known = self.occurrences.get(identity)
        has_alert = identity in self.reports or (known is not None and known.alert_id is not None)
        after, effect = advance(known, transition, has_alert=has_alert, is_mapped=definition is not None)
        self.occurrences[identity] = after
        if effect is Effect.OPEN and definition is not None:
            self.reports[identity] = report_of(self._source, definition, after)
        elif effect is Effect.UPDATE:
            severity = self._source.severity_of(transition.severity)
            if self._severities.get(identity) is not Severity.CRITICAL:
                self._severities[identity] = severity
        elif effect is Effect.CLOSE:
            self._end_times[identity] = transition.occurred_time

    def retellings(self) -> list[Retelling]:
        """What is told anew of active alerts."""
        told = []
        for identity, severity in self._severities.items():
            occurrence = self.occurrences[identity]
            if occurrence.alert_id is not None:
                told.append(Retelling(occurrence.alert_id, self._reporter(occurrence), severity, occurrence.title, occurrence.description))
        return told

    def ends(self) -> list[ReportedEnd]:
        """What closes alerts."""
        ends = []
        for identity, time in self._end_times.items():
            occurrence = self.occurrences[identity]
            if occurrence.alert_id is not None:
                reason = f"Source '{self._source.name}' reported Resolved"
                ends.append(ReportedEnd(occurrence.alert_id, self._reporter(occurrence), CloseCause.SOURCE_RESOLVED, reason, time))
        return ends

    def _reporter(self, occurrence: Occurrence) -> Reporter:
        return reporter_of(self._source, self._definitions.get(occurrence.definition_key), occurrence.definition_key)


def report_of(source: Source, definition: Definition, occurrence: Occurrence) -> Report:
    """The opening of an occurrence that is firing."""
    return Report(
        reporter=reporter_of(source, definition, definition.key),
        instance_key=occurrence.instance_key,
        occurrence_key=occurrence.occurrence_key,
        node_id=definition.node_id,
        severity=source.severity_of(occurrence.severity),
        title=occurrence.title,
        description=occurrence.description,
        labels=occurrence.labels,
        start_time=occurrence.occurred_time,
    )


def reporter_of(source: Source, definition: Definition | None, key: str) -> Reporter:
    """A definition as alerts know it; None: it is not mapped any more."""
    if definition is None:
        return Reporter(source.id, source.name, None, key, key)
    return Reporter(source.id, source.name, definition.id, key, definition.display_name or key)
