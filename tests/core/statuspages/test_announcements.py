from dataclasses import replace
from datetime import timedelta
from typing import Any

from lumetry_core.incidents.model import Incident, IncidentState
from lumetry_core.rules.model import Severity
from lumetry_core.statuspages.announcements import RETURNED, SPREAD, TEXT_OF, announce, rename
from lumetry_core.statuspages.page import PublicSeverity, PublicStatus, ShownIncident, Update
from tests.core.statuspages.building import NOW, SECRET

NAMES = {1: "Shop", 2: "Mail"}
MINUTE = timedelta(minutes=1)


def an_incident(number: int = 9, **changes: Any) -> Incident:
    """An open incident whose own texts must stay private."""
    values: dict[str, Any] = {
        "id": number,
        "organization_id": 1,
        "number": number,
        "correlation_key": f"monitor:endpoint:{SECRET}",
        "primary_service_name": SECRET,
        "severity": Severity.CRITICAL,
        "start_time": NOW,
        "newest_alert_id": 1,
        "newest_alert_time": NOW,
        "create_time": NOW,
        "update_time": NOW,
    }
    return Incident(**values | changes)


def step(
    before: tuple[ShownIncident, ...], incident: Incident, affected: set[int], at: int = 0, names: dict[int, str] | None = None
) -> tuple[ShownIncident, ...]:
    return announce(before, {incident.id: incident}, {incident.id: affected}, NAMES if names is None else names, NOW + at * MINUTE)


def test_announce_whole_life() -> None:
    """Each change of an incident is told once, in fixed texts and at the time when it happened."""
    opened = step((), an_incident(severity=Severity.WARNING), {1})
    investigating = Update(PublicStatus.INVESTIGATING, TEXT_OF[PublicStatus.INVESTIGATING], NOW)
    assert opened == (
        ShownIncident(
            9, "Issue affecting Shop", PublicSeverity.MAJOR, PublicStatus.INVESTIGATING, (1,), ("Shop",), NOW, None, (investigating,)
        ),
    )
    assert step(opened, an_incident(severity=Severity.WARNING), {1}, 1) == opened

    spread = step(opened, an_incident(), {2}, 2)
    more = Update(PublicStatus.INVESTIGATING, SPREAD, NOW + 2 * MINUTE)
    assert spread == (
        replace(
            opened[0],
            title="Issue affecting Mail, Shop",
            severity=PublicSeverity.CRITICAL,
            component_ids=(1, 2),
            names=("Mail", "Shop"),
            updates=(investigating, more),
        ),
    )

    taken = an_incident(state=IncidentState.ACKNOWLEDGED, acknowledge_time=NOW + 3 * MINUTE, acknowledged_by_user_name=SECRET)
    identified = step(spread, taken, set(), 4)
    known = Update(PublicStatus.IDENTIFIED, TEXT_OF[PublicStatus.IDENTIFIED], NOW + 3 * MINUTE)
    assert identified == (replace(spread[0], status=PublicStatus.IDENTIFIED, updates=(investigating, more, known)),)

    over = replace(taken, state=IncidentState.RESOLVED, resolve_time=NOW + 5 * MINUTE, resolve_note=SECRET)
    resolved = step(identified, over, set(), 6)
    end = Update(PublicStatus.RESOLVED, TEXT_OF[PublicStatus.RESOLVED], NOW + 5 * MINUTE)
    assert resolved == (
        replace(identified[0], status=PublicStatus.RESOLVED, resolve_time=NOW + 5 * MINUTE, updates=(investigating, more, known, end)),
    )

    again = replace(over, state=IncidentState.OPEN, resolve_time=None, last_reopen_time=NOW + 7 * MINUTE)
    returned = step(resolved, again, set(), 8)
    back = Update(PublicStatus.INVESTIGATING, RETURNED, NOW + 7 * MINUTE)
    assert returned == (
        replace(resolved[0], status=PublicStatus.INVESTIGATING, resolve_time=None, updates=(investigating, more, known, end, back)),
    )


def test_announce_one_found_late() -> None:
    """An incident that was acknowledged and resolved before anybody looked is told with all its steps."""
    over = an_incident(state=IncidentState.RESOLVED, acknowledge_time=NOW + MINUTE, resolve_time=NOW + 2 * MINUTE)
    [shown] = step((), over, {1}, 3)
    assert [update.status for update in shown.updates] == [
        PublicStatus.INVESTIGATING,
        PublicStatus.IDENTIFIED,
        PublicStatus.RESOLVED,
    ]


def test_announce_no_longer_than_a_day() -> None:
    """A resolved incident is listed for 24 hours, an unresolved one for ever."""
    over = an_incident(state=IncidentState.RESOLVED, resolve_time=NOW)
    shown = step((), over, {1})
    assert step(shown, over, set(), 24 * 60 - 1) == shown
    assert step(shown, over, set(), 24 * 60) == ()
    opened = step((), an_incident(), {1})
    assert step(opened, an_incident(), set(), 10_000) == opened


def test_announce_only_what_may_be_named() -> None:
    """Components that are not told of are not named, and an incident of nothing but them is not public."""
    shown = step((), an_incident(), {1, 5})
    assert shown[0].names == ("Shop",)
    assert step((), an_incident(), {5}) == ()
    assert step(shown, an_incident(), set(), 1, names={}) == ()
    assert rename(shown, {1: "Store"}) == (replace(shown[0], names=("Store",), title="Issue affecting Store"),)
    assert rename(shown, {2: "Mail"}) == ()


def test_announce_newest_first() -> None:
    """Incidents are listed by their start, newest first; one that does not exist any more is gone."""
    older, newer = an_incident(3, start_time=NOW - MINUTE), an_incident(2)
    shown = announce((), {3: older, 2: newer}, {3: {1}, 2: {2}}, NAMES, NOW)
    assert [incident.id for incident in shown] == [2, 3]
    assert [incident.id for incident in announce(shown, {3: older}, {}, NAMES, NOW)] == [3]
