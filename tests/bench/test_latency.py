from pathlib import Path

import pytest

from lumetry_core.bench.alerting_peer import missing_programs
from lumetry_core.bench.connection import Connection
from lumetry_core.bench.delay import Delays
from lumetry_core.bench.latency import LatencyOptions, PeerSide, measure_rounds, report_latency, run_latency, run_peer
from lumetry_core.bench.receiver import run_receiver
from lumetry_core.bench.report import Latency


def delays(side: str, p50_ms: float, p99_ms: float, repetitions: int = 0) -> Delays:
    """A measurement with these quantiles."""
    latency = Latency(200, p50_ms, p99_ms, p99_ms, p99_ms)
    return Delays(side, Latency(200, 1.0, 2.0, 3.0, 4.0), latency, latency, repetitions, 1.0, 0.0)


def test_options_name_each_metric_once() -> None:
    """A metric's alert stays open, so no round may use another one's."""
    names = LatencyOptions(points=20, rounds=3).all_names()
    assert len(names) == len(set(names)) == 10 + 3 * 20


def test_report_compares_medians_of_rounds() -> None:
    """Floors and goals are the product's, the ratio is paired by round."""
    ours = [delays("lumetry", 18.0, 90.0), delays("lumetry", 20.0, 850.0, 1), delays("lumetry", 19.0, 99.0)]
    theirs = [delays("peer", 500.0, 1000.0), delays("peer", 500.0, 1000.0), delays("peer", 475.0, 1000.0)]
    report = report_latency(LatencyOptions(rounds=3), {"cores": 2.0}, ours, theirs, ["a note"])
    found = {figure.name: (figure.value, figure.verdict) for figure in report.figures}
    assert found["accepted → webhook, median"] == (19.0, "goal")
    assert found["accepted → webhook, p99"] == (99.0, "goal")
    assert found["repeated webhooks"] == (1.0, "missed")
    assert found["CPU per point"] == (5.0, "")
    assert found["prometheus + alertmanager: accepted → webhook, median"] == (500.0, "")
    assert found["accepted → webhook, median ÷ prometheus + alertmanager"] == (0.04, "")
    assert "a note" in report.notes


@pytest.mark.skipif(bool(missing_programs()), reason="prometheus or alertmanager is not installed")
def test_peer_is_measured_alike(tmp_path: Path) -> None:
    """The peer pages for every point, none twice, within an evaluation's interval or a little more."""
    options = LatencyOptions(points=5, rate=50.0)
    with run_receiver() as receiver, run_peer(tmp_path, receiver, options) as peer, Connection(peer.prometheus.address) as connection:
        (found,) = measure_rounds(PeerSide(connection, peer.trees), receiver, options, lambda _line: None)
    assert (found.from_accepted.count, found.repetitions) == (5, 0)
    assert found.from_sent.p50_ms > found.from_accepted.p50_ms


def test_run_latency_follows_points_to_webhooks() -> None:
    """A few points over real processes: each pages once."""
    report = run_latency(LatencyOptions(points=5, rate=50.0, peer=False), lambda _line: None)
    figures = {figure.name: figure.value for figure in report.figures}
    assert figures["repeated webhooks"] == 0
    assert 0 < figures["accepted → webhook, median"] < figures["sent → webhook, median"]
