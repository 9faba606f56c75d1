"""What is due when."""

from lumetry_core.collectors.agent.hostagent.schedule import Schedule


def test_take_due_of_several_intervals() -> None:
    """Everything begins after the first pause, then falls on multiples of its interval, together with what has the same."""
    schedule: Schedule[str] = Schedule(1000.0, 1.0)
    schedule.plan({"a": 10.0, "b": 20.0}, 1000.0)
    moments = []
    while (due := schedule.next_due) is not None and due <= 1040.0:
        moments.append((due, schedule.take_due(due)))
    assert moments == [
        (1001.0, ["a", "b"]),
        (1010.0, ["a"]),
        (1020.0, ["a", "b"]),
        (1030.0, ["a"]),
        (1040.0, ["a", "b"]),
    ]


def test_take_due_after_a_pause() -> None:
    """Moments that were missed are not made up for."""
    schedule: Schedule[str] = Schedule(0.0, 1.0)
    schedule.plan({"a": 10.0}, 0.0)
    assert schedule.take_due(35.0) == ["a"]
    assert schedule.next_due == 40.0


def test_plan_again() -> None:
    """What keeps its interval keeps its moment, what is new begins after the first pause, what is gone is never due."""
    schedule: Schedule[str] = Schedule(0.0, 1.0)
    schedule.plan({"a": 10.0, "b": 10.0}, 0.0)
    schedule.take_due(1.0)
    schedule.plan({"a": 10.0, "c": 60.0}, 5.0)
    assert schedule.take_due(6.0) == ["c"]
    assert schedule.next_due == 10.0
    schedule.plan({}, 7.0)
    assert schedule.next_due is None
