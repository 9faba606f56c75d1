"""What one look at a certificate makes of its monitor: the check, the monitor after it, and whether it is worth writing down.

What reads certificates is loaded with the first one: cryptography is large, and many deployments watch none.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.certificates.judging import Judgement, judge
from lumetry_core.certificates.model import CertificateFacts, ChainLink, Check, Monitor, Presented, Status

RETRY = timedelta(minutes=10)
"""When nothing could be read it is tried again so soon: most such troubles pass."""
JITTER = 0.05
"""By so much of its interval a check may come early, so that monitors made together do not stay together."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """One look. `facts` and `judgement` are missing when no certificate could be read; then nothing fires and nothing is over."""

    before: Monitor
    after: Monitor
    check: Check
    chain: tuple[ChainLink, ...] = ()
    facts: CertificateFacts | None = None
    judgement: Judgement | None = None


def assess(monitor: Monitor, presented: Presented, now: datetime) -> Assessment:
    """Assesses what a monitor's server presented."""
    error = presented.error
    facts = None
    if not error:
        from lumetry_core.certificates.chain import UnreadableError, read_presented  # noqa: PLC0415 -- see the docstring

        try:
            facts = read_presented(presented.chain, monitor.hostname, now)
        except UnreadableError as failure:
            error = f"other: {failure}"
    if facts is None:
        check = Check(id=0, monitor_id=monitor.id, check_time=now, error_message=error)
        after = replace(
            monitor, status=Status.ERROR, last_error=error, last_check_time=now, next_check_time=plan(monitor, now, failed=True)
        )
        return Assessment(monitor, after, check)
    judged = judge(facts, presented.verdict, monitor.warning_thresholds, monitor.conditions, monitor.last_alerted_threshold, now)
    after = replace(
        monitor,
        status=judged.status,
        conditions=judged.conditions,
        last_alerted_threshold=judged.threshold,
        last_error=None,
        last_check_time=now,
        next_check_time=plan(monitor, now, failed=False),
    )
    return Assessment(monitor, after, make_check(monitor, presented, facts, now), facts.chain, facts, judged)


def make_check(monitor: Monitor, presented: Presented, facts: CertificateFacts, now: datetime) -> Check:
    """The check of a certificate that was read."""
    from lumetry_core.certificates.chain import fingerprint  # noqa: PLC0415 -- see the docstring

    return Check(
        id=0,
        monitor_id=monitor.id,
        check_time=now,
        subject_cn=facts.subject_cn,
        issuer_cn=facts.issuer_cn,
        issuer_org=facts.issuer_org,
        sans=facts.sans,
        serial_number=facts.serial_number,
        signature_algorithm=facts.signature_algorithm,
        not_before=facts.not_before,
        not_after=facts.not_after,
        days_remaining=facts.days_remaining,
        chain_valid=presented.verdict.valid,
        chain_error=presented.verdict.error,
        hostname_match=facts.hostname_match,
        fingerprint=fingerprint(presented.chain),
    )


def plan(monitor: Monitor, now: datetime, *, failed: bool) -> datetime | None:
    """When the worker looks again; None: it does not."""
    if not monitor.is_scheduled:
        return None
    interval = timedelta(seconds=monitor.check_interval_seconds)
    pause = min(interval, RETRY) if failed else interval
    spread = (monitor.id * 7919 + monitor.epoch * 104_729) % 1000 / 1000
    return now + pause * (1 - JITTER * spread)


def is_news(assessment: Assessment, latest: Check | None) -> bool:
    """Whether a look, of which there may be many a minute, is worth a check of its own: it differs, or the latest one is old."""
    before, after, check = assessment.before, assessment.after, assessment.check
    if latest is None or latest.check_time + timedelta(seconds=after.check_interval_seconds) <= check.check_time:
        return True
    if replace(after, last_check_time=None, next_check_time=None) != replace(before, last_check_time=None, next_check_time=None):
        return True
    return replace(check, id=latest.id, check_time=latest.check_time) != latest
