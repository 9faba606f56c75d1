"""What a transition does to its occurrence and to the alert of it (contract lumetry 13.5)."""

from dataclasses import replace
from enum import Enum, auto

from lumetry_core.external.model import Occurrence, Transition, TransitionState


class Effect(Enum):
    """What becomes of the alert."""

    NONE = auto()
    OPEN = auto()
    UPDATE = auto()
    CLOSE = auto()


def advance(known: Occurrence | None, transition: Transition, *, has_alert: bool, is_mapped: bool) -> tuple[Occurrence, Effect]:
    """The occurrence after a transition, and what happens to its alert.

    Resolved is final, in whichever order transitions come: a Firing after it is kept out.

    Args:
        known: The occurrence before; None: this is its first transition.
        has_alert: Whether it has opened an alert.
        is_mapped: Whether its definition is mapped now; what is not opens and updates nothing.
    """
    if known is None:
        effect = Effect.OPEN if is_mapped and transition.state is TransitionState.FIRING else Effect.NONE
        return first_seen(transition), effect
    if known.state is TransitionState.RESOLVED:
        return known, Effect.NONE
    if transition.state is TransitionState.RESOLVED:
        after = replace(known, state=TransitionState.RESOLVED, occurred_time=transition.occurred_time)
        return after, Effect.CLOSE if has_alert else Effect.NONE
    after = retold(known, transition)
    if not is_mapped:
        return after, Effect.NONE
    return after, Effect.UPDATE if has_alert else Effect.OPEN


def first_seen(transition: Transition) -> Occurrence:
    """The occurrence of which a transition is the first."""
    return Occurrence(
        identity=transition.occurrence,
        definition_key=transition.definition_key,
        instance_key=transition.instance_key,
        occurrence_key=transition.occurrence_key,
        state=transition.state,
        severity=transition.severity,
        title=transition.title,
        description=transition.description,
        labels=transition.labels,
        occurred_time=transition.occurred_time,
        alert_id=None,
    )


def retold(known: Occurrence, transition: Transition) -> Occurrence:
    """The occurrence after another Firing: the newer one tells it, and what it leaves out stays as it was."""
    if transition.occurred_time < known.occurred_time:
        return replace(
            known,
            severity=known.severity or transition.severity,
            title=known.title or transition.title,
            description=known.description or transition.description,
        )
    return replace(
        known,
        severity=transition.severity or known.severity,
        title=transition.title or known.title,
        description=transition.description or known.description,
        labels=transition.labels,
        occurred_time=transition.occurred_time,
    )
