import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.external.bodies import read_body
from lumetry_core.external.model import ProviderType, Transition, TransitionState
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.core.external.building import AT, AT_MS, alertmanager, event, zabbix

FIRING, RESOLVED = TransitionState.FIRING, TransitionState.RESOLVED


def read(provider: ProviderType, body: Any) -> list[Transition]:
    return read_body(provider, json.dumps(body).encode())


def faults_of(provider: ProviderType, body: Any) -> list[tuple[str, str]]:
    with pytest.raises(LumetryError) as failure:
        read(provider, body)
    assert failure.value.reason is Reason.VALIDATION_FAILED
    return [(fault.path, fault.message) for fault in failure.value.faults]


def test_generic_event_is_read_alone_and_in_a_list() -> None:
    """Everything the product's own body may carry; what is left out is absent."""
    full = event(
        instanceKey="host-1",
        providerEventId="e-1",
        severity="high",
        title="Disk",
        description="Full",
        labels={"a": "b"},
        annotations={"c": "d"},
        unknown=[1],
    )
    whole = Transition("disk", "host-1", "o-1", "e-1", FIRING, "high", "Disk", "Full", AT_MS, {"a": "b"})
    bare = Transition("disk", None, "o-1", None, FIRING, None, None, None, AT_MS, {})
    assert read(ProviderType.GENERIC, full) == [whole]
    nothing = dict.fromkeys(("instanceKey", "providerEventId", "severity", "title", "description", "labels", "annotations"))
    assert read(ProviderType.GENERIC, {"events": [full, event() | nothing]}) == [whole, bare]
    assert read(ProviderType.GENERIC, full | {"events": None}) == [whole]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-06-01T10:00:00.1239+02:00", AT_MS + 123),
        ("2026-06-01T08:00:00", AT_MS),
        ("2026-06-01 08:00Z", AT_MS),
        ("2026-06-01T07:30:00-0030", AT_MS),
    ],
)
def test_times_are_read_in_any_offset(text: str, ms: int) -> None:
    """Finer digits than milliseconds are cut off; without offset it is UTC."""
    assert read(ProviderType.GENERIC, event(occurredAt=text))[0].occurred_ms == ms


def test_generic_faults_are_named_with_their_paths() -> None:
    """Every fault of every event, not only the first."""
    bad = {
        "definitionKey": "x" * 256,
        "instanceKey": 5,
        "occurrenceKey": " ",
        "providerEventId": "\0",
        "state": "firing",
        "severity": [],
        "title": "x" * 501,
        "description": "x" * 8001,
        "occurredAt": "yesterday",
        "labels": {"a": 1},
        "annotations": [],
    }
    assert faults_of(ProviderType.GENERIC, {"events": [event(), bad, 7, {}]}) == [
        ("events[1].annotations", "must be an object"),
        ("events[1].definitionKey", "must have at most 255 characters"),
        ("events[1].instanceKey", "must be a string"),
        ("events[1].occurrenceKey", "is required"),
        ("events[1].providerEventId", "must not contain the character NUL"),
        ("events[1].state", "must be one of Firing, Resolved"),
        ("events[1].severity", "must be a string"),
        ("events[1].title", "must have at most 500 characters"),
        ("events[1].description", "must have at most 8000 characters"),
        ("events[1].occurredAt", "must be an ISO-8601 time such as 2026-06-01T08:40:00Z"),
        ("events[1].labels.a", "must be a string"),
        ("events[2]", "must be an object"),
        *((f"events[{number}].{name}", "is required") for number in (2, 3) for name in NEEDED),
    ]
    assert faults_of(ProviderType.GENERIC, {}) == [(name, "is required") for name in NEEDED]


NEEDED = ("definitionKey", "occurrenceKey", "state", "occurredAt")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1969-12-31T23:59:59.999Z", "must not be before 1970"),
        ("9999-01-01T00:00:00Z", "must not be after 9998"),
        ("9999-12-31T23:59:59.999Z", "must not be after 9998"),
        ("9999-12-31T23:59:59-14:00", "must be an ISO-8601 time such as 2026-06-01T08:40:00Z"),
    ],
)
def test_times_have_room_for_a_span_around_them(text: str, fault: str) -> None:
    """Correlation looks at what lies before and after a start, which the calendar must hold."""
    assert faults_of(ProviderType.GENERIC, event(occurredAt=text)) == [("occurredAt", fault)]
    [last] = read(ProviderType.GENERIC, event(occurredAt="9998-12-31T23:59:59.999Z"))
    assert last.occurred_time + timedelta(minutes=1440) > last.occurred_time


@pytest.mark.parametrize(("count", "holds"), [(0, False), (1, True), (1000, True), (1001, False)])
def test_requests_carry_at_most_1000_transitions(count: int, holds: bool) -> None:
    """None and too many are refused."""
    body = {"events": [event(occurrenceKey=str(number)) for number in range(count)]}
    if holds:
        assert len(read(ProviderType.GENERIC, body)) == count
    else:
        assert faults_of(ProviderType.GENERIC, body) == [("events", "must have between 1 and 1000 items")]


def test_alertmanager_body_is_read() -> None:
    """Each alert has a status of its own; of one that fires `endsAt` does not count, whatever the zero time says."""
    firing = alertmanager("firing", fingerprint="f1")
    resolved = alertmanager("resolved", fingerprint="f2", endsAt="2026-06-01T09:00:00.5Z", labels={"alertname": "Disk"}, annotations={})
    labels = {"alertname": "Disk", "severity": "critical", "instance": "a"}
    assert read(ProviderType.ALERTMANAGER, {"version": "4", "status": "firing", "alerts": [firing, resolved]}) == [
        Transition("Disk", "f1", f"f1@{AT}", None, FIRING, "critical", "Disk is full", "99 %", AT_MS, labels),
        Transition("Disk", "f2", f"f2@{AT}", None, RESOLVED, None, None, None, AT_MS + 3_600_500, {"alertname": "Disk"}),
    ]


def test_firing_that_goes_on_is_the_same_event() -> None:
    """Alertmanager sends it again and again with the same start, perhaps with other annotations; its end is another event."""
    again = alertmanager("firing", annotations={"summary": "still"}, endsAt="2026-06-01T08:04:00Z")
    resolved = alertmanager("resolved", endsAt="2026-06-01T09:00:00Z")
    first, second, end = read(ProviderType.ALERTMANAGER, {"alerts": [alertmanager("firing"), again, resolved]})
    assert first.event == second.event != end.event
    assert first.occurrence == second.occurrence == end.occurrence


def test_alertmanager_faults_are_named_with_their_paths() -> None:
    """Also the bodies of other providers, which lack what counts."""
    alert = alertmanager("resolved", endsAt="0001-01-01T00:00:00Z", labels={"severity": 1})
    assert faults_of(ProviderType.ALERTMANAGER, {"version": "1", "alerts": [alert, {"status": "ok"}]}) == [
        ("version", "must be 4"),
        ("alerts[0].labels.severity", "must be a string"),
        ("alerts[0].labels.alertname", "is required"),
        ("alerts[0].endsAt", "must not be before 1970"),
        ("alerts[1].fingerprint", "is required"),
        ("alerts[1].status", "must be one of firing, resolved"),
        ("alerts[1].startsAt", "is required"),
        ("alerts[1].labels.alertname", "is required"),
    ]
    assert faults_of(ProviderType.ALERTMANAGER, event()) == [("alerts", "is required")]
    assert faults_of(ProviderType.ALERTMANAGER, {"alerts": {}}) == [("alerts", "must be an array")]


def test_grafana_rule_is_the_definition() -> None:
    """Its rule's identity, else the name of the alert; long texts of providers are cut, not refused."""
    labels = {"alertname": "Disk", "__alert_rule_uid__": "uid-1"}
    known = alertmanager("firing", labels=labels, annotations={"summary": "x" * 501, "description": "y" * 8001})
    body = {"version": "1", "alerts": [known, alertmanager("firing", labels={"alertname": "Disk"})]}
    with_rule, without = read(ProviderType.GRAFANA, body)
    assert with_rule == Transition("uid-1", "f1", f"f1@{AT}", None, FIRING, None, "x" * 500, "y" * 8000, AT_MS, labels)
    assert without.definition_key == "Disk"


@pytest.mark.parametrize("spell", [str, int])
def test_zabbix_body_is_read_with_texts_and_numbers(spell: Any) -> None:
    """Macros expand to text; scripts send numbers."""
    body = zabbix(value=spell(1), triggerId=spell(10), eventId=spell(20), hostId=spell(30), severity=spell(4), clock=spell(AT_MS // 1000))
    assert read(ProviderType.ZABBIX, body) == [Transition("10", "30", "20", None, FIRING, "4", "Disk", "99 %", AT_MS, {})]
    assert read(ProviderType.ZABBIX, body | {"value": spell(0)})[0].state is RESOLVED


def test_zabbix_faults_are_named() -> None:
    """The body has one event at its top."""
    assert faults_of(ProviderType.ZABBIX, {"value": 2, "clock": "1e3", "triggerId": True, "eventId": 1.5, "hostId": "\0"}) == [
        ("value", "must be one of 1, 0"),
        ("triggerId", "must be a string or a whole number"),
        ("hostId", "must not contain the character NUL"),
        ("eventId", "must be a string or a whole number"),
        ("clock", "must be a Unix time in seconds"),
    ]
    for clock in (-1, 253370764800, 10**30, "٣", "9" * 300):
        assert [path for path, _ in faults_of(ProviderType.ZABBIX, zabbix(clock=clock))] == ["clock"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.MALFORMED_BODY),
        (b"{", Reason.MALFORMED_BODY),
        (b'{"a": 1e999}', Reason.MALFORMED_BODY),
        (b'{"a": "\xff"}', Reason.MALFORMED_BODY),
        (b'{"a": "\\ud800"}', Reason.MALFORMED_BODY),
        (b"[" * 100_000, Reason.MALFORMED_BODY),
        (b"[]", Reason.VALIDATION_FAILED),
        (b"null", Reason.VALIDATION_FAILED),
        (b" " * (1024 * 1024 + 1), Reason.PAYLOAD_TOO_LARGE),
    ],
)
@pytest.mark.parametrize("provider", ProviderType)
def test_broken_bodies_are_refused(provider: ProviderType, body: bytes, reason: Reason) -> None:
    """None of them is a fault of ours."""
    with pytest.raises(LumetryError) as failure:
        read_body(provider, body)
    assert failure.value.reason is reason
    if reason is Reason.VALIDATION_FAILED:
        assert failure.value.faults == (Fault("", "must be a JSON object"),)


WORDS = st.sampled_from(
    [
        *(name for body in (event(), alertmanager("firing"), zabbix()) for name in body),
        *(
            "events",
            "alerts",
            "version",
            "providerEventId",
            "alertname",
            "summary",
            "firing",
            "resolved",
            "Firing",
            "Resolved",
            "4",
            "1",
            AT,
        ),
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(), inner, max_size=8),
    max_leaves=30,
)
BODIES = st.one_of(
    st.dictionaries(WORDS, ANYTHING),
    st.builds(lambda changes: event() | changes, st.dictionaries(WORDS, ANYTHING, max_size=2)),
    st.builds(lambda changes: zabbix() | changes, st.dictionaries(WORDS, ANYTHING, max_size=2)),
    st.builds(lambda changes: {"alerts": [alertmanager("firing") | changes]}, st.dictionaries(WORDS, ANYTHING, max_size=2)),
)


@given(st.sampled_from(ProviderType), BODIES)
def test_any_body_is_read_or_refused(provider: ProviderType, body: Any) -> None:
    """Whatever it holds; what is read can be stored and has its keys."""
    with suppress(LumetryError):
        check_storable(read_body(provider, msgspec.json.encode(body)))


def check_storable(transitions: list[Transition]) -> None:
    """Every transition has its keys and nothing that a database refuses."""
    for each in transitions:
        assert each.definition_key.strip()
        assert each.occurrence_key.strip()
        assert each.occurred_time.year >= 1970
        assert "\0" not in "".join([each.definition_key, each.occurrence_key, each.instance_key or "", each.title or "", *each.labels])
        assert msgspec.convert(msgspec.msgpack.decode(msgspec.msgpack.encode(each)), Transition) == each
