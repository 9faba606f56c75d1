from pathlib import Path

import pytest

from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.deployment import environment, prometheus_program, run_process, run_prometheus
from lumetry_core.bench.measuring import Timeline, measure_latency, measure_throughput
from lumetry_core.bench.payload import ValuePool, make_series
from lumetry_core.bench.sides import Opened, PrometheusSide, Workload, split_evenly
from lumetry_core.bench.usage import Disturbance, ProcessTree, wait_until
from lumetry_core.runtime.clock import SystemClock, to_ms

POOL = ValuePool(10_000)


def test_lanes_share_the_series_without_overlap() -> None:
    """Each connection owns its series, numbered as in the whole."""
    series = make_series(20)
    lanes = list(Workload(series, 10, 4, POOL).lanes())
    assert [first for first, _ in lanes] == [0, 5, 10, 15]
    assert [one for _, share in lanes for one in share] == series


def test_timeline_refuses_points_far_ahead_of_the_present() -> None:
    """A run that would be refused for its times ends with a reason."""

    class Ahead:
        newest_ms = 10_000_000

    timeline = Timeline(0, lambda: 9_000_000)
    with pytest.raises(BenchError, match="too many points for so few series"):
        timeline.close(Ahead())  # type: ignore[arg-type]


def test_timeline_moves_behind_a_phase() -> None:
    """The next phase starts after everything that may have been sent."""
    timeline = Timeline(0, lambda: 10_000_000)
    timeline.close(Opened([], [type("Lane", (), {"newest_ms": 41})()]))  # type: ignore[list-item]
    assert timeline.next_ms == 42


def test_environment_leaves_out_where_data_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark never touches the deployment that the environment names; other settings take effect."""
    monkeypatch.setenv("LUMETRY_DATABASE_URL", "postgresql://production")
    monkeypatch.setenv("LUMETRY_INGEST_MAX_QUEUED_POINTS", "10000")
    found = environment()
    assert "LUMETRY_DATABASE_URL" not in found
    assert found["LUMETRY_INGEST_MAX_QUEUED_POINTS"] == "10000"


def test_run_process_ends_it_with_the_block(tmp_path: Path) -> None:
    """A server never outlives its measurement; while it runs its use is measured."""
    with run_process(["sleep", "600"], tmp_path / "log") as process:
        tree = ProcessTree(process.pid)
        assert wait_until(lambda: tree.resident_bytes() > 0, longest_seconds=10)
        assert tree.cpu_seconds() >= 0
        assert 0 <= Disturbance(tree).share() <= 1
    assert process.poll() is not None


@pytest.mark.skipif(prometheus_program() is None, reason="prometheus is not installed")
def test_prometheus_side_is_fed_and_measured(tmp_path: Path) -> None:
    """The peer accepts the generated requests, phase after phase."""
    with run_prometheus(tmp_path) as peer:
        side = PrometheusSide(peer, Workload(make_series(40), 20, 2, POOL))
        timeline = Timeline(to_ms(SystemClock().now()), lambda: to_ms(SystemClock().now()))
        found, _stored = measure_throughput(side, timeline, 0.2, 20, 20)
        latency = measure_latency(side, timeline, 0.1, 50, 20)
    assert found.accepted_points > 0
    assert found.refused_messages == 0
    assert (latency.answers.count, latency.refused_messages) == (5, 0)


@pytest.mark.parametrize(("count", "parts", "sizes"), [(125, 8, [15, 16, 15, 16, 16, 15, 16, 16]), (3, 8, [1, 1, 1]), (8, 1, [8])])
def test_split_evenly_covers_everything(count: int, parts: int, sizes: list[int]) -> None:
    """Numbers of series must stay dense; the first part tells how much every sender of a stream carries at most."""
    found = split_evenly(count, parts)
    assert [part.stop - part.start for part in found] == sizes
    assert [number for part in found for number in range(count)[part]] == list(range(count))
