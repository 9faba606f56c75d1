"""What is told of a look at a certificate: reports to alerts, and events (contract monitoring 9.3, 17.2)."""

from collections.abc import Mapping
from datetime import datetime

from lumetry_core.alerts.monitors import EntityType, MonitorRecovery, MonitorReport, MonitorSource
from lumetry_core.certificates.assessing import Assessment
from lumetry_core.certificates.judging import Firing, is_renewing
from lumetry_core.certificates.model import AlertType, Check, Monitor
from lumetry_core.runtime.clock import spell_time

Told = tuple[str, Mapping[str, object]]

TITLES = {
    AlertType.EXPIRING: "Certificate expiring",
    AlertType.EXPIRED: "Certificate expired",
    AlertType.CHAIN_INVALID: "Certificate chain invalid",
    AlertType.HOSTNAME_MISMATCH: "Certificate of another host",
}
NAMES_SHOWN = 5


def build_report(assessment: Assessment, firing: Firing) -> MonitorReport:
    """The report of a condition."""
    monitor, check = assessment.after, assessment.check
    return MonitorReport(
        source=MonitorSource.CERTIFICATE,
        alert_type=firing.alert_type,
        entity=monitor.entity,
        severity=firing.severity,
        alert_name=f"{TITLES[firing.alert_type]}: {monitor.name}",
        message=explain(monitor, check, firing.alert_type),
        details=detail(monitor, check, firing),
        start_time=check.check_time,
        subject=monitor.container,
        topology_node_id=monitor.node_id,
        channels=monitor.alert_channels,
        follows=firing.alert_type is AlertType.EXPIRING,
        renewal=find_renewal(assessment.before, check, firing),
    )


def find_renewal(before: Monitor, check: Check, firing: Firing) -> str | None:
    """What makes an open alert be told again: a threshold lower than the last one. A certificate that gained time is no news."""
    if firing.threshold is None or check.not_after is None:
        return None
    last = before.last_alerted_threshold
    return f"{spell_time(check.not_after)}/{firing.threshold}" if last is None or firing.threshold < last else None


def build_recovery(assessment: Assessment, alert_type: AlertType) -> MonitorRecovery:
    """The end of a condition."""
    monitor, check = assessment.after, assessment.check
    return MonitorRecovery(
        source=MonitorSource.CERTIFICATE,
        alert_type=alert_type,
        entity_type=EntityType.CERTIFICATE,
        entity_id=monitor.id,
        end_time=check.check_time,
        message=find_end(monitor, check, alert_type),
    )


def explain(monitor: Monitor, check: Check, alert_type: AlertType) -> str:
    """Why a condition stands, in a sentence."""
    name = monitor.name
    match alert_type:
        case AlertType.EXPIRING:
            return f"The certificate of {name} expires {count(check.days_remaining)}, on {spell_day(check.not_after)}."
        case AlertType.EXPIRED:
            return f"The certificate of {name} expired on {spell_day(check.not_after)}."
        case AlertType.CHAIN_INVALID:
            return f"The certificate chain of {name} cannot be verified: {check.chain_error}."
        case AlertType.HOSTNAME_MISMATCH:
            shown = ", ".join(check.sans[:NAMES_SHOWN]) or check.subject_cn or "no name at all"
            more = ", …" if len(check.sans) > NAMES_SHOWN else ""
            return f"The certificate that {name} presents is for another host: {shown}{more}."


def find_end(monitor: Monitor, check: Check, alert_type: AlertType) -> str:
    """Why a condition is over, in a sentence."""
    match alert_type:
        case AlertType.CHAIN_INVALID:
            return f"The certificate chain of {monitor.name} can be verified."
        case AlertType.HOSTNAME_MISMATCH:
            return f"The certificate that {monitor.name} presents is for this host."
        case _:
            return f"The certificate of {monitor.name} is valid until {spell_day(check.not_after)}."


def count(days: int | None) -> str:
    """How soon."""
    if not days:
        return "within 24 hours"
    return "in 1 day" if days == 1 else f"in {days} days"


def spell_day(moment: datetime | None) -> str:
    """A day as people read it."""
    return moment.date().isoformat() if moment else ""


def spell(moment: datetime | None) -> str | None:
    """A time as contracts write it."""
    return None if moment is None else spell_time(moment)


def detail(monitor: Monitor, check: Check, firing: Firing) -> dict[str, object]:
    """The details of an alert."""
    return {
        "monitor_id": monitor.id,
        "hostname": monitor.hostname,
        "port": monitor.port,
        "days_remaining": check.days_remaining,
        "threshold_days": firing.threshold,
        "not_after": spell(check.not_after),
        "issuer_org": check.issuer_org or None,
        "auto_renewable": is_renewing(check.issuer_org),
        "chain_error": check.chain_error,
    }


def tell_alert(assessment: Assessment, firing: Firing) -> Told:
    """That an alert was opened, raised or renewed."""
    data = detail(assessment.after, assessment.check, firing)
    return "certificate.alert", {**data, "alert_type": firing.alert_type.value, "severity": firing.severity.value.lower()}


def tell_recovery(assessment: Assessment, alert_type: AlertType) -> Told:
    """That a condition is over."""
    monitor, check = assessment.after, assessment.check
    return "certificate.recovery", {
        "monitor_id": monitor.id,
        "hostname": monitor.hostname,
        "port": monitor.port,
        "previous_alert_type": alert_type.value,
        "new_not_after": spell(check.not_after),
        "days_remaining": check.days_remaining,
    }


def tell_check(assessment: Assessment) -> list[Told]:
    """That there was a check, and that the status changed."""
    before, after, check = assessment.before, assessment.after, assessment.check
    told: list[Told] = [
        (
            "certificate.check_completed",
            {
                "monitor_id": after.id,
                "hostname": after.hostname,
                "status": after.status.value,
                "checked_at": spell_time(check.check_time),
                "subject_cn": check.subject_cn or None,
                "issuer_cn": check.issuer_cn or None,
                "not_after": spell(check.not_after),
                "days_remaining": check.days_remaining,
                "chain_valid": check.chain_valid,
                "hostname_match": check.hostname_match,
            },
        )
    ]
    if before.status is not after.status:
        change = {
            "monitor_id": after.id,
            "hostname": after.hostname,
            "previous_status": before.status.value,
            "new_status": after.status.value,
            "days_remaining": check.days_remaining,
        }
        told.append(("certificate.status_changed", change))
    return told


def tell_monitor(event_type: str, monitor: Monitor) -> Told:
    """That a monitor came, changed or went."""
    data: dict[str, object] = {"monitor_id": monitor.id, "hostname": monitor.hostname}
    if event_type != "certificate.deleted":
        data |= {"port": monitor.port, "source": monitor.source.value}
    return event_type, data
