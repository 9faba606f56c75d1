"""When metrics alert."""

from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.resources.watch import Verdict, Watch, judge

CALM = Watch()


def verdicts(*values: float, watch: Watch = CALM) -> list[Verdict]:
    """What samples in a row bring about at a threshold of 100."""
    found = []
    for value in values:
        watch, verdict = judge(watch, value, 100)
        found.append(verdict)
    return found


NOTHING, FIRES, HIGH, RECOVERS = Verdict.NOTHING, Verdict.FIRES, Verdict.STILL_HIGH, Verdict.RECOVERS
ALERTING = Watch(is_alerting=True)


def test_judge_two_high_in_a_row() -> None:
    """The second sample at the threshold fires, the next only say that it lasts."""
    assert verdicts(100, 100, 101) == [NOTHING, FIRES, HIGH]


def test_judge_one_low_between() -> None:
    """High samples count only in a row."""
    assert verdicts(100, 99.9, 100, 100) == [NOTHING, NOTHING, NOTHING, FIRES]


def test_judge_three_low_in_a_row() -> None:
    """The third sample at nine tenths of the threshold recovers."""
    assert verdicts(90, 90, 90, 90, watch=ALERTING) == [NOTHING, NOTHING, RECOVERS, NOTHING]


def test_judge_between_low_and_high() -> None:
    """What is neither low nor high ends nothing, and low samples count only in a row."""
    assert verdicts(90, 90, 90.1, 90, 90, 95, watch=ALERTING) == [NOTHING] * 6


@given(st.lists(st.floats(0, 200), max_size=80))
def test_judge_any_samples(values: list[float]) -> None:
    """Alerts and recoveries take turns, fire only after two high samples in a row, and recover only after three low ones in a row."""
    found = verdicts(*values)
    turns = [verdict for verdict in found if verdict in (FIRES, RECOVERS)]
    assert turns == [FIRES, RECOVERS] * (len(turns) // 2) + [FIRES] * (len(turns) % 2)
    is_alerting, since = False, 0
    for position, verdict in enumerate(found):
        recent = values[since : position + 1]
        should_fire = not is_alerting and len(recent) >= 2 and all(value >= 100 for value in recent[-2:])
        should_recover = is_alerting and len(recent) >= 3 and all(value <= 90 for value in recent[-3:])
        assert (verdict is FIRES, verdict is RECOVERS) == (should_fire, should_recover)
        if should_fire or should_recover:
            is_alerting, since = should_fire, position + 1
