"""What external sources report of alarms, and the traces of these transitions (contract lumetry 13.5, 19.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.alerts.decisions import Decision, Explanation, Gate, Record, Transition, Verdict, finish, no_trigger
from lumetry_core.alerts.model import Alert, AlertState, CloseCause, SourceKind
from lumetry_core.rules.model import Severity

OPENED = "External source reported Firing"


@dataclass(frozen=True, slots=True)
class Reporter:
    """The definition of a source whose alarm is reported. `definition_id` is None for one that is not mapped any more."""

    source_id: int
    source_name: str
    definition_id: int | None
    definition_key: str
    definition_name: str

    @property
    def record(self) -> Record | None:
        """The definition as a deciding record."""
        if self.definition_id is None:
            return None
        return Record("ExternalAlertDefinition", str(self.definition_id), self.definition_name)


@dataclass(frozen=True, slots=True)
class Report:
    """A Firing that opens an alert.

    Args:
        node_id: The topology node that the definition stands for.
        start_time: When the source saw it fire.
    """

    reporter: Reporter
    instance_key: str | None
    occurrence_key: str
    node_id: int
    severity: Severity
    title: str | None
    description: str | None
    labels: Mapping[str, str]
    start_time: datetime


@dataclass(frozen=True, slots=True)
class Retelling:
    """A later Firing of an active alert. Its severity counts when it is higher than the alert's."""

    alert_id: int
    reporter: Reporter
    severity: Severity
    title: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class ReportedEnd:
    """Why a reported alert closes: Resolved, or the end of its source, which `reason` says for people."""

    alert_id: int
    reporter: Reporter
    cause: CloseCause
    reason: str
    end_time: datetime


def new_reported_alert(organization_id: int, report: Report, now: datetime) -> Alert:
    """The alert of a report, still without its number."""
    reporter = report.reporter
    return Alert(
        id=0,
        organization_id=organization_id,
        alert_name=report.title or reporter.definition_name,
        source_kind=SourceKind.EXTERNAL,
        state=AlertState.OPEN,
        severity=report.severity,
        trigger_reason=OPENED,
        start_time=report.start_time,
        create_time=now,
        update_time=now,
        topology_node_id=report.node_id,
        title=report.title,
        description=report.description,
        labels=report.labels,
        external_source_id=reporter.source_id,
        external_source_name=reporter.source_name,
        external_definition_id=reporter.definition_id,
        external_definition_key=reporter.definition_key,
        external_instance_key=report.instance_key,
        external_occurrence_key=report.occurrence_key,
    )


def explain_report(alert_id: int, report: Report, now: datetime) -> Explanation:
    """The trace of a Firing that opened an alert."""
    record = report.reporter.record
    gates = (
        matched_definition(report.reporter, now),
        Decision(Gate.TRIGGER_WINDOW, Verdict.PASSED, OPENED, record, now),
        Decision(Gate.HYSTERESIS, Verdict.PASSED, "No alert was open for this occurrence", record, now),
    )
    return finish(alert_id, Transition.OPEN, gates)


def explain_reported_rise(alert: Alert, retelling: Retelling, now: datetime) -> Explanation:
    """The trace of a rise in severity. `alert` is the one before it."""
    record = retelling.reporter.record
    reason = f"The open alert rises from {alert.severity} to {retelling.severity}"
    gates = (
        matched_definition(retelling.reporter, now),
        Decision(Gate.TRIGGER_WINDOW, Verdict.PASSED, f"{OPENED} as {retelling.severity}", record, now),
        Decision(Gate.HYSTERESIS, Verdict.PASSED, reason, record, now),
    )
    return finish(alert.id, Transition.ESCALATE, gates)


def explain_reported_end(alert: Alert, end: ReportedEnd, now: datetime) -> Explanation:
    """The trace of a close by the source, or with it. `alert` is the one before it."""
    record = end.reporter.record
    gates = (
        Decision(Gate.RULE, Verdict.PASSED, end.reason, record, now),
        no_trigger(now),
        Decision(Gate.HYSTERESIS, Verdict.NOT_APPLICABLE, "Recovery is the source's to tell and needs no quiet period", record, now),
    )
    return finish(alert.id, Transition.CLOSE, gates)


def matched_definition(reporter: Reporter, now: datetime) -> Decision:
    """The first gate's decision for a definition that is mapped."""
    reason = f"Definition '{reporter.definition_name}' of source '{reporter.source_name}' is mapped and enabled"
    return Decision(Gate.RULE, Verdict.PASSED, reason, reporter.record, now)
