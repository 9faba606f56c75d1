from math import nan
from pathlib import Path

import pytest

from lumetry_core.bench.alarm_rounds import AlarmOptions, PeerRound, Round, measure_peer
from lumetry_core.bench.alarms import report_alarms, run_alarms
from lumetry_core.bench.alerting_peer import alertmanager_program, run_alertmanager
from lumetry_core.bench.report import Latency

ANSWER = Latency(500, 5.0, 8.0, 12.0, 20.0)


def test_report_compares_with_the_peer() -> None:
    """Rates are per second of load; the lag does not count against them."""
    ours = [Round(70_000, 5.0, 40_000, 2.5, 9000.0, 7.0, 0.0, ANSWER)]
    report = report_alarms(AlarmOptions(), {"cores": 2.0}, ours, [PeerRound(56_000.0, 4.0, 0.0, ANSWER)], [])
    found = {figure.name: (figure.value, figure.verdict) for figure in report.figures}
    assert found["accepted"] == (14_000.0, "goal")
    assert found["p99 of the answer"] == (12.0, "")
    assert found["last 202 → all processed"] == (2.5, "")
    assert found["CPU per 1,000 alarms, until all are processed"] == (0.1, "")
    assert found["accepted ÷ alertmanager"] == (0.25, "")


def test_report_says_when_processing_did_not_end() -> None:
    """A lag that was not seen to its end is no number."""
    report = report_alarms(AlarmOptions(), {}, [Round(70_000, 5.0, 4000, nan, 900.0, 7.0, 0.0, ANSWER)], [], [])
    assert any("not everything was processed" in note for note in report.notes)


@pytest.mark.skipif(alertmanager_program() is None, reason="alertmanager is not installed")
def test_peer_takes_the_same_alarms(tmp_path: Path) -> None:
    """Alertmanager accepts what is generated."""
    with run_alertmanager(tmp_path) as peer:
        found = measure_peer(peer.address, peer.tree, AlarmOptions(seconds=0.2, batch=10, connections=2), 1)
    assert found.per_second > 0


def test_run_alarms_follows_them_to_alerts() -> None:
    """A short load over real processes: all is accepted, then processed."""
    report = run_alarms(AlarmOptions(seconds=0.2, batch=10, connections=2, peer=False), lambda _line: None)
    figures = {figure.name: figure.value for figure in report.figures}
    assert figures["accepted"] > 0
    assert figures["last 202 → all processed"] >= 0
