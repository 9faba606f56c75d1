from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.external.folding import Fold
from lumetry_core.external.lifecycle import Effect, advance, first_seen
from lumetry_core.external.model import Definition, Occurrence, ProviderType, Source, Transition, TransitionState
from lumetry_core.rules.model import Severity
from tests.core.external.building import AT_TIME, transition

RESOLVED = TransitionState.RESOLVED
SOURCE = Source(1, 7, "source-1", "Alarms", ProviderType.GENERIC, True, {"high": Severity.CRITICAL}, 0, 0, AT_TIME, AT_TIME)
DISK = Definition(1, 7, 1, "disk", 5, None, True, AT_TIME, AT_TIME)


def test_advance_says_what_becomes_of_the_alert() -> None:
    """By what is known of the occurrence, whether it has an alert, and whether it is mapped."""
    firing, end = first_seen(transition()), first_seen(transition(RESOLVED))
    found = {
        (name, state.value, has_alert, is_mapped): advance(known, transition(state, 1), has_alert=has_alert, is_mapped=is_mapped)[1]
        for name, known in (("none", None), ("firing", firing), ("resolved", end))
        for state in TransitionState
        for has_alert in (False, True)
        for is_mapped in (False, True)
    }
    assert {key: effect for key, effect in found.items() if effect is not Effect.NONE} == {
        ("none", "Firing", False, True): Effect.OPEN,
        ("none", "Firing", True, True): Effect.OPEN,
        ("firing", "Firing", False, True): Effect.OPEN,
        ("firing", "Firing", True, True): Effect.UPDATE,
        ("firing", "Resolved", True, True): Effect.CLOSE,
        ("firing", "Resolved", True, False): Effect.CLOSE,
    }


def test_resolved_is_final() -> None:
    """Neither a Firing nor another Resolved changes what is known."""
    end = first_seen(transition(RESOLVED, 5))
    assert advance(end, transition(minutes=9), has_alert=True, is_mapped=True) == (end, Effect.NONE)
    assert advance(end, transition(RESOLVED, 9), has_alert=True, is_mapped=True) == (end, Effect.NONE)


CYCLES = st.lists(
    st.builds(
        lambda occurrence, minutes, severity, ends: [
            *(
                transition(minutes=minute, occurrence_key=f"o-{occurrence}", title=f"t{minute}", severity=severity if minute > 2 else None)
                for minute in sorted(minutes)
            ),
            *([transition(RESOLVED, 60, occurrence_key=f"o-{occurrence}")] if ends else []),
        ],
        st.integers(0, 5),
        st.sets(st.integers(0, 9), min_size=1, max_size=4),
        st.sampled_from((None, "low", "HIGH")),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda cycle: cycle[0].occurrence_key,
)


def final(transitions: list[Transition]) -> dict[str, tuple[Occurrence, Severity]]:
    """The occurrences in the end, each with the severity of its alert, as one request after the other makes them."""
    known: dict[str, Occurrence] = {}
    severities: dict[str, Severity] = {}
    seen: set[str] = set()
    for each in transitions:
        if each.event in seen:
            continue
        seen.add(each.event)
        fold = Fold(SOURCE, {"disk": DISK}, known)
        fold.add(each.occurrence, each)
        for identity, report in fold.reports.items():
            fold.occurrences[identity] = replace(fold.occurrences[identity], alert_id=1)
            severities[identity] = report.severity
        for retelling in fold.retellings():
            if retelling.severity is Severity.CRITICAL:
                severities[each.occurrence] = Severity.CRITICAL
        known = fold.occurrences
    return {identity: (occurrence, severities[identity]) for identity, occurrence in known.items() if occurrence.alert_id}


@given(CYCLES, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_change_alerts(cycles: list[list[Transition]], random: object) -> None:
    """Shuffled and repeated transitions make the same alerts as those in order, as long as an occurrence does not begin with its end.

    One that does opens none.
    """
    in_order = [each for cycle in cycles for each in cycle]
    shuffled = [*in_order, *in_order]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    begins: dict[str, TransitionState] = {}
    for each in shuffled:
        begins.setdefault(each.occurrence, each.state)
    expected = {identity: alert for identity, alert in final(in_order).items() if begins[identity] is TransitionState.FIRING}
    found = final(shuffled)
    assert found.keys() == expected.keys()
    # a Firing that comes after Resolved is ignored, so only what goes on must tell the same
    going_on = {identity for identity, (occurrence, _) in expected.items() if occurrence.state is TransitionState.FIRING}
    assert {identity: found[identity] for identity in going_on} == {identity: expected[identity] for identity in going_on}
    assert {identity for identity in found if found[identity][0].state is TransitionState.FIRING} == going_on
    assert [found[identity][0].occurred_time for identity in found.keys() - going_on] == [
        expected[identity][0].occurred_time for identity in found.keys() - going_on
    ]
