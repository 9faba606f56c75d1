"""The findings of an ingestion run and the figures made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from lumetry_core.bench.measuring import OpenLoopLatency, Throughput, median
from lumetry_core.bench.report import Better, Figure, Report, disturbance_figure, disturbance_notes, is_valid

MEGABYTE = 1e6
PROMISES: Mapping[str, tuple[float, float]] = {
    "json: end to end ÷ prometheus": (0.5, 1.0),
    "grpc: end to end ÷ prometheus": (1.5, 2.0),
    "json: guard, end to end ÷ decoder": (0.20, 0.30),
    "json: p99 of the answer at half load": (100.0, 25.0),
    "json: CPU per million": (3.7, 2.5),
    "lumetry: memory at rest (RSS)": (250.0, 120.0),
}
"""Floor and goal of the figures that have them."""


@dataclass(slots=True)
class Findings:
    """What a run measured, in the order in which it did."""

    decoding: list[float] = field(default_factory=list)
    throughput: list[Throughput] = field(default_factory=list)
    latency: list[OpenLoopLatency] = field(default_factory=list)
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def of(self, side: str) -> list[Throughput]:
        """The rounds of a side."""
        return [one for one in self.throughput if one.side == side]


def report_ingest(conditions: Mapping[str, Any], findings: Findings, sides: Sequence[str], disturbed: Sequence[str] = ()) -> Report:
    """Turns findings into figures."""
    figures: list[Figure] = []
    decoding = median(findings.decoding)
    for side in sides:
        rounds = findings.of(side)
        figures += throughput_figures(side, rounds)
        if side != "prometheus":
            figures.append(
                promised(f"{side}: guard, end to end ÷ decoder", median([one.end_to_end_per_second for one in rounds]) / decoding)
            )
            if "prometheus" in sides:
                figures += ratio_figures(side, rounds, findings.of("prometheus"))
    for one in findings.latency:
        figures += latency_figures(one)
    for server, sizes in findings.memory.items():
        figures += memory_figures(server, sizes)
    figures.append(promised("one core's typed decoder", decoding, "points/s"))
    shares = [one.foreign_share for one in findings.throughput] + [one.foreign_share for one in findings.latency]
    foreign = max(shares, default=0.0)
    figures.append(disturbance_figure(foreign))
    notes = [
        "accepted: until the answer, which follows the commit; end to end: until the evaluation queue is empty",
        "CPU: all processes of the server, until the queue is empty; settled: until background work is done too",
        "latency: open loop at half the end-to-end rate, from when a request was due",
        *disturbed,
    ]
    notes += disturbance_notes(foreign)
    if "prometheus" in sides:
        version = findings.versions["prometheus"]
        notes.append(f"prometheus {version}: remote-write, no sync per request; ratios are medians of the rounds' ratios")
    return Report(
        f"Ingestion of {conditions['batch']}-point batches",
        conditions,
        figures,
        notes,
        msgspec.to_builtins(findings),
        valid=is_valid(foreign),
    )


def promised(name: str, value: float, unit: str = "", better: Better = Better.HIGHER) -> Figure:
    """A figure with what was promised for it."""
    floor, goal = PROMISES.get(name, (None, None))
    return Figure(name, value, unit, floor, goal, better)


def throughput_figures(side: str, rounds: Sequence[Throughput]) -> list[Figure]:
    """Medians over the rounds of a side."""
    figures = [promised(f"{side}: accepted", median([one.points_per_second for one in rounds]), "points/s")]
    if side != "prometheus":
        figures.append(promised(f"{side}: end to end", median([one.end_to_end_per_second for one in rounds]), "points/s"))
    cpu = median([one.cpu_seconds_per_million for one in rounds])
    settled = median([one.settled_cpu_seconds / one.accepted_points * 1e6 for one in rounds])
    return [
        *figures,
        promised(f"{side}: CPU per million", cpu, "s", Better.LOWER),
        promised(f"{side}: CPU per million, settled", settled, "s", Better.LOWER),
    ]


def ratio_figures(side: str, ours: Sequence[Throughput], theirs: Sequence[Throughput]) -> list[Figure]:
    """Comparisons with the peer, paired by round."""
    pairs = list(zip(ours, theirs, strict=True))
    speed = median([one.end_to_end_per_second / other.points_per_second for one, other in pairs])
    cpu = median([one.cpu_seconds_per_million / other.cpu_seconds_per_million for one, other in pairs])
    return [promised(f"{side}: end to end ÷ prometheus", speed), promised(f"{side}: CPU ÷ prometheus", cpu, better=Better.LOWER)]


def latency_figures(found: OpenLoopLatency) -> list[Figure]:
    """Answer times of a side."""
    return [
        promised(f"{found.side}: p50 of the answer at half load", found.answers.p50_ms, "ms", Better.LOWER),
        promised(f"{found.side}: p99 of the answer at half load", found.answers.p99_ms, "ms", Better.LOWER),
    ]


def memory_figures(server: str, sizes: Mapping[str, int]) -> list[Figure]:
    """Memory of a server. RSS counts a shared page once per process, which is the stricter way."""
    return [
        promised(f"{server}: memory at rest (RSS)", sizes["rss at rest"] / MEGABYTE, "MB", Better.LOWER),
        promised(f"{server}: memory at rest (PSS)", sizes["pss at rest"] / MEGABYTE, "MB", Better.LOWER),
        promised(f"{server}: memory after (RSS)", sizes["rss after"] / MEGABYTE, "MB", Better.LOWER),
    ]
