"""Collectors of two implementations keep the contract, and what breaks it is found."""

import asyncio
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lumetry.collectors.v1 import config_pb2
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from tests.conformance.collector.judge import SAMPLE_SECONDS, BreachError, Judge, Seen
from tests.conformance.collector.scenario import STEPS, Trial, examine, find_breach

NODE = Path(__file__).parent / "node"
OURS = [sys.executable, "-m", "lumetry_core.collectors.agent"]
START = 1_780_000_000.0


@pytest.fixture
def node() -> str:
    """The program of the collector in the other language."""
    program = shutil.which("node")
    if program is None or not (NODE / "stubs.js").is_file():
        if os.environ.get("CI"):
            pytest.fail("node or the stubs of the collector are missing")
        pytest.skip("run `npm install --no-package-lock` in tests/conformance/collector/node")
    return program


def test_examine_the_products_collector(tmp_path: Path) -> None:
    """`lumetry collector run` passes every step."""
    told: list[str] = []
    asyncio.run(examine(OURS, tmp_path, told.append))
    assert [line.partition(":")[0] for line in told] == [step.__name__ for step in STEPS]


def test_examine_a_collector_in_another_language(tmp_path: Path, node: str) -> None:
    """Two hundred lines over generated stubs pass every step."""
    told: list[str] = []
    asyncio.run(examine([node, str(NODE / "collector.js")], tmp_path, told.append))
    assert [line.partition(":")[0] for line in told] == [step.__name__ for step in STEPS]


def make_trial(folder: Path, times: list[float]) -> Trial:
    """A trial in which a series arrived with these times, in this order."""
    judge = Judge(config_pb2.CollectorConfig())
    for moment in times:
        request = metrics_pb.IngestMetricsRequest()
        request.points.add(metric_key="m", value=1.0).time.FromDatetime(datetime.fromtimestamp(moment, UTC))
        judge.seen.append(Seen("IngestMetrics", request, "", 0.0, is_lost=False))
    return Trial(judge, "", "", [], folder, steady_time=START)


@pytest.mark.parametrize(
    ("offsets", "breach"),
    [
        ([0, 10, 20, 30], None),
        ([0, 10, 10, 20], None),
        ([0, 10, 0, 10, 20], None),
        ([0, 80, 10, 20, 30, 40, 50, 60, 70, 80], None),
        ([-300, 0, 10], None),
        ([0, 10, 30], None),
        ([0, 20, 10], "out of order"),
        ([0, 80, 10, 20, 30, 40, 50, 60, 70], "out of order"),
        ([0, 10, 40], "missing"),
        ([], "no points"),
    ],
)
def test_find_breach(tmp_path: Path, offsets: list[int], breach: str | None) -> None:
    """Repeated points, a newest sample ahead of its turn and one late sample are taken; disorder and holes are found."""
    found = find_breach(make_trial(tmp_path, [START + offset * SAMPLE_SECONDS / 10 for offset in offsets]))
    assert (found is None) if breach is None else breach in (found or "")


def test_examine_finds_a_collector_that_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that never enrolls is told so."""
    monkeypatch.setattr("tests.conformance.collector.judge.Judge.wait_for", impatient(Judge.wait_for))
    with pytest.raises(BreachError, match="did not repeat an enrollment"):
        asyncio.run(examine([sys.executable, "-c", "import signal; signal.pause()"], tmp_path, print))


def impatient(wait_for):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """The same within half a second."""

    async def wait(self, what, condition, _seconds=0.0):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return await wait_for(self, what, condition, 0.5)

    return wait
