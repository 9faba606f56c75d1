from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.certificates.judging import Firing, Judgement, is_renewing, judge, rate_days
from lumetry_core.certificates.model import AlertType, CertificateFacts, Status, Verdict
from lumetry_core.rules.model import Severity
from tests.core.certificates.authority import NOW

THRESHOLDS = (30, 14, 7, 3, 1)
FINE = Verdict(valid=True)
EVERY = tuple(AlertType)


def facts(days: float, *, matches: bool = True, organization: str = "Test Trust") -> CertificateFacts:
    left = timedelta(days=days)
    return CertificateFacts(
        "a", "b", organization, (), "1", "x", NOW - timedelta(days=90), NOW + left, int(left.total_seconds() // 86_400), matches, ()
    )


def look(days: float, standing: Sequence[AlertType] = (), last: int | None = None, verdict: Verdict = FINE, **more: bool) -> Judgement:
    return judge(facts(days, **more), verdict, THRESHOLDS, standing, last, NOW)


def test_judge_valid() -> None:
    """Nothing fires, and whatever stood is over."""
    assert look(31) == Judgement(Status.VALID, (), (), (), None)
    assert look(31, EVERY, 7) == Judgement(Status.VALID, (), EVERY, (), None)


@pytest.mark.parametrize(
    ("days", "threshold", "severity"),
    [
        (30.9, 30, Severity.INFO),
        (15, 30, Severity.INFO),
        (14, 14, Severity.WARNING),
        (8, 14, Severity.WARNING),
        (7, 7, Severity.CRITICAL),
        (2, 3, Severity.CRITICAL),
        (0.1, 1, Severity.CRITICAL),
        (0, 1, Severity.CRITICAL),
    ],
)
def test_judge_expiring(days: float, threshold: int, severity: Severity) -> None:
    """The lowest threshold that is crossed counts; one that expires today is expiring, not expired."""
    fires = (Firing(AlertType.EXPIRING, severity, threshold),)
    assert look(days, (AlertType.EXPIRED,)) == Judgement(Status.EXPIRING, fires, (AlertType.EXPIRED,), (AlertType.EXPIRING,), threshold)


def test_judge_expired() -> None:
    """It is told by itself; `expiring` neither fires anew nor is over, and its last threshold is kept."""
    fires = (Firing(AlertType.EXPIRED, Severity.CRITICAL),)
    assert look(-0.1) == Judgement(Status.EXPIRED, fires, (), (AlertType.EXPIRED,), None)
    both = (AlertType.EXPIRING, AlertType.EXPIRED)
    assert look(-3, (AlertType.EXPIRING,), 1) == Judgement(Status.EXPIRED, fires, (), both, 1)


def test_judge_renewed_but_not_for_long() -> None:
    """A new certificate below the largest threshold ends `expired` and leaves `expiring`."""
    both = (AlertType.EXPIRING, AlertType.EXPIRED)
    fires = (Firing(AlertType.EXPIRING, Severity.INFO, 30),)
    assert look(20, both, 1) == Judgement(Status.EXPIRING, fires, (AlertType.EXPIRED,), (AlertType.EXPIRING,), 30)


def test_judge_chain_and_host() -> None:
    """Both are critical, whatever the status, and each is over by itself."""
    broken = Verdict(valid=False, error="untrusted root or missing intermediate")
    both = (AlertType.CHAIN_INVALID, AlertType.HOSTNAME_MISMATCH)
    fires = tuple(Firing(each, Severity.CRITICAL) for each in both)
    assert look(99, verdict=broken, matches=False) == Judgement(Status.VALID, fires, (), both, None)
    assert look(99, both, matches=False) == Judgement(Status.VALID, fires[1:], both[:1], both[1:], None)


def test_judge_chain_without_verdict() -> None:
    """A chain that could not be judged neither fires nor is over."""
    unknown = Verdict(valid=None)
    assert look(99, verdict=unknown) == Judgement(Status.VALID, (), (), (), None)
    assert look(99, (AlertType.CHAIN_INVALID,), verdict=unknown) == Judgement(Status.VALID, (), (), (AlertType.CHAIN_INVALID,), None)


@pytest.mark.parametrize(
    ("days", "renewing", "other"),
    [
        (30, Severity.INFO, Severity.INFO),
        (15, Severity.INFO, Severity.INFO),
        (14, Severity.INFO, Severity.WARNING),
        (8, Severity.INFO, Severity.WARNING),
        (7, Severity.WARNING, Severity.CRITICAL),
        (4, Severity.WARNING, Severity.CRITICAL),
        (3, Severity.CRITICAL, Severity.CRITICAL),
    ],
)
def test_rate_days(days: int, renewing: Severity, other: Severity) -> None:
    """Little time left is the normal state of certificates that programs renew."""
    assert (rate_days(days, auto_renewable=True), rate_days(days, auto_renewable=False)) == (renewing, other)


def test_tell_renewing_issuers() -> None:
    """By the organization's name, in whichever spelling."""
    renewing = ["Let's Encrypt", "Let\u2019s Encrypt", "ZeroSSL GmbH", "Buypass AS-983163327", "Google Trust Services LLC"]
    assert [is_renewing(each) for each in (*renewing, "DigiCert Inc", "")] == [True] * 5 + [False] * 2


@given(
    days=st.floats(-400, 400),
    valid=st.sampled_from([True, False, None]),
    matches=st.booleans(),
    standing=st.sets(st.sampled_from(EVERY)),
)
def test_judgements_are_consistent(days: float, valid: bool | None, matches: bool, standing: set[AlertType]) -> None:
    """Nothing both fires and is over, only what stood can be over, and what stands is what fires and what was left alone."""
    before = tuple(each for each in AlertType if each in standing)
    judged = look(days, before, None, Verdict(valid), matches=matches)
    firing, over = {each.alert_type for each in judged.fires}, set(judged.recovers)
    assert not firing & over
    assert over <= standing
    assert set(judged.conditions) == firing | (standing - over)
    again = judge(facts(days, matches=matches), Verdict(valid), THRESHOLDS, judged.conditions, judged.threshold, NOW)
    assert (again.fires, again.recovers, again.conditions) == (judged.fires, (), judged.conditions)
