from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.endpoints.judging import judge, reset
from lumetry_core.endpoints.model import AlertState, Config, EndpointType, Progress, Result, Status

START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
CONFIG = Config(endpoint_type=EndpointType.HTTP, target="http://shop.test/", failure_threshold=3, recovery_threshold=2)


def result(ok: bool, number: int = 0) -> Result:
    return Result(ok, START + timedelta(seconds=30 * number), 10 + number, 200 if ok else None, None if ok else "connection refused")


def run(text: str, config: Config = CONFIG) -> list[str]:
    """What checks make of an endpoint, a letter each: `+` up, `-` down; and after it what follows."""
    progress, told = Progress(), []
    for number, letter in enumerate(text):
        judgement = judge(progress, result(letter == "+", number), config)
        progress = judgement.progress
        marks = [
            "changed" if judgement.has_changed else "",
            "edge" if judgement.is_edge else "",
            "alert" if judgement.starts_alert else "",
            "firing" if judgement.is_firing else "",
            "recovery" if judgement.ends_alert else "",
            progress.alert_state.value if progress.alert_state is AlertState.ALERTING else "",
        ]
        told.append(" ".join(mark for mark in marks if mark))
    return told


def test_judge_flips_the_status_with_every_result() -> None:
    """Thresholds do not keep it from flipping."""
    assert run("+-+-") == ["changed", "changed edge", "changed", "changed edge"]


def test_judge_raises_the_alert_at_the_threshold_and_goes_on_firing() -> None:
    """The third failure raises it; each further one reports it again, so that it opens anew after a person closed it."""
    assert run("---") == ["changed", "", "alert firing alerting"]
    assert run("-----")[3:] == ["firing alerting", "firing alerting"]


def test_judge_ends_the_alert_at_the_recovery_threshold() -> None:
    """One success is not enough, and a failure in between counts anew."""
    assert run("---+-+++")[3:] == [
        "changed alerting",
        "changed edge alerting",
        "changed alerting",
        "recovery",
        "",
    ]


def test_judge_with_thresholds_of_one_follows_each_result() -> None:
    """Raised and ended at once."""
    config = replace(CONFIG, failure_threshold=1, recovery_threshold=1)
    assert run("-+", config) == ["changed alert firing alerting", "changed recovery"]


def test_judge_notes_the_last_result_and_the_newest_response_times() -> None:
    """Twenty response times are kept, oldest first."""
    progress = Progress()
    for number in range(25):
        progress = judge(progress, result(number != 24, number), CONFIG).progress
    assert progress == Progress(
        status=Status.DOWN,
        consecutive_failures=1,
        last_check_time=START + timedelta(seconds=30 * 24),
        last_response_ms=34,
        last_error="connection refused",
        recent_ms=tuple(range(15, 35)),
    )


def test_reset_forgets_counters_and_keeps_history() -> None:
    """Another target is unknown until its first check."""
    before = Progress(status=Status.DOWN, alert_state=AlertState.ALERTING, consecutive_failures=5, recent_ms=(1, 2), last_check_time=START)
    assert reset(before) == Progress(recent_ms=(1, 2), last_check_time=START)


@given(st.text("+-", max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_judge_alternates_alerts_and_recoveries(text: str, failures: int, recoveries: int) -> None:
    """Whatever comes, alert and recovery take turns, and an alert needs its failures in a row."""
    config = replace(CONFIG, failure_threshold=failures, recovery_threshold=recoveries)
    told = run(text, config)
    turns = [word for marks in told for word in marks.split() if word in ("alert", "recovery")]
    assert turns == ["alert", "recovery"] * (len(turns) // 2) + ["alert"] * (len(turns) % 2)
    for number, marks in enumerate(told):
        if "alert" in marks.split():
            assert text[number + 1 - failures : number + 1] == "-" * failures
        if "recovery" in marks.split():
            assert text[number + 1 - recoveries : number + 1] == "+" * recoveries
