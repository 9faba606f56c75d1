"""What a read certificate means: status, alerts that fire and alerts that are over (contract monitoring 7.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.certificates.model import AlertType, CertificateFacts, Status, Verdict
from lumetry_core.rules.model import Severity

RENEWING = ("let's encrypt", "zerossl", "buypass", "google trust services")
"""Authorities whose certificates programs renew by themselves: not much time left is their normal state."""
RENEWED_LIMITS = (3, 7)
OTHER_LIMITS = (7, 14)
"""Days up to which it is critical, and a warning."""


@dataclass(frozen=True, slots=True)
class Firing:
    """A condition that stands. `threshold` is the lowest one crossed, of `expiring` only."""

    alert_type: AlertType
    severity: Severity
    threshold: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a check comes to. `conditions` stand from now on; those in neither `fires` nor `recovers` stay as they were."""

    status: Status
    fires: tuple[Firing, ...]
    recovers: tuple[AlertType, ...]
    conditions: tuple[AlertType, ...]
    threshold: int | None


def judge(
    facts: CertificateFacts,
    verdict: Verdict,
    thresholds: Sequence[int],
    standing: Sequence[AlertType],
    last_threshold: int | None,
    now: datetime,
) -> Judgement:
    """Judges a certificate that was read.

    When it is over, `expired` joins `expiring`, which is neither told again nor over: that takes a certificate that lasts longer than the
    largest threshold. A chain that could not be judged leaves its alert as it is.

    Args:
        facts: What the certificate says.
        verdict: What is to be thought of its chain.
        thresholds: Days before the end.
        standing: Conditions that stood before.
        last_threshold: The threshold that was told last.
        now: The time of the check.
    """
    fires: list[Firing] = []
    fine: list[AlertType] = []
    status, threshold = Status.VALID, last_threshold
    days = facts.days_remaining
    if now > facts.not_after:
        status = Status.EXPIRED
        fires.append(Firing(AlertType.EXPIRED, Severity.CRITICAL))
    else:
        fine.append(AlertType.EXPIRED)
        threshold = min((each for each in thresholds if days <= each), default=None)
        if threshold is None:
            fine.append(AlertType.EXPIRING)
        else:
            status = Status.EXPIRING
            fires.append(Firing(AlertType.EXPIRING, rate_days(days, auto_renewable=is_renewing(facts.issuer_org)), threshold))
    if verdict.valid is not None:
        note(AlertType.CHAIN_INVALID, verdict.valid, fires, fine)
    note(AlertType.HOSTNAME_MISMATCH, facts.hostname_match, fires, fine)
    firing = {each.alert_type for each in fires}
    stands = firing | (set(standing) - set(fine))
    return Judgement(
        status=status,
        fires=tuple(fires),
        recovers=tuple(each for each in AlertType if each in standing and each in fine),
        conditions=tuple(each for each in AlertType if each in stands),
        threshold=threshold,
    )


def note(alert_type: AlertType, is_fine: bool, fires: list[Firing], fine: list[AlertType]) -> None:  # noqa: FBT001 -- the fact itself
    """Notes a condition of which only one severity exists."""
    if is_fine:
        fine.append(alert_type)
    else:
        fires.append(Firing(alert_type, Severity.CRITICAL))


def rate_days(days: int, *, auto_renewable: bool) -> Severity:
    """How bad it is that so many days are left."""
    critical, warning = RENEWED_LIMITS if auto_renewable else OTHER_LIMITS
    if days <= critical:
        return Severity.CRITICAL
    return Severity.WARNING if days <= warning else Severity.INFO


def is_renewing(issuer_org: str) -> bool:
    """Whether an authority's certificates are renewed by programs."""
    name = issuer_org.lower().replace("\u2019", "'")
    return any(known in name for known in RENEWING)
