from lumetry_core.bench.findings import Findings, report_ingest
from lumetry_core.bench.measuring import OpenLoopLatency, Throughput, median
from lumetry_core.bench.report import Latency

LATENCY = Latency(100, 2, 4, 8, 16)
CONDITIONS = {"batch": 1000, "rounds": 2}


def throughput(side: str, points: int, drain_seconds: float = 0.0, foreign_share: float = 0.02) -> Throughput:
    return Throughput(
        side=side,
        accepted_points=points,
        refused_messages=0,
        load_seconds=10,
        drain_seconds=drain_seconds,
        cpu_seconds=points * 2e-6,
        settled_cpu_seconds=points * 3e-6,
        generator_cpu_seconds=0.5,
        foreign_share=foreign_share,
        latency=LATENCY,
    )


def test_throughput_derives_its_rates() -> None:
    """End to end counts the time that draining took."""
    found = throughput("json", 6_000_000, drain_seconds=2)
    assert (found.points_per_second, found.end_to_end_per_second, found.cpu_seconds_per_million) == (600_000, 500_000, 2)


def test_median_of_even_and_odd_counts() -> None:
    """The middle, or the mean of the two middle values."""
    assert (median([3, 1, 2]), median([4, 1, 3, 2])) == (2, 2.5)


def test_report_ingest_pairs_the_rounds_with_the_peer() -> None:
    """Ratios come from the measurements of one round, not from medians of different rounds."""
    findings = Findings(
        decoding=[1_000_000, 1_000_000],
        throughput=[
            throughput("json", 4_000_000),
            throughput("prometheus", 8_000_000),
            throughput("json", 6_000_000),
            throughput("prometheus", 4_000_000),
        ],
        latency=[OpenLoopLatency("json", 250_000, LATENCY, 0, 0.05, LATENCY)],
        memory={"lumetry": {"rss at rest": 200_000_000, "pss at rest": 150_000_000, "rss after": 300_000_000}},
        versions={"prometheus": "2.42.0"},
    )
    report = report_ingest(CONDITIONS, findings, ["json", "prometheus"])
    found = {figure.name: (figure.value, figure.verdict) for figure in report.figures}
    assert found == {
        "json: accepted": (500_000, ""),
        "json: end to end": (500_000, ""),
        "json: CPU per million": (2, "goal"),
        "json: CPU per million, settled": (3, ""),
        "json: guard, end to end ÷ decoder": (0.5, "goal"),
        "json: end to end ÷ prometheus": (1.0, "goal"),
        "json: CPU ÷ prometheus": (1.0, ""),
        "prometheus: accepted": (600_000, ""),
        "prometheus: CPU per million": (2, ""),
        "prometheus: CPU per million, settled": (3, ""),
        "json: p50 of the answer at half load": (2, ""),
        "json: p99 of the answer at half load": (8, "goal"),
        "lumetry: memory at rest (RSS)": (200, "floor"),
        "lumetry: memory at rest (PSS)": (150, ""),
        "lumetry: memory after (RSS)": (300, ""),
        "one core's typed decoder": (1_000_000, ""),
        "other processes: share of all cores, worst phase": (5, ""),
    }


def test_report_ingest_without_a_peer_has_no_ratios() -> None:
    """One side alone is judged by the guard."""
    report = report_ingest(CONDITIONS, Findings(decoding=[1e6], throughput=[throughput("grpc", 1_000_000)]), ["grpc"])
    assert [figure.name for figure in report.figures] == [
        "grpc: accepted",
        "grpc: end to end",
        "grpc: CPU per million",
        "grpc: CPU per million, settled",
        "grpc: guard, end to end ÷ decoder",
        "one core's typed decoder",
        "other processes: share of all cores, worst phase",
    ]


def test_report_ingest_says_when_other_work_spoiled_it() -> None:
    """A single disturbed phase is enough to doubt a run."""
    disturbed = Findings(decoding=[1e6], throughput=[throughput("json", 10), throughput("json", 10, foreign_share=0.4)])
    report = report_ingest(CONDITIONS, disturbed, ["json"])
    assert not report.valid
    assert report.notes[-1] == "NOT VALID as a result: other processes used up to 40% of the machine while it was measured"


def test_report_ingest_judges_streams_by_the_promise() -> None:
    """The promise is for columns on streams; a call for each batch or for several is shown without a verdict."""
    for side, verdict in (("grpc", "goal"), ("unary", ""), ("unary, 8 batches a call", "")):
        findings = Findings([1e6], [throughput(side, 9_000_000), throughput("prometheus", 1_000_000)], versions={"prometheus": "2.42.0"})
        figures = {figure.name: figure.verdict for figure in report_ingest(CONDITIONS, findings, [side, "prometheus"]).figures}
        assert figures[f"{side}: end to end ÷ prometheus"] == verdict
