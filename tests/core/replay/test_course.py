from dataclasses import replace
from datetime import timedelta
from typing import Any

from lumetry_core.notifications.model import Profile
from lumetry_core.replay.course import Course, follow_alerts
from lumetry_core.replay.outcome import ReplayedAlert
from lumetry_core.replay.storms import Repeated
from lumetry_core.replay.surroundings import Surroundings
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import from_ms
from tests.core.alerts.planning import window
from tests.core.evaluation.building import rule
from tests.core.notifications.test_routing import a_profile, an_integration
from tests.core.replay.test_correlating import NOW, alert

START = from_ms(NOW)
MINUTE = timedelta(minutes=1)


def course_of(*alerts: ReplayedAlert, minutes: float = 1440, profile: Profile | None = None, **fields: Any) -> Course:
    """What follows of alerts, of which one integration is told by the default profile."""
    used = profile or a_profile()
    surroundings: dict[str, Any] = {
        "correlation_window": timedelta(minutes=30),
        "profiles": {used.id: used},
        "integrations": {1: an_integration(1), 2: an_integration(2)},
    }
    return follow_alerts(rule(), alerts, Surroundings(**surroundings | fields), START + minutes * MINUTE)


def told(course: Course) -> list[tuple[int, str, float, str, str | None]]:
    """Alert, transition, minutes after the start, outcome and reason."""
    return [(one.place, one.transition.value, (one.time - START) / MINUTE, one.outcome.value, one.reason) for one in course.notifications]


def test_follow_alerts_within_a_cooldown() -> None:
    """The same member again within the cooldown of the last opening that was told is skipped, and its close with it."""
    found = course_of(alert(0, 2), alert(4, 5), alert(10, 12), profile=a_profile(cooldown_minutes=10))
    assert told(found) == [
        (0, "open", 0.0, "Sent", None),
        (0, "close", 2.0, "Sent", None),
        (1, "open", 4.0, "Skipped", "cooldown"),
        (2, "open", 10.0, "Sent", None),
        (2, "close", 12.0, "Sent", None),
    ]


def test_follow_alerts_without_anybody_to_tell() -> None:
    """No profile and no fallback: nothing is told, and nothing is noted as not told; the fallback is told where there is one."""
    assert told(course_of(alert(0, 2), profiles={})) == []
    fallback = an_integration(0)
    found = course_of(alert(0, 2), profiles={}, integrations={0: fallback}, fallback=fallback)
    assert [(one.integration_id, one.profile_id, one.outcome) for one in found.notifications] == [(0, None, "Sent")] * 2


def test_follow_alerts_that_maintenance_covers() -> None:
    """One that is over before the window leads nowhere; one that lasts becomes a member and is told when the window ends."""
    covering = window(start_time=START - MINUTE, end_time=START + 10 * MINUTE)
    found = course_of(alert(0, 5, "host.id=a"), alert(1, 20, "host.id=b"), alert(15, 16, "host.id=c"), windows=[covering])
    assert found.suppressed == {0, 1}
    assert [one.alerts for one in found.incidents] == [(1, 2)]
    assert told(found) == [
        (0, "open", 0.0, "Suppressed", "maintenance"),
        (1, "open", 1.0, "Suppressed", "maintenance"),
        (1, "open", 10.0, "Sent", None),
        (2, "open", 15 + 1 / 60, "Sent", None),
        (2, "close", 16.0, "Sent", None),
        (1, "close", 20.0, "Sent", None),
    ]


def test_follow_alerts_under_a_window_that_starts_later() -> None:
    """A member stays a member; its escalation waits for the end of the window, its close does not."""
    covering = window(start_time=START + 2 * MINUTE, end_time=START + 10 * MINUTE)
    found = course_of(alert(0, 20, rises=5), windows=[covering])
    assert (found.suppressed, [one.alerts for one in found.incidents]) == (frozenset(), [(0,)])
    assert told(found) == [
        (0, "open", 0.0, "Sent", None),
        (0, "escalate", 5.0, "Suppressed", "maintenance"),
        (0, "escalate", 10.0, "Sent", None),
        (0, "close", 20.0, "Sent", None),
    ]
    closed = course_of(alert(0, 6, rises=5), windows=[covering])
    assert told(closed)[1:] == [(0, "escalate", 5.0, "Suppressed", "maintenance"), (0, "close", 6.0, "Sent", None)]


def test_follow_alerts_in_a_storm() -> None:
    """One is told; when it is over, the next look, a whole number of minutes after the first, tells the oldest of the others."""
    storm = [alert(0, 10 if number == 0 else None, f"host.id={number:02}") for number in range(12)]
    found = told(course_of(*storm, minutes=60))
    second = 1 / 60
    assert found[0] == (0, "open", 0.0, "Sent", None)
    assert found[1:12] == [(number, "open", second, "Skipped", "repetition") for number in range(1, 12)]
    assert found[12:] == [(0, "close", 10.0, "Sent", None), (1, "open", 10 + second, "Sent", None)]


def test_follow_alerts_to_the_end_of_the_range() -> None:
    """What opens at the end and waits a second is decided still; what would happen later is not."""
    covering = window(start_time=START, end_time=START + 6 * MINUTE, id=2)
    found = course_of(alert(0, None, "host.id=a"), alert(5, None, "host.id=b"), minutes=5)
    assert told(found) == [(0, "open", 0.0, "Sent", None), (1, "open", 5 + 1 / 60, "Sent", None)]
    assert told(course_of(alert(0), minutes=5, windows=[covering])) == [(0, "open", 0.0, "Suppressed", "maintenance")]


def test_follow_alerts_by_the_rule_s_profile() -> None:
    """The candidate's profile comes before the default one."""
    own = a_profile(4, is_default=False, integration_ids=(2,))
    surroundings = Surroundings(
        correlation_window=30 * MINUTE, profiles={3: a_profile(), 4: own}, integrations={1: an_integration(1), 2: an_integration(2)}
    )
    found = follow_alerts(replace(rule(), alerting_profile_id=4), [alert(0)], surroundings, START + MINUTE)
    assert [(one.profile_id, one.integration_id) for one in found.notifications] == [(4, 2)]


def test_take_first_of_repetitions() -> None:
    """The worst first, then the oldest, as they are now; asking changes nothing."""
    repeated = Repeated()
    for number in (5, 3, 9):
        repeated.add(number, Severity.WARNING)
    repeated.add(9, Severity.CRITICAL)
    assert (repeated.take_first(), repeated.take_first()) == ([9, 3, 5], [9, 3, 5])
    repeated.remove(9)
    repeated.remove(3)
    repeated.add(3, Severity.WARNING)
    assert repeated.take_first() == [3, 5]
